"""A file lands in the bucket of a deployed stack, and its output and its items appear, whatever happens meanwhile."""

import json
from pathlib import Path

import pytest
from tests.e2e.kit import EXAMPLE, JOB, assert_landed, kill, let_fail, running_pods, until

ODD = "in put/a b+c 'q' \"d\" ;$(HOME)&{% $x %}.csv"
WAITING = {"all": "wait"}
FORMS = {  # the job of each stack, and what its outputs end in
    "Article": (EXAMPLE, "_Output"),
    "Inline": (JOB, "_Output"),
    "Wide": (EXAMPLE, "_Output"),
    "Lean": (JOB, "_Output"),
    "Sequential": (EXAMPLE, "_Single_Output"),
}


@pytest.fixture(scope="module")
def begun(stacks, orders):
    """Drop a file into the bucket of every stack; all run at once."""
    files = {name: orders(199, 1, {} if job is JOB else None) for name, (job, _) in FORMS.items()}
    return {name: (file, stacks(name).put(file, "test.csv")) for name, file in files.items()}


@pytest.mark.parametrize("name", FORMS)
def test_199_orders_are_confirmed_by_every_form_of_the_stack(stacks, begun, name):
    (file, execution), stack, (job, ending) = begun[name], stacks(name), FORMS[name]
    assert_landed(stack, stack.end(execution), file, job, "test.csv", ending)
    assert len(stack.items()) == 199
    assert stack.executions(f"test.csv{ending}") == []


def test_20000_orders_in_40_partitions_come_out_in_order(stacks, orders):
    stack, file = stacks("Article"), orders(20_000, 2)
    assert_landed(stack, stack.drop(file), file, EXAMPLE)


def test_any_key_is_taken_as_it_is(stacks, orders):
    stack, file = stacks("Article"), orders(30, 3)
    assert_landed(stack, stack.drop(file, ODD), file, EXAMPLE, ODD)


def test_a_pod_that_is_killed_costs_only_time(rowmill_devcloud, stacks, orders):
    stack, file = stacks("Lean"), orders(200, 4, WAITING)
    execution = stack.put(file)
    [pod] = until(lambda: running_pods(rowmill_devcloud, "rowmill-lean", "process"))
    kill(rowmill_devcloud, "rowmill-lean", pod)
    assert_landed(stack, stack.end(execution), file, JOB)


def test_a_lambda_that_fails_twice_is_asked_again_and_lists_all_partitions(stacks, orders, tmp_path):
    stack, file = stacks("Inline"), orders(2_000, 5, {})
    names = [one["FunctionName"] for one in stack.lambdas.list_functions()["Functions"]]
    [split_file] = [name for name in names if "SplitFile" in name]
    mend = let_fail(stack, split_file, tmp_path / "marks", 2)
    assert_landed(stack, stack.drop(file), file, JOB)
    assert len(list((tmp_path / "marks").iterdir())) == 2
    mend()


@pytest.mark.parametrize("after", ["while it runs", "afterwards"])
def test_the_same_event_twice_is_one_run(stacks, orders, after):
    stack, file = stacks("Lean"), orders(100, 6, {}) if after == "afterwards" else orders(100, 7, WAITING)
    first = stack.put(file)
    event = json.loads(stack.told(first)["input"])
    if after == "afterwards":
        stack.end(first)
    second = stack.end(stack.start(event))
    ended = stack.end(first)
    assert_landed(stack, ended, file, JOB)
    assert (second.status, second.output["status"]) == ("SUCCEEDED", "duplicate")
    assert second.output["run_id"] == ended.output["run_id"]


def test_the_same_file_again_while_it_runs_ends_with_the_same_ids(stacks, orders):
    stack, file = stacks("Lean"), orders(100, 8, WAITING)
    first = stack.put(file, "again.csv")
    second = stack.put(file, "again.csv")
    ends = [stack.end(first), stack.end(second)]
    assert_landed(stack, next(end for end in ends if end.output.get("status") == "done"), file, JOB, "again.csv")


def test_a_poison_row_is_told_by_its_place_and_never_by_its_content(stacks, orders):
    stack, file = stacks("Lean"), orders(100, 9, {70: "fail"})
    order = file.read_text().splitlines()[71].split(",")[6]
    landed = stack.drop(file)
    assert (landed.status, landed.error) == ("FAILED", "ProcessingError")
    cause = json.loads(landed.cause)
    assert (cause["ordinal"], cause["line_no"]) == (70, 72)
    history = stack.states.get_execution_history(executionArn=landed.execution)
    assert order not in json.dumps(history["events"], default=str)


def test_a_failed_run_goes_on_in_a_new_execution(rowmill_devcloud, stacks, orders):
    stack, file = stacks("Inline"), orders(600, 10, {550: "mend"})
    landed = stack.drop(file)
    assert landed.error == "ProcessingError"
    assert json.loads(landed.cause)["ordinal"] == 550
    for access_point in Path(rowmill_devcloud.efs).glob("fsap-*"):
        (access_point / "mended").touch()
    again = stack.end(stack.start(json.loads(stack.told(landed.execution)["input"])))
    assert_landed(stack, again, file, JOB)
    assert (again.output["run_id"], again.output["attempt"]) == (json.loads(landed.cause)["run_id"], 2)
