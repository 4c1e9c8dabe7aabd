"""How executions end: what helps is tried again, what does not is told, and a run has one execution."""

from __future__ import annotations

import json
import time

import pytest

from rowmill.model.orders import HEADER, row_maker

from .conftest import MOUNT, NAMESPACE, ROWS
from .interpreter import HANG_S

ODD = "a b+c'd\"$(HOME)$$x;{%é.csv"


def until(happened):
    end = time.monotonic() + HANG_S
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def on_s3(world, name):
    world.steps.s3.create_bucket(Bucket=name)
    return {"workspace": f"s3://{name}/p", "workspace_bucket": name, "workspace_prefix": "p/"}


def begun(mill):
    """Wait until an execution has the run, and its rows wait."""
    until(lambda: list((mill.folder / "work/runs").glob("*/executions/*.json")))


def test_a_finished_run_is_a_duplicate_unless_it_is_wanted_anew(mill):
    made = mill(mode="sequential")
    first = made.run()
    assert (first.status, first.output["status"]) == ("SUCCEEDED", "done"), first.cause
    assert made.output("in.csv_Single_Output") == made.told.output
    again = made.run()
    assert (again.output["status"], again.output["duplicate_of"]) == ("duplicate", first.arn)
    assert {name: again.output[name] for name in ("run_id", "written", "report")} == {
        name: first.output[name] for name in ("run_id", "written", "report")
    }
    anew = made.run("--fresh")
    assert (anew.status, anew.output["status"]) == ("SUCCEEDED", "done"), anew.cause
    assert [job["metadata"]["labels"]["rowmill.dev/step"] for job in made.jobs()] == ["run"] * 3


def test_a_pod_that_fails_in_passing_is_tried_again(mill):
    made = mill()
    made.say("7.passing", "1")
    assert made.run().status == "SUCCEEDED"
    assert made.output() == made.told.output
    assert len(made.jobs("process")) == 1


def test_a_kubernetes_job_that_failed_in_passing_has_another_round(mill):
    made = mill()
    made.say("7.passing", "4")
    ended = made.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert made.output() == made.told.output
    assert {job["metadata"]["labels"]["rowmill.dev/round"] for job in made.jobs("process")} == {"1", "2"}


@pytest.mark.parametrize(
    ("fan_out", "waiter"),
    [
        ("indexed-job", "call"),
        ("inline-map", "sync"),
        ("distributed-map", "call"),
    ],
)
def test_a_row_that_the_code_fails_on_is_named_by_its_place(mill, world, fan_out, waiter):
    made = mill(fan_out=fan_out, waiter=waiter, **(on_s3(world, "poisoned") if fan_out == "distributed-map" else {}))
    made.say("120.poison")
    ended = made.run()
    assert (ended.status, ended.error) == ("FAILED", "ProcessingError"), ended.cause
    told = ended.failure
    assert (told["step"], told["partition"], told["ordinal"], told["line_no"]) == ("process", 1, 120, 122)
    assert "ValueError" in told["message"]
    assert told["hint"]
    assert not made.jobs("merge")
    key = (made.folder / "in.csv").read_text().splitlines()[121].split(",")[6]
    assert key not in json.dumps(ended.events, default=str)


def test_a_failed_run_goes_on_by_a_new_execution(mill):
    made = mill()
    made.say("120.poison")
    assert made.run().error == "ProcessingError"
    (made.folder / "120.poison").unlink()
    ended = made.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert made.output() == made.told.output
    taken = sorted((made.folder / "work/runs").glob("*/executions/*.json"))
    assert [json.loads(one.read_bytes())["execution"] for one in taken][-1] == ended.arn
    assert len(taken) == 2


def test_a_twin_of_an_execution_that_runs_is_its_duplicate(mill):
    made = mill()
    made.say("7.hold")
    first = made.start()
    begun(made)
    twin = made.world.steps.ended(made.start())
    assert (twin.status, twin.output["status"], twin.output["duplicate_of"]) == ("SUCCEEDED", "duplicate", first)
    assert set(twin.output) == {"status", "input", "run_id", "duplicate_of"}
    (made.folder / "7.hold").unlink()
    ended = made.world.steps.ended(first)
    assert (ended.status, ended.output["status"]) == ("SUCCEEDED", "done")
    assert len(made.jobs("process")) == 1


def test_an_execution_that_was_stopped_is_taken_over(mill):
    made = mill()
    made.say("7.hold")
    first = made.start()
    begun(made)
    made.world.steps.client.stop_execution(executionArn=first)
    (made.folder / "7.hold").unlink()
    ended = made.run()
    assert (ended.status, ended.output["status"]) == ("SUCCEEDED", "done"), ended.cause
    assert made.output() == made.told.output


