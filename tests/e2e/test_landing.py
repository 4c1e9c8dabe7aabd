"""A file lands in the bucket of a deployed stack, and its output and its items appear, whatever happens meanwhile."""

import json
from pathlib import Path

import pytest
import valkey
from tests.e2e.kit import EXAMPLE, JOB, assert_landed, failing, kill, names, running_pods, until

from rowmill import wire
from rowmill.devcloud import deploying

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


@pytest.mark.parametrize("name", ["Article", "Inline"])
def test_the_cache_s_user_may_do_what_a_run_asks_of_its_tracker(rowmill_devcloud, stacks, begun, name):
    run_id = stacks(name).end(begun[name][1]).output["run_id"]
    with valkey.Valkey(port=rowmill_devcloud.valkey_port, decode_responses=True) as server:
        assert [one["object"] for one in server.acl_log()] == []
        assert not server.smembers(wire.todo_key(run_id))
        view = server.hgetall(f"{wire.todo_key(run_id)}:view")
    assert (view["rows_done"], view["partitions_done"]) == ("199", "1")


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
    with failing(stack, split_file, tmp_path / "marks", 2):
        assert_landed(stack, stack.drop(file), file, JOB)
    assert len(list((tmp_path / "marks").iterdir())) == 2


def assert_one_run(stack, landed, file, key):
    """Whichever pod was there first did it; the other execution is told so."""
    duplicate, done = sorted(landed, key=lambda one: one.output["status"] == "done")
    assert_landed(stack, done, file, JOB, key)
    assert (duplicate.output["status"], duplicate.output["duplicate_of"]) == ("duplicate", done.execution)
    assert duplicate.output["run_id"] == done.output["run_id"]


@pytest.mark.parametrize("after", ["while it runs", "afterwards"])
def test_the_same_event_twice_is_one_run(rowmill_devcloud, stacks, orders, after):
    stack, file = stacks("Lean"), orders(100, 6, {}) if after == "afterwards" else orders(100, 7, WAITING)
    first = stack.put(file)
    event = json.loads(stack.told(first)["input"])
    if after == "afterwards":
        stack.end(first)
    else:
        until(lambda: running_pods(rowmill_devcloud, "rowmill-lean", "process"))  # the run is the first one's by then
    second = stack.end(stack.start(event))
    ended = stack.end(first)
    assert_landed(stack, ended, file, JOB)
    assert (second.status, second.output["status"]) == ("SUCCEEDED", "duplicate")
    assert second.output["run_id"] == ended.output["run_id"]


def test_the_same_file_again_at_once_is_the_same_run(stacks, orders):
    stack, file = stacks("Lean"), orders(100, 8, WAITING)
    first = stack.put(file, "again.csv")
    second = stack.put(file, "again.csv")
    assert_one_run(stack, [stack.end(first), stack.end(second)], file, "again.csv")


def test_another_file_under_the_same_key_while_it_runs_is_the_one_that_counts(rowmill_devcloud, stacks, orders):
    stack, newer = stacks("Lean"), orders(50, 11, {})
    first = stack.put(orders(400, 12, WAITING), "other.csv")
    until(lambda: running_pods(rowmill_devcloud, "rowmill-lean", "process"))
    second = stack.put(newer, "other.csv")
    assert stack.end(first).error == "InputError"
    assert_landed(stack, stack.end(second), newer, JOB, "other.csv")


def test_a_poison_row_is_told_by_its_place_and_never_by_its_content(stacks, orders):
    stack, file = stacks("Lean"), orders(100, 9, {70: "fail"})
    order = file.read_text().splitlines()[71].split(",")[6]
    landed = stack.drop(file)
    assert (landed.status, landed.error) == ("FAILED", "ProcessingError")
    cause = json.loads(landed.cause)
    assert (cause["ordinal"], cause["line_no"]) == (70, 72)
    history = stack.states.get_execution_history(executionArn=landed.execution)
    assert order not in json.dumps(history["events"], default=str)


def test_a_stack_that_is_destroyed_leaves_nothing(rowmill_devcloud, stacks, begun):
    stack = stacks("Sequential")
    stack.end(begun["Sequential"][1])
    before = names(rowmill_devcloud, stack)
    assert {kind for kind, _ in before} == {"bucket", "table", "machine", "function", "namespace"}
    deploying.remove(rowmill_devcloud, deploying.Deployed("Sequential", "us-east-1", {}))
    assert names(rowmill_devcloud, stack) == set()


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
