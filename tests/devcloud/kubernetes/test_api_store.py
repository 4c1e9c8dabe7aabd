"""The store: one counter, every change in order, objects that go in their own time."""

from __future__ import annotations

import threading

import pytest

from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.store import Store

HANGS_S = 20.0


@pytest.fixture
def store():
    return Store(clock=lambda: 1_800_000_000.9)


def make(store, kind="ConfigMap", name="a", **rest):
    return store.create(kind, {"metadata": {"name": name, "namespace": "n", **rest.pop("metadata", {})}, **rest})


def test_what_is_created_has_all_that_a_server_fills_in(store):
    made = make(store, "Job")
    assert made["kind"] == "Job"
    assert made["apiVersion"] == "batch/v1"
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert made["metadata"]["resourceVersion"] == str(store.version)
    assert store.get("Job", "n", "a") == made


def test_a_generated_name_is_the_prefix_and_five_letters(store):
    names = {
        store.create("Pod", {"metadata": {"generateName": "p-", "namespace": "n"}})["metadata"]["name"] for _ in "123"
    }
    assert len(names) == 3
    assert all(name.startswith("p-") and len(name) == 7 for name in names)


def test_a_name_is_taken_once(store):
    make(store)
    with pytest.raises(Refusal) as refused:
        make(store)
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")


def test_what_is_returned_can_be_changed_without_changing_the_store(store):
    make(store, data={"k": "v"})["data"]["k"] = "other"
    store.list("ConfigMap")[0][0]["data"]["k"] = "other"
    assert store.get("ConfigMap", "n", "a")["data"] == {"k": "v"}


def test_a_spec_counts_generations_and_a_status_does_not(store):
    make(store, "Job", spec={"suspend": True})
    spec = store.update("Job", "n", "a", lambda job: {**job, "spec": {"suspend": False}, "status": {"active": 9}})
    assert (spec["metadata"]["generation"], spec.get("status")) == (2, None)
    status = store.update("Job", "n", "a", lambda job: {**job, "spec": {}, "status": {"active": 1}}, status=True)
    assert (status["metadata"]["generation"], status["spec"]) == (2, {"suspend": False})
    assert status["status"] == {"active": 1}


def test_a_change_that_changes_nothing_has_no_version_and_no_event(store):
    made = make(store)
    assert store.update("ConfigMap", "n", "a", lambda obj: obj) == made
    assert store.update("ConfigMap", "n", "a", lambda _obj: None) == made
    assert store.watch(int(made["metadata"]["resourceVersion"])) == []


def test_a_pod_that_runs_goes_when_its_kubelet_says_so(store):
    make(store, "Pod", spec={"nodeName": "node", "terminationGracePeriodSeconds": 7})
    doomed = store.delete("Pod", "n", "a")
    assert not doomed.gone
    assert doomed.object["metadata"]["deletionTimestamp"] == "2027-01-15T08:00:07Z"
    assert doomed.object["metadata"]["deletionGracePeriodSeconds"] == 7
    store.update("Pod", "n", "a", lambda pod: {**pod, "status": {"phase": "Failed"}}, status=True)
    assert store.get("Pod", "n", "a") is not None
    assert store.delete("Pod", "n", "a", grace_s=0).gone
    assert store.get("Pod", "n", "a") is None


def test_a_pod_that_nobody_runs_goes_at_once(store):
    make(store, "Pod")
    assert store.delete("Pod", "n", "a").gone


def test_finalizers_hold_an_object_until_the_last_is_off(store):
    make(store, "Pod", metadata={"finalizers": ["batch.kubernetes.io/job-tracking"]})
    assert not store.delete("Pod", "n", "a").gone
    since = store.version
    store.update("Pod", "n", "a", lambda pod: {**pod, "metadata": {**pod["metadata"], "finalizers": []}})
    assert [event.type for event in store.watch(since)] == ["DELETED"]
    assert store.get("Pod", "n", "a") is None


@pytest.mark.parametrize(
    ("propagation", "finalizers"),
    [("", ["orphan"]), ("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)],
)
def test_a_job_s_deletion_waits_for_what_is_to_be_done_with_its_pods(store, propagation, finalizers):
    make(store, "Job")
    deleted = store.delete("Job", "n", "a", propagation=propagation)
    assert deleted.gone is (finalizers is None)
    assert deleted.object["metadata"].get("finalizers") == finalizers


@pytest.mark.parametrize("preconditions", [{"uid": "other"}, {"resourceVersion": "1"}])
def test_another_object_than_was_meant_is_not_deleted(store, preconditions):
    make(store)
    with pytest.raises(Refusal, match="does not match the"):
        store.delete("ConfigMap", "n", "a", preconditions=preconditions)
    assert store.get("ConfigMap", "n", "a") is not None


def test_changes_come_in_order_with_what_was_before(store):
    made = make(store, data={"k": "1"})
    store.update("ConfigMap", "n", "a", lambda obj: {**obj, "data": {"k": "2"}})
    store.delete("ConfigMap", "n", "a")
    events = store.watch(1)
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.version for event in events] == [2, 3, 4]
    assert events[0].before is None
    assert events[1].before == made
    assert events[2].object["data"] == {"k": "2"}


def test_who_watches_is_woken_by_a_change(store):
    seen, since = [], store.version
    watcher = threading.Thread(target=lambda: seen.extend(store.watch(since, HANGS_S)))
    watcher.start()
    make(store)
    watcher.join(HANGS_S)
    assert [event.object["metadata"]["name"] for event in seen] == ["a"]


def test_who_comes_too_late_is_told_so():
    store = Store(kept=3)
    for number in range(7):
        make(store, name=f"c{number}")
    with pytest.raises(Refusal, match="too old resource version") as refused:
        store.watch(1)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    assert len(store.watch(store.oldest)) == 3


def test_a_dry_run_leaves_everything_as_it_was(store):
    made = make(store)
    assert store.create("Secret", {"metadata": {"name": "s"}}, dry_run=True)["metadata"]["uid"]
    assert store.update("ConfigMap", "n", "a", lambda obj: {**obj, "data": {"k": "2"}}, dry_run=True)["data"]
    assert store.delete("ConfigMap", "n", "a", dry_run=True).gone
    assert store.list("Secret") == ([], 2)
    assert store.get("ConfigMap", "n", "a") == made


def test_many_threads_lose_no_change(store):
    make(store, data={"k": 0})

    def count() -> None:
        for _ in range(100):
            store.update("ConfigMap", "n", "a", lambda obj: {**obj, "data": {"k": obj["data"]["k"] + 1}})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    assert store.get("ConfigMap", "n", "a")["data"]["k"] == 400
    assert len(store.watch(2)) == 400