def test_what_an_api_server_or_the_lambda_refuses_in_passing_is_asked_again(mill, world):
    made = mill(fan_out="inline-map")
    world.split_file.fail = 2
    left = {
        ("POST", "EKS.409"): 2,
        ("POST", "EKS.429"): 1,
        ("GET", "EKS.500"): 2,
        ("GET", "EKS.503"): 1,
        ("GET", "States.Timeout"): 1,
    }

    def fail(method, _path):
        for (which, name), count in left.items():
            if which == method and count:
                left[which, name] -= 1
                return name
        return ""

    world.eks.fail = fail
    assert made.run().status == "SUCCEEDED"
    assert not any(left.values())
    assert not world.split_file.fail


def test_what_merge_told_is_told_by_split_where_its_pod_is_gone(mill, world):
    made = mill(workers=1)

    def fail(_method, path):
        return "EKS.404" if path.endswith("/pods") and len(made.jobs("merge")) == len(made.jobs("split")) else ""

    world.eks.fail = fail
    ended = made.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert (ended.output["status"], ended.output["written"], ended.output["attempt"]) == ("done", ROWS, 1)
    assert [len(made.jobs(step)) for step in ("split", "process", "merge")] == [2, 1, 1]


def test_what_split_told_is_told_by_the_next_round_where_its_pod_is_gone(mill, world):
    made = mill(workers=1)

    def collect(_method, path):
        splits = [job["metadata"]["name"] for job in made.jobs("split")]
        if path.endswith("/pods") and len(splits) == 1:
            for pod in world.cluster.store.list("Pod", NAMESPACE)[0]:
                if pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] in splits:
                    world.cluster.store.delete("Pod", NAMESPACE, pod["metadata"]["name"])
        return ""

    world.eks.fail = collect
    ended = made.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert [len(made.jobs(step)) for step in ("split", "process", "merge")] == [2, 1, 1]


@pytest.mark.parametrize("waiter", ["call", "sync"])
def test_a_cluster_that_refuses_the_machine_is_told_at_once(mill, world, waiter):
    made = mill(waiter=waiter)
    asked = []

    def fail(method, path):
        asked.append((method, path))
        return "EKS.401"

    world.eks.fail = fail
    ended = made.run()
    assert ended.error == "ConfigurationError"
    assert "EKS.401" in ended.failure["message"]
    assert "access entry" in ended.failure["hint"]
    assert len([one for one in asked if one[0] == "POST"]) == 1


def test_a_kubernetes_job_that_is_deleted_is_told(mill, world):
    made = mill()
    made.say("7.hold")
    arn = made.start()
    (job,) = until(lambda: made.jobs("process"))
    world.cluster.store.delete("Job", NAMESPACE, job["metadata"]["name"])
    ended = world.steps.ended(arn)
    assert ended.error == "StateError"
    assert "was deleted" in ended.failure["hint"]


@pytest.mark.parametrize(("fan_out", "waiter"), [("indexed-job", "call"), ("inline-map", "sync")])
def test_a_kubernetes_job_that_is_stuck_ends_by_its_deadline_and_has_no_other_round(mill, fan_out, waiter):
    made = mill(fan_out=fan_out, waiter=waiter, pods={"deadline_s": 3})
    made.say("7.hold")
    ended = made.run()
    assert ended.error == "TransientError"
    assert ended.failure["reason"] == "DeadlineExceeded"
    assert len(made.jobs("split")) == 1


def test_an_inline_map_is_refused_where_its_history_could_become_too_long(mill):
    made = mill(fan_out="inline-map", rows_per_partition="1")
    ended = made.run()
    assert ended.error == "ConfigurationError"
    assert "200 partitions" in ended.failure["message"]
    assert not made.jobs("process")


def test_keys_with_odd_characters_reach_the_pods_as_they_are(mill):
    made = mill()
    (made.folder / ODD).write_text(HEADER + row_maker(7)(0, 20))
    ended = made.run("--param=odd=$(HOME) $$ {% 1 %}", given=f"{made.place}/{ODD}")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.output["input"] == f"{MOUNT}/{made.folder.name}/{ODD}"
    assert len(made.output(f"{ODD}_Output").splitlines()) == 20
    (run,) = (made.folder / "work/runs").glob("*/run.json")
    assert json.loads(run.read_bytes())["params"] == {"odd": "$(HOME) $$ {% 1 %}"}


def test_an_input_that_names_nothing_fails_before_any_pod(mill):
    made = mill()
    ended = made.world.steps.ended(made.world.steps.start(made.arn, {"detail": {}}))
    assert ended.error == "ConfigurationError"
    assert not made.jobs()


def test_an_input_that_is_not_there_is_the_user_s_to_mend(mill):
    made = mill()
    ended = made.run(given=f"{made.place}/nothing.csv")
    assert (ended.error, ended.failure["step"]) == ("InputError", "split")
