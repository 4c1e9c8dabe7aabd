"""What the runner makes of what a cluster says, by recordings of Kubernetes 1.36 and by rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rowmill.errors import BY_NAME, ConfigurationError, ProcessingError, RowmillError, TransientError
from rowmill.kubejobs.naming import ATTEMPT, RUN, STEP
from rowmill.model.termination import error_message, step_message
from rowmill.runners.kubernetes import choosing, controlling, progress, running, telling, troubles
from rowmill.runners.kubernetes.choosing import Ended
from rowmill.runners.kubernetes.progress import Found

RECORDED = json.loads(Path(__file__).with_name("troubles.json").read_text())
QUIET = {"pod-deleted-by-user", "evicted", "forbidden-unauthenticated"}  # nothing that a user could mend


def seen(case):
    """Return the reasons that are told of a recorded case."""
    recorded = RECORDED[case]
    of_pods = {trouble.reason for pod in recorded["pods"] for trouble in troubles.of_pod(pod)}
    return of_pods | {trouble.reason for event in recorded["events"] if (trouble := troubles.of_event(event))}


@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        ("image-missing", {"ErrImagePull", "ImagePullBackOff"}),
        ("image-other-waiting", {"InvalidImageName", "ErrImageNeverPull", "StartError", "CreateContainerConfigError"}),
        ("unschedulable", {"Unschedulable"}),
        ("pending-pod-deleted", {"Unschedulable"}),
        ("missing-pvc", {"Unschedulable"}),
        ("missing-configmap", {"CreateContainerConfigError", "FailedMount"}),
        ("missing-serviceaccount", {"FailedCreate"}),
        ("quota", {"FailedCreate"}),
        ("limitrange", {"FailedCreate"}),
        ("oomkilled", {"OOMKilled"}),
    ],
)
def test_what_keeps_pods_from_their_work_is_told_with_what_to_do(case, reasons):
    assert reasons <= seen(case)
    assert all(reason in troubles.HINTS for reason in seen(case))


@pytest.mark.parametrize("case", sorted(QUIET))
def test_what_kubernetes_mends_by_itself_is_not_told(case):
    assert seen(case) == set()


def test_every_recorded_trouble_has_its_test():
    assert set(RECORDED) - QUIET == {
        *("image-missing", "image-other-waiting", "unschedulable", "pending-pod-deleted", "missing-pvc"),
        *("missing-configmap", "missing-serviceaccount", "quota", "limitrange", "oomkilled"),
    }


def test_a_trouble_that_many_pods_have_is_told_once():
    pod = next(pod for pod in RECORDED["image-missing"]["pods"] if list(troubles.of_pod(pod)))
    many = [{**pod, "metadata": {"name": f"pod-{number}"}} for number in range(50)]
    told = set()
    first = troubles.new_ones((one for pod in many for one in troubles.of_pod(pod)), told)
    assert len(first) == 1
    assert troubles.new_ones((one for pod in many for one in troubles.of_pod(pod)), told) == []


def job(attempt, *, ended="", deleted=False, **spec):
    conditions = [{"type": ended, "status": "True", "reason": "r", "message": "m"}] if ended else []
    metadata = {"name": f"job-{attempt}", "labels": {ATTEMPT: str(attempt)}}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


def test_the_newest_that_is_under_way_is_followed():
    jobs = [job(3), job(7, ended="Failed"), job(5), job(6, deleted=True), job(1, ended="Complete")]
    assert choosing.to_follow(jobs) == jobs[2]
    assert choosing.to_follow([job(1, ended="Complete"), job(2, deleted=True)]) is None
    assert choosing.to_follow([]) is None


def test_a_new_try_has_a_number_that_no_other_has():
    assert choosing.next_attempt([]) == 1
    assert choosing.next_attempt([job(3, ended="Failed"), job(1)]) == 4
    assert choosing.next_attempt([job(3)], least=9) == 9


def test_an_end_that_is_announced_is_none_yet():
    """FailureTarget and SuccessCriteriaMet come before the end."""
    assert choosing.end_of(job(1, ended="FailureTarget")) is None
    assert choosing.end_of(job(1, ended="SuccessCriteriaMet")) is None
    assert choosing.end_of(job(1, ended="Failed")) == Ended(well=False, reason="r", words="m")
    assert choosing.end_of(job(1, ended="Complete")).well


def test_indexes_are_read_as_they_are_written():
    assert choosing.indexes("") == set()
    assert choosing.indexes("0,2-4,6") == {0, 2, 3, 4, 6}


def pod(message="", *, reason="Error", exit_code=4, name="pod"):
    ended = {"reason": reason, "exitCode": exit_code, "message": message}
    return {
        "metadata": {"name": name},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "rowmill", "state": {"terminated": ended}}]},
    }


def failed(error):
    return pod(error_message(error.as_dict()).decode())


FAILED = Ended(well=False, reason="PodFailurePolicy", words="in Kubernetes' words")


@pytest.mark.parametrize("kind", [kind for kind in BY_NAME.values() if kind is not RowmillError])
def test_an_error_of_a_pod_comes_out_as_it_went_in(kind):
    told = telling.error_of(FAILED, [failed(kind("what happened", hint="do this", line_no=5, ordinal=3, partition=1))])
    assert type(told) is kind
    where = "in the pod: " if kind is ConfigurationError else ""
    assert (told.message, told.hint, told.context["line_no"]) == (f"{where}what happened", "do this", 5)


def test_a_file_that_went_along_is_told_by_its_name():
    error = ProcessingError("KeyError (/job/..2026_11_24_16_01_20.777326383/bad.py, line 10); /job/bad.py")
    assert telling.error_of(FAILED, [failed(error)]).message == "KeyError (bad.py, line 10); bad.py"


def test_of_several_errors_the_one_that_ended_the_run_and_comes_first_is_told():
    stopped = pod(error_message({"error": "Stopped", "exit_code": 143, "message": "m", "hint": "h"}).decode())
    pods = [
        stopped,
        failed(TransientError("busy", partition=0)),
        failed(ProcessingError("later", ordinal=900, partition=9)),
        failed(ProcessingError("earlier", ordinal=30, partition=1)),
    ]
    assert telling.error_of(FAILED, pods).message == "earlier"
    assert telling.error_of(FAILED, pods[:2]).message == "busy"


def test_pods_that_told_nothing_are_told_in_kubernetes_words():
    killed = telling.error_of(FAILED, [pod(reason="OOMKilled", exit_code=137)])
    assert isinstance(killed, ProcessingError)
    assert "OOMKilled" in killed.message
    assert "--memory" in killed.hint
    assert "kubectl logs pod" in killed.hint  # it could keep nothing itself
    unstarted = telling.error_of(FAILED, [pod(reason="StartError", exit_code=128)])
    assert isinstance(unstarted, ConfigurationError)
    late = telling.error_of(Ended(well=False, reason="DeadlineExceeded", words="too long"), [])
    assert "--pod-deadline" in late.hint
    assert "in Kubernetes' words" in telling.error_of(FAILED, []).message


def test_what_a_pod_prints_in_other_formats_is_no_message_of_ours():
    assert telling.message_of(pod("{}")) is None
    assert telling.message_of(pod("Traceback")) is None
    assert telling.facts_of([pod(step_message("split", {"run_id": "a"}).decode())])["run_id"] == "a"


def test_progress_counts_the_partitions_of_finished_indexes():
    found = Found("run", rows=1_000, partitions=10, unfinished=8, next_attempt=2)
    under_way = job(1, completions=3)
    under_way["status"] |= {"completedIndexes": "0,2", "failed": 1}
    view = progress.view_of(under_way, found)
    assert (view.partitions_done, view.rows_done, view.failures) == (2 + 3 + 2, 700, 1)


def test_a_report_is_found_in_a_log_between_other_things():
    assert running.report_in("noise\n{\n}\nmore") is None
    assert running.report_in("") is None


def step_of(step, at, *, ended="", attempt=1):
    made = job(attempt, ended=ended)
    made["metadata"] |= {
        "labels": {ATTEMPT: str(attempt), STEP: step},
        "creationTimestamp": f"2026-11-24T00:00:{at:02d}Z",
    }
    return made


@pytest.mark.parametrize(
    ("there", "begun"),
    [
        ([], False),
        ([step_of("split", 1, ended="Failed")], False),
        ([step_of("split", 1, ended="Complete")], True),
        ([step_of("process", 2)], True),  # though split and its pod are gone
        ([step_of("merge", 2)], True),
        ([step_of("split", 1, ended="Complete"), step_of("merge", 5, ended="Complete")], False),  # it is wanted anew
        ([step_of("split", 9, ended="Complete"), step_of("merge", 5, ended="Complete")], True),
        ([step_of("run", 7), step_of("split", 1, ended="Complete"), step_of("merge", 5, ended="Complete")], False),
        # A coordinator that comes again does not do anew what it has done itself.
        ([step_of("run", 1), step_of("split", 2, ended="Complete"), step_of("merge", 5, ended="Complete")], True),
    ],
)
def test_fresh_begins_anew_once(there, begun):
    assert running.is_begun(there) is begun


def test_an_index_that_succeeded_in_the_end_does_not_tell_why_the_run_failed():
    busy, killed = failed(TransientError("busy")), pod(reason="OOMKilled", exit_code=137)
    for one, index in ((busy, "3"), (killed, "7")):
        one["metadata"]["labels"] = {telling.INDEX: index}
    ended = {"status": {"failedIndexes": "7"}}
    assert telling.decisive(ended, [busy, killed]) == [killed]
    assert telling.decisive({"status": {}}, [busy, killed]) == [busy, killed]
    assert isinstance(telling.error_of(FAILED, [busy, killed]), ProcessingError)  # 75 was tried again


@pytest.mark.parametrize(
    ("there", "run_id", "stopped"),
    [
        ([("run", ""), ("split", "")], "a", ["run", "split"]),  # the next round of it
        ([("run", ""), ("process", "a")], "a", ["run", "process"]),
        ([("run", ""), ("process", "b")], "a", []),  # the same command, at another version of its input
        ([("process", "a"), ("process", "b")], "a", ["process"]),
        ([("run", ""), ("process", "b")], "", ["run", "process"]),  # by the name of a KubernetesJob
        ([("check", ""), ("merge", "a")], "a", ["merge"]),
    ],
)
def test_a_control_takes_what_is_under_way_for_the_run_and_leaves_another_run_of_the_same_command(
    there, run_id, stopped
):
    jobs = [job(1) for _ in there]
    for made, (step, run) in zip(jobs, there, strict=True):
        made["metadata"]["labels"] |= {STEP: step} | ({RUN: run} if run else {})
    assert [made["metadata"]["labels"][STEP] for made in controlling.chosen(jobs, run_id)] == stopped
    ended = [made | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}} for made in jobs]
    assert controlling.chosen(ended, run_id) == []
