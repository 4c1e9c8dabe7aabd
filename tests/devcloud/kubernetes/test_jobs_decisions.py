"""The KubernetesJob controller's decisions, where the recordings leave a choice."""

import pytest

from rowmill.devcloud.kubernetes import jobs, jobs_births, jobs_indexes, jobs_pods
from rowmill.devcloud.kubernetes.jobs_backoff import Backoff, remaining_s

NOW = jobs_pods.seconds("2026-01-01T00:10:00Z")
TRACKED = [jobs_pods.TRACKED]


def job(status=None, **spec):
    template = {"spec": {"containers": [{"name": "main"}], "restartPolicy": "Never"}}
    base = {"parallelism": 2, "completions": 2, "backoffLimit": 6, "template": template}
    meta = {"name": "j", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": "Job", "metadata": meta, "spec": base | spec, "status": status or {}}


def pod(name, phase="Running", finalizers=TRACKED, number=None, ended="2026-01-01T00:09:59Z", **meta):
    state = {"terminated": {"exitCode": int(phase == "Failed"), "finishedAt": ended}}
    body = {"name": name, "namespace": "n", "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:09:00Z"}
    if number is not None:
        meta["annotations"] = {jobs_pods.INDEX: str(number), jobs_pods.FAILURES: "0"}
    status = {"phase": phase}
    if phase in ("Succeeded", "Failed"):
        status["containerStatuses"] = [{"name": "main", "state": state, "restartCount": 0}]
    return {"metadata": body | {"finalizers": list(finalizers)} | meta, "spec": {"nodeName": "n"}, "status": status}


def look(body, pods, backoff=None, now=NOW, base_s=10.0):
    plan = jobs.planned(body, pods, backoff or Backoff(), now, base_s)
    return plan, jobs.settled(plan, len(plan.create))


@pytest.mark.parametrize(("indexes", "text"), [
    ((), ""), ((3,), "3"), ((0, 1), "0,1"), ((0, 1, 2), "0-2"), ((0, 2, 3, 4, 6), "0,2-4,6"), ((1, 2, 4, 5), "1,2,4,5"),
])  # fmt: skip
def test_indexes_are_written_as_ranges_and_read_back(indexes, text):
    assert jobs_indexes.written(indexes) == text
    assert jobs_indexes.parse(text, 7) == frozenset(indexes)


def test_indexes_beyond_the_completions_are_not_read():
    assert jobs_indexes.parse("0,2-9", 4) == {0, 2, 3}


def test_a_pod_that_was_noted_before_a_stop_is_counted_once():
    noted = {"uncountedTerminatedPods": {"succeeded": ["uid-a"]}, "succeeded": 0, "active": 0}
    _, outcome = look(job(noted), [pod("a", "Succeeded")])
    assert outcome.release == ("a",)
    assert (outcome.last["succeeded"], outcome.last["uncountedTerminatedPods"]) == (1, {})


def test_a_pod_that_was_released_before_a_stop_is_counted_once():
    noted = {"uncountedTerminatedPods": {"failed": ["uid-a"]}}
    _, outcome = look(job(noted), [pod("a", "Failed", finalizers=())])
    assert outcome.release == ()
    assert (outcome.status["failed"], outcome.status["uncountedTerminatedPods"]) == (1, {})


def test_a_counted_pod_is_not_counted_again():
    _, outcome = look(job({"succeeded": 1}), [pod("a", "Succeeded", finalizers=())])
    assert outcome.status["succeeded"] == 1


def test_the_wait_doubles_up_to_ten_minutes():
    waits = [remaining_s(failures, NOW, NOW, 10.0) for failures in (0, 1, 2, 3, 4, 7, 8, 99)]
    assert waits == [0, 10, 20, 40, 80, 600, 600, 600]


def test_a_failure_makes_the_next_pod_wait_and_says_how_long():
    plan, _ = look(job(), [pod("a", "Failed"), pod("b")])
    assert (plan.create, plan.again_s) == ((), 9.0)
    plan, _ = look(job(), [pod("a", "Failed"), pod("b")], now=NOW + 9)
    assert plan.create == (jobs.Birth(),)


def ready(found):
    found["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:09:00Z"}]
    return found


def test_while_a_try_waits_no_pod_is_said_to_be_active():
    _, outcome = look(job(), [pod("a", "Failed"), pod("b")])
    assert "active" not in outcome.status
    assert outcome.status["uncountedTerminatedPods"] == {"failed": ["uid-a"]}


def test_while_a_try_waits_nothing_is_counted_as_long_as_another_pod_is_ready():
    # with more ready than active pods, Kubernetes refuses the status of its own controller
    pods = [pod("a", "Failed"), ready(pod("b"))]
    assert look(job(), pods)[1] == jobs.Outcome(None, (), None, ())
    assert look(job(), pods, now=NOW + 9)[1].status["uncountedTerminatedPods"] == {"failed": ["uid-a"]}


def test_a_success_after_the_failure_ends_the_wait():
    early = pod("a", "Failed", ended="2026-01-01T00:09:50Z")
    plan, _ = look(job(completions=3, parallelism=3), [early, pod("b", "Succeeded")])
    assert len(plan.create) == 2


def test_an_index_waits_alone():
    limit = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1}
    plan, outcome = look(job(**limit), [pod("a", "Failed", number=1)])
    assert [birth.number for birth in plan.create] == [0, 2]
    assert outcome.release == ()  # its count of failures is needed for the next pod
    plan, _ = look(job(**limit), [pod("a", "Failed", number=1)], now=NOW + 10)
    assert plan.create == (jobs.Birth(0, 0), jobs.Birth(1, 1), jobs.Birth(2, 0))


