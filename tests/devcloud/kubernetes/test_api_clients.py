"""Clients of others: lightkube and kubectl do with the small Kubernetes what they do with any."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod
from lightkube.types import CascadeType, PatchType
from tests.devcloud.kubernetes.exchanging import job, pod

from rowmill.devcloud import kubernetes
from rowmill.devcloud.kubernetes.kubelet.logs import log_path

HANGS_S = 60
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed here")


@pytest.fixture
def client(api):
    with Client(config=KubeConfig.from_file(str(api.kubeconfig)), field_manager="tests") as made:
        yield made


@pytest.fixture
def kubectl(api, tmp_path):
    def run(*words, given=None, fails=False):
        env = os.environ | {"KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path)}
        done = subprocess.run(
            [str(KUBECTL), *words], env=env, input=given, capture_output=True, text=True, timeout=HANGS_S, check=False
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


def test_lightkube_creates_gets_lists_and_deletes(client):
    made = client.create(Job.from_dict(job("a")))
    assert client.get(Job, "a").metadata.uid == made.metadata.uid
    assert [found.metadata.name for found in client.list(Job, labels={"job-name": "a"})] == ["a"]
    assert list(client.list(Job, fields={"metadata.name": "b"})) == []
    client.delete(Job, "a", cascade=CascadeType.BACKGROUND)
    with pytest.raises(ApiError) as told:
        client.get(Job, "a")
    assert (told.value.status.code, told.value.status.reason) == (404, "NotFound")


def test_lightkube_lists_by_pages(client):
    for number in range(5):
        client.create(ConfigMap(metadata=ObjectMeta(name=f"c{number}"), data={"k": str(number)}))
    found = [each.metadata.name for each in client.list(ConfigMap, chunk_size=2)]
    assert found == [*(f"c{number}" for number in range(5)), "kube-root-ca.crt"]


def test_lightkube_meets_names_that_are_taken_and_objects_that_have_changed(client):
    first = client.create(Job.from_dict(job("a")))
    with pytest.raises(ApiError) as taken:
        client.create(Job.from_dict(job("a")))
    assert taken.value.status.reason == "AlreadyExists"
    client.patch(Job, "a", {"metadata": {"labels": {"k": "v"}}}, patch_type=PatchType.MERGE)
    first.metadata.labels["k"] = "w"
    with pytest.raises(ApiError) as changed:
        client.replace(first)
    assert (changed.value.status.code, changed.value.status.reason) == (409, "Conflict")


def test_lightkube_patches_in_every_way(client):
    client.create(Job.from_dict(job("a", suspend=True)))
    client.patch(Job, "a", {"spec": {"parallelism": 2}}, patch_type=PatchType.MERGE)
    resources = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"memory": "1Gi"}}}]}}
    client.patch(Job, "a", {"spec": {"template": resources}}, patch_type=PatchType.STRATEGIC)
    found = client.patch(
        Job, "a", [{"op": "replace", "path": "/spec/suspend", "value": False}], patch_type=PatchType.JSON
    )
    [container] = found.spec.template.spec.containers
    assert (found.spec.parallelism, found.spec.suspend, container.image) == (2, False, "busybox:1")
    assert container.resources.limits == {"memory": "1Gi"}


def test_lightkube_applies_and_another_manager_conflicts(client):
    applied = client.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"k": "1"}), field_manager="one")
    assert applied.data == {"k": "1"}
    with pytest.raises(ApiError, match="conflict with"):
        client.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"k": "2"}), field_manager="two")
    dry = client.apply(
        ConfigMap(metadata=ObjectMeta(name="c"), data={"k": "2"}), field_manager="two", force=True, dry_run=True
    )
    assert (dry.data, client.get(ConfigMap, "c").data) == ({"k": "2"}, {"k": "1"})
    gone = client.apply(ConfigMap(metadata=ObjectMeta(name="c")), field_manager="one")
    assert gone.data is None


def test_lightkube_watches(client):
    client.create(Job.from_dict(job("a")))
    seen, begun, enough = [], threading.Event(), threading.Event()

    def watch():
        for event, found in client.watch(Job, resource_version="0"):
            seen.append((event, found.metadata.name))
            begun.set()
            if len(seen) == 3:
                enough.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert begun.wait(HANGS_S)  # else b might be gone before anybody looks
    client.create(Job.from_dict(job("b")))
    client.delete(Job, "b", cascade=CascadeType.BACKGROUND)
    assert enough.wait(HANGS_S)
    watcher.join(HANGS_S)
    assert sorted(seen) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b")]


def test_lightkube_reads_a_log_as_it_grows(api, client):
    made = api.store.create("Pod", pod(nodeName="node-1"))
    running = {"containerStatuses": [{"name": "main", "restartCount": 0, "state": {"running": {}}}]}
    over = {"containerStatuses": [{"name": "main", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}]}
    api.store.update("Pod", "default", "p", lambda old: {**old, "status": running}, status=True)
    path = log_path(api.kubeconfig.parent, "default", made["metadata"]["uid"], "main", 0)
    path.parent.mkdir(parents=True)
    lines = client.log("p", follow=True)
    path.write_text("2026-11-24T04:27:13.000000001Z stdout one\n")
    assert next(lines) == "one\n"
    with path.open("a") as log:
        log.write("2026-11-24T04:27:14.000000002Z stderr two\n")
    assert next(lines) == "two\n"
    assert list(client.log("p", tail_lines=1, timestamps=True)) == ["2026-11-24T04:27:14.000000002Z two\n"]
    with path.open("a") as log:
        log.write("2026-11-24T04:27:15.000000003Z stderr last words\n")
        path.unlink()  # as its kubelet does when the pod goes
    api.store.update("Pod", "default", "p", lambda old: {**old, "status": over}, status=True)
    assert list(lines) == ["last words\n"]


def test_lightkube_makes_namespaces_and_waits_for_conditions(api, client):
    client.create(Namespace(metadata=ObjectMeta(name="n")))
    client.create(Job.from_dict(job("a")), namespace="n")
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    api.store.update("Job", "n", "a", lambda old: {**old, "status": done}, status=True)
    assert client.wait(Job, "a", for_conditions=["Complete"], namespace="n").status.conditions[0].type == "Complete"
    assert [found.metadata.namespace for found in client.list(Job, namespace="*")] == ["n"]


def test_lightkube_names_by_a_prefix_and_deletes_a_pod_with_grace(client):
    body = pod(nodeName="node-1")
    body["metadata"] = {"generateName": "p-"}
    made = client.create(Pod.from_dict(body))
    assert made.metadata.name.startswith("p-")
    client.delete(Pod, made.metadata.name, grace_period=7)
    assert client.get(Pod, made.metadata.name).metadata.deletionGracePeriodSeconds == 7


@needs_kubectl
def test_kubectl_creates_shows_changes_and_deletes(kubectl):
    assert "created" in kubectl("create", "-f", "-", given=json.dumps(job("yy")))
    assert "AlreadyExists" in kubectl("create", "-f", "-", given=json.dumps(job("yy")), fails=True)
    assert kubectl("get", "jobs").split()[:5] == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert "job.batch/yy" in kubectl("get", "all", "-o", "wide")
    assert "labeled" in kubectl("label", "job", "yy", "k=v")
    kubectl("patch", "job", "yy", "-p", '{"spec":{"parallelism":3}}')
    assert kubectl("get", "job", "yy", "-o", "jsonpath={.spec.parallelism} {.metadata.labels.k}") == "3 v"
    assert "Backoff Limit:    6" in kubectl("describe", "job", "yy")
    assert "deleted" in kubectl("delete", "job", "yy", "--cascade=background")


@needs_kubectl
@pytest.mark.parametrize("side", ["--server-side=false", "--server-side"])
def test_kubectl_takes_a_list_apart_and_its_items_are_checked(kubectl, side):
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "in-list"}, "data": {"k": "1"}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "in-list"}, "spec": budget},
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    made = kubectl("apply", side, "-f", "-", given=json.dumps(listed)).splitlines()
    assert len(made) == 2
    assert kubectl("get", "pdb", "in-list", "-o", "jsonpath={.spec.minAvailable}") == "1"
    items[0] = {**items[0], "unknown": "field"}
    refused = kubectl("apply", side, "-f", "-", given=json.dumps(listed), fails=True)
    assert "unknown" in refused
    assert len(kubectl("delete", "-f", "-", given=json.dumps({**listed, "items": items[1:]})).splitlines()) == 1


@needs_kubectl
def test_kubectl_applies_on_either_side(kubectl):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1"}}
    kubectl("apply", "-f", "-", given=json.dumps(body))
    kubectl("apply", "-f", "-", given=json.dumps({**body, "data": {"l": "2"}}))
    assert json.loads(kubectl("get", "configmap", "c", "-o", "json"))["data"] == {"l": "2"}
    other = json.dumps({**body, "data": {"l": "3"}})
    assert "conflict" in kubectl("apply", "--server-side", "-f", "-", given=other, fails=True)
    kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", given=other)
    assert json.loads(kubectl("get", "configmap", "c", "-o", "json"))["data"] == {"l": "2"}


@needs_kubectl
def test_kubectl_hears_of_unknown_fields_before_anything_is_made(kubectl):
    body = job("a")
    body["spec"]["paralelism"] = 2
    assert 'unknown field "spec.paralelism"' in kubectl("create", "-f", "-", given=json.dumps(body), fails=True)
    assert kubectl("get", "jobs", "-o", "name") == ""


@needs_kubectl
def test_kubectl_s_short_forms_make_what_they_name(kubectl):
    kubectl("create", "namespace", "n")
    kubectl("create", "configmap", "c", "--from-literal=k=v", "-n", "n")
    kubectl("create", "secret", "generic", "s", "--from-literal=k=v", "-n", "n")
    kubectl("create", "serviceaccount", "a", "-n", "n")
    kubectl("create", "quota", "q", "--hard=pods=3", "-n", "n")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=jobs.batch", "-n", "n")
    kubectl("create", "rolebinding", "b", "--role=r", "--serviceaccount=n:a", "-n", "n")
    kubectl("create", "job", "j", "--image=busybox:1", "-n", "n", "--", "sh", "-c", "true")
    wanted = {"configmap/c": "data", "secret/s": "data", "quota/q": "spec", "role/r": "rules", "job/j": "spec"}
    found = {name: json.loads(kubectl("get", name, "-n", "n", "-o", "json"))[part] for name, part in wanted.items()}
    assert found["configmap/c"] == {"k": "v"}
    assert found["secret/s"] == {"k": "dg=="}
    assert found["quota/q"] == {"hard": {"pods": "3"}}
    assert found["role/r"] == [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]
    assert found["job/j"]["template"]["spec"]["containers"][0]["command"] == ["sh", "-c", "true"]
    assert kubectl("auth", "can-i", "create", "jobs").strip() == "yes"
    token = kubectl("create", "token", "a", "-n", "n").strip()
    assert len(token) > 20


@needs_kubectl
def test_kubectl_discovers_what_there_is(kubectl):
    assert "v1.36.2" in kubectl("version")
    assert {"jobs.batch", "pods", "poddisruptionbudgets.policy"} <= set(kubectl("api-resources", "-o", "name").split())


@needs_kubectl
def test_kubectl_runs_a_job_and_reads_its_log(tmp_path):
    with kubernetes.serving(tmp_path / "cluster") as cluster:
        env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}

        def run(*words, given=None):
            return subprocess.run(
                [str(KUBECTL), *words],
                env=env,
                input=given,
                capture_output=True,
                text=True,
                timeout=HANGS_S,
                check=True,
            ).stdout

        body = job("hello")
        body["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "echo one; echo two >&2"]
        run("create", "-f", "-", given=json.dumps(body))
        run("wait", "--for=condition=complete", "job/hello", f"--timeout={HANGS_S}s")
        assert sorted(run("logs", "job/hello").split()) == ["one", "two"]
        assert "Completed" in run("get", "pods")
        assert "SuccessfulCreate" in run("get", "events")