def test_an_ignored_failure_is_counted_apart():
    rules = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]}
    limit = {"completionMode": "Indexed", "completions": 1, "backoffLimitPerIndex": 0, "podFailurePolicy": rules}
    plan, outcome = look(job(**limit), [pod("a", "Failed", number=0)], now=NOW + 10)
    assert plan.create == (jobs.Birth(0, 0, 1),)
    assert "failed" not in outcome.status


def test_the_first_rule_that_fits_wins():
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [2]}},
    ]
    gone = pod("a", "Failed")
    gone["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    body = job(podFailurePolicy={"rules": rules})
    assert look(body, [gone])[0].view.ending is None
    assert look(body, [pod("a", "Failed")])[0].view.ending["message"] == (
        "Container main for pod n/a failed with exit code 1 matching FailJob rule at index 1"
    )


def test_a_rule_for_another_container_does_not_fit():
    rules = [{"action": "FailJob", "onExitCodes": {"containerName": "side", "operator": "In", "values": [1]}}]
    assert look(job(podFailurePolicy={"rules": rules}), [pod("a", "Failed")])[0].view.ending is None


def test_a_pod_about_to_go_keeps_its_place_where_only_failed_ones_are_replaced():
    going = pod("a", deletionTimestamp="2026-01-01T00:11:00Z", deletionGracePeriodSeconds=60)
    one = {"completions": 1, "parallelism": 1}
    assert look(job(**one, podReplacementPolicy="Failed"), [going])[0].create == ()
    plan, _ = look(job(**one, podReplacementPolicy="TerminatingOrFailed"), [going], now=NOW + 60)
    assert plan.create == (jobs.Birth(),)


def test_pods_that_were_too_many_leave_uncounted():
    plan, _ = look(job(parallelism=1), [pod("a"), pod("b")])
    assert (len(plan.delete), plan.uncounted) == (1, True)


def test_of_pods_that_are_too_many_the_youngest_go_first():
    old, young = pod("a"), pod("b", creationTimestamp="2026-01-01T00:09:30Z")
    assert [look(job(parallelism=1), pods)[0].delete for pods in ([old, young], [young, old])] == [("b",)] * 2


def test_a_pod_whose_index_is_out_of_range_leaves_and_is_not_counted():
    spec = {"completionMode": "Indexed", "completions": 1, "parallelism": 1}
    plan, _ = look(job(**spec), [pod("a", number=0), pod("b", number=1)])
    assert (plan.delete, plan.uncounted) == (("b",), True)
    _, outcome = look(job(**spec), [pod("a", number=0), pod("b", "Failed", number=1)])
    assert (outcome.release, outcome.status["uncountedTerminatedPods"]) == (("b",), {})


def test_restarts_are_too_many_only_if_there_was_one():
    body = job(backoffLimit=0)
    body["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    runs = pod("a")
    for restarts, ends in ((0, False), (1, True)):
        runs["status"]["containerStatuses"] = [{"name": "main", "state": {"running": {}}, "restartCount": restarts}]
        assert (look(body, [runs])[0].view.ending is not None) == ends


def test_pods_of_a_failing_job_are_counted_when_they_leave():
    plan, outcome = look(job(backoffLimit=0), [pod("a", "Failed"), pod("b")])
    assert (plan.delete, plan.uncounted) == (("b",), False)
    assert outcome.status["uncountedTerminatedPods"] == {"failed": ["uid-a", "uid-b"]}
    assert [one["type"] for one in outcome.last["conditions"]] == ["FailureTarget"]  # b is still about to go


def test_a_pod_that_could_not_be_created_is_not_active():
    plan = jobs.planned(job(), [], Backoff(), NOW)
    assert (len(plan.create), "active" in jobs.settled(plan, 0).status) == (2, False)


def test_a_deadline_says_when_to_look_again():
    body = job({"startTime": "2026-01-01T00:09:58Z"}, activeDeadlineSeconds=5)
    assert look(body, [pod("a"), pod("b")])[0].again_s == 3.0


@pytest.mark.parametrize(("rule", "done", "met"), [
    ({"succeededIndexes": "0-1"}, "0", False), ({"succeededIndexes": "0-1"}, "0,1", True),
    ({"succeededIndexes": "0-2", "succeededCount": 2}, "0,2", True), ({"succeededCount": 2}, "3", False),
    ({"succeededCount": 2}, "2,3", True), ({"succeededIndexes": "0-2", "succeededCount": 2}, "0,3", False),
])  # fmt: skip
def test_success_of_some_is_enough_by_the_rule(rule, done, met):
    spec = {"completionMode": "Indexed", "completions": 4, "successPolicy": {"rules": [rule]}}
    ending = look(job({"completedIndexes": done}, **spec), [])[0].view.ending
    assert (ending is not None) == met


def test_a_pod_of_an_index_has_its_name_label_host_and_variable():
    body = job(completionMode="Indexed")
    born = jobs_births.pod(body, jobs.Birth(3, 1))
    assert born["metadata"]["generateName"] == "j-3-"
    assert born["metadata"]["labels"][jobs_pods.INDEX] == "3"
    assert born["metadata"]["annotations"] == {jobs_pods.INDEX: "3", jobs_pods.FAILURES: "1"}
    assert (born["spec"]["hostname"], born["spec"]["containers"][0]["env"][0]["name"]) == (
        "j-3",
        "JOB_COMPLETION_INDEX",
    )
