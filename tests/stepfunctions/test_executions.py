"""A run by a deployed machine, as its user has it: against the Step Functions of the local AWS."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rowmill import api
from rowmill.errors import BY_NAME
from rowmill.model import orders
from rowmill.model.termination import error_message

from .kit import FOREVER_S, HANG_S, RUN_ID, definition, ends_well, fails, until

PAYLOAD = Path(orders.__file__).parents[1] / "examples" / "payload" / "orders.csv"


def test_a_request_is_handed_to_the_machine_that_does_its_job(deployed, run):
    machine = deployed(ends_well())
    deployed(ends_well())
    ended = run(machine, "--fresh", "--overwrite", "--param", "day=1", "--param", "a=b c", "--rejects", "5")
    assert ended.code == 0
    (started,) = machine.executions()
    assert machine.given() == {
        "input": machine.input,
        "event_id": started["name"],
        "words": ["--rejects=5", "--param=a=b c", "--param=day=1", "--fresh", "--overwrite"],
    }


def test_a_run_whose_workspace_is_out_of_sight_tells_what_the_execution_told_and_no_more(deployed, run):
    machine = deployed(ends_well(), workspace="/workspace")
    ended = run(machine)
    assert "7 rows in = 5 written + 1 filtered + 1 rejected" in ended.out
    assert machine.executions()[0]["executionArn"] in ended.out
    assert f"run {RUN_ID}" in ended.err
    told = json.loads(run(machine, "--json").out)
    assert (told["schema"], told["run_id"], told["rows"], told["attempt"]) == ("rowmill.ended/1", RUN_ID, 7, 2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace with a run that ended well, and its report."""
    folder = tmp_path_factory.mktemp("finished")
    places = {"workspace": f"{folder}/work", "output": f"{folder}/out.csv", "table": "none"}
    return folder / "work", api.run(
        "rowmill.examples.orders", str(PAYLOAD), **places, on="inline", rows_per_partition=50
    )


def test_a_run_whose_workspace_is_in_sight_ends_with_the_report_of_any_run(deployed, run, finished):
    workspace, report = finished
    machine = deployed(ends_well(run_id=report.run_id), workspace=str(workspace))
    told = json.loads(run(machine, "--json").out)
    assert (told["schema"], told["output_sha256"]) == ("rowmill.report/1", report.output_sha256)
    assert run(machine).out.startswith(f"run {report.run_id} had done this on {report.end}")  # by whom does not matter


def test_a_run_that_ended_while_it_was_followed_is_no_repeated_one(deployed, finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "work")
    machine = deployed(ends_well(wait_s=1, run_id=finished[1].run_id), workspace=f"{tmp_path}/work")
    (path,) = (tmp_path / "work").glob("runs/*/report.json")

    def end(_view):
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        path.write_text(json.dumps({**json.loads(path.read_text()), "end": now}))

    report = api.run(machine.job, machine.input, on="stepfunctions", watch=end)
    assert (report.status, report.output_sha256) == ("succeeded", finished[1].output_sha256)


def test_rows_of_partitions_with_a_receipt_are_shown_while_it_is_under_way(deployed, finished, tmp_path):
    workspace, report = finished
    shutil.copytree(workspace, tmp_path / "work")
    receipts = sorted((tmp_path / "work").glob("runs/*/receipts/*.json"))
    receipts[1].unlink()
    machine = deployed(ends_well(wait_s=1, run_id=report.run_id), workspace=f"{tmp_path}/work")
    views = []
    api.run(machine.job, machine.input, on="stepfunctions", watch=views.append)
    shown = {(view.step, view.rows, view.rows_done, view.partitions, view.partitions_done) for view in views}
    assert ("process", 199, 149, 4, 3) in shown
    assert {step for step, *_ in shown} <= {"split", "process", "merge"}


def test_no_figure_is_shown_that_nobody_told(deployed):
    machine = deployed(ends_well(wait_s=1), workspace="/workspace")
    views = []
    api.run(machine.job, machine.input, on="stepfunctions", watch=views.append)
    assert "process" in {view.step for view in views}
    assert {(view.rows, view.rows_done, view.partitions) for view in views} == {(0, 0, 0)}


@pytest.mark.parametrize("kind", [kind for kind in BY_NAME.values() if kind.exit_code > 1], ids=lambda it: it.__name__)
def test_what_a_pod_failed_with_ends_the_command_as_it_would_end_it_here(kind, deployed, run):
    error = kind("the row is wrong", hint="mend it", run_id=RUN_ID, partition=3, ordinal=41, line_no=43)
    machine = deployed(fails(kind.__name__, error_message(error.as_dict()).decode()))
    ended = run(machine)
    assert ended.code == kind.exit_code
    assert "the row is wrong" in ended.err
    assert "line 43, row 42" in ended.err
    assert "mend it" in ended.err
    assert f"run {RUN_ID}, partition 3" in ended.err


def test_the_same_command_goes_on_with_a_new_execution_where_one_has_failed(deployed, run):
    machine = deployed(fails("TransientError", "{}"))
    assert [run(machine).code, run(machine).code] == [75, 75]
    first, second = machine.executions()
    assert first["name"] != second["name"]
    assert first["name"].rsplit("-", 2)[0] == second["name"].rsplit("-", 2)[0]


def test_the_same_command_attaches_to_what_is_under_way(deployed, run):
    machine = deployed(ends_well(wait_s=1))
    detached = run(machine, "--detach")
    assert detached.code == 0
    (started,) = machine.executions()
    assert started["executionArn"] in detached.out
    ended = run(machine)
    assert ended.code == 0
    assert f"attached to {started['executionArn']}" in ended.err
    assert len(machine.executions()) == 1


@pytest.mark.parametrize("kind", ["s3", "cloudtrail"])
def test_what_an_event_has_started_is_attached_to(kind, deployed, run):
    machine = deployed(ends_well(wait_s=1))
    key = machine.input.removeprefix(f"s3://{machine.bucket}/")
    events = {
        "s3": {"detail": {"bucket": {"name": machine.bucket}, "object": {"key": key}}},
        "cloudtrail": {"detail": {"requestParameters": {"bucketName": machine.bucket, "key": key}}},
    }
    machine.start({"detail": {"bucket": {"name": machine.bucket}, "object": {"key": "another.csv"}}})
    machine.start({"what": "nobody knows"})
    event = machine.start(events[kind])
    assert f"attached to {event}" in run(machine).err
    assert len(machine.executions()) == 3


def test_the_same_input_under_way_with_other_options_is_left_alone(deployed, run):
    machine = deployed(ends_well(wait_s=FOREVER_S))
    run(machine, "--detach", "--param", "day=1")
    arn = machine.executions()[0]["executionArn"]
    ended = run(machine, "--detach", "--param", "day=2")
    assert ended.code == 5
    assert f"rowmill cancel {arn}" in ended.err
    assert len(machine.executions()) == 1


def test_a_duplicate_leads_to_the_execution_that_has_the_run(deployed, run, states):
    owner = deployed(ends_well(wait_s=1))
    owners = owner.start({"input": owner.input})
    machine = deployed(ends_well(status="duplicate", duplicate_of=owners, written=None))
    ended = run(machine)
    assert ended.code == 0
    assert f"another execution has this run: {owners}" in ended.err
    assert "7 rows in" in ended.out
    assert states.describe_execution(executionArn=owners)["status"] == "SUCCEEDED"


def test_a_run_that_has_ended_well_is_no_failure_although_its_execution_has_failed(deployed, run, states):
    owner = deployed(ends_well(wait_s=FOREVER_S))
    owners = owner.start({"input": owner.input})
    states.stop_execution(executionArn=owners)  # after it had published, and before it could say so
    ended = run(deployed(ends_well(status="duplicate", duplicate_of=owners)))
    assert (ended.code, ended.out.startswith(f"run {RUN_ID} had done this before")) == (0, True)


@pytest.mark.parametrize("told", [{"status": "duplicate"}, {"written": None}], ids=["duplicate", "split found it"])
def test_a_run_that_had_ended_before_is_told_as_such_where_its_report_is_out_of_sight(told, deployed, run):
    machine = deployed(ends_well(**told))
    assert run(machine).out.startswith(f"run {RUN_ID} had done this before")


def test_ctrl_c_ends_the_command_and_not_the_execution(deployed):
    machine = deployed(ends_well(wait_s=FOREVER_S))
    command = [sys.executable, "-m", "rowmill", "run", machine.job, machine.input, "--on", "stepfunctions"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while f"run {RUN_ID}" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        shown = process.stderr.read()
        assert process.wait(HANG_S) == 130
    (started,) = machine.executions()
    assert started["status"] == "RUNNING"
    assert f"`rowmill cancel {started['executionArn']}` stops it" in shown
    assert "the same command comes back to it" in shown


def test_an_execution_that_is_stopped_says_what_goes_on_and_how_to_go_on(deployed, run, rowmill):
    machine = deployed(ends_well(wait_s=FOREVER_S))
    run(machine, "--detach")
    arn = machine.executions()[0]["executionArn"]
    until(lambda: len(machine.client.get_execution_history(executionArn=arn)["events"]) > 3)
    ended = rowmill("cancel", arn)
    assert ended.code == 0
    assert f"rowmill cancel {RUN_ID} --namespace mills" in ended.out
    assert machine.executions()[0]["status"] == "ABORTED"
    assert rowmill("cancel", arn).code == 5


def test_who_follows_an_execution_that_another_stops_is_told(deployed, states):
    machine = deployed(ends_well(wait_s=FOREVER_S))

    def stop(_view):
        states.stop_execution(
            executionArn=machine.executions()[0]["executionArn"], error="Stopped", cause="by somebody"
        )

    with pytest.raises(BY_NAME["StateError"], match="was stopped: Stopped: by somebody"):
        api.run(machine.job, machine.input, on="stepfunctions", watch=stop)


def owned(workspace, run_id, execution, number=1):
    """Write into a workspace, as split does, which execution has a run."""
    name = workspace / "runs" / run_id / "executions" / f"{number:05d}.json"
    name.parent.mkdir(exist_ok=True)
    name.write_text(json.dumps({"execution": execution, "start": "2026-11-24T10:00:00Z"}))


def test_status_and_runs_tell_the_newest_execution_and_how_it_stands(deployed, rowmill, finished, tmp_path):
    shutil.copytree(finished[0], workspace := tmp_path / "work")
    run_id = finished[1].run_id
    machine = deployed(ends_well(wait_s=FOREVER_S))
    old, new = machine.start({}), machine.start({})
    owned(workspace, run_id, old)
    owned(workspace, run_id, new, 2)
    assert new in rowmill("status", run_id, "--workspace", str(workspace)).out  # and its run has ended well
    (workspace / "runs" / run_id / "report.json").unlink()
    going = rowmill("status", run_id, "--workspace", str(workspace)).out
    assert f"run {run_id}: running" in going
    assert "RUNNING" in going
    (told,) = json.loads(rowmill("runs", "--json", "--workspace", str(workspace)).out)["runs"]
    assert (told["state"], told["execution"], told["execution_state"]) == ("running", new, "RUNNING")
    assert rowmill("cancel", run_id, "--workspace", str(workspace)).code == 0
    ended = rowmill("status", run_id, "--workspace", str(workspace)).out
    assert f"run {run_id}: interrupted" in ended
    assert "ABORTED" in ended


@pytest.mark.usefixtures("aws")
def test_status_is_told_where_the_execution_cannot_be_asked(rowmill, finished, tmp_path):
    shutil.copytree(finished[0], workspace := tmp_path / "work")
    run_id = finished[1].run_id
    (workspace / "runs" / run_id / "report.json").unlink()
    gone = "arn:aws:states:us-east-1:000000000000:execution:mill:gone"
    owned(workspace, run_id, gone)
    shown = rowmill("status", run_id, "--workspace", str(workspace))
    assert shown.code == 0
    assert "not known: AWS does not know this execution, or not any more" in shown.out


def test_check_tells_the_machine_and_what_is_under_way_and_starts_nothing(deployed, rowmill):
    machine = deployed(ends_well(wait_s=FOREVER_S), workspace="s3://work/runs", table="none")
    words = ("check", machine.job, machine.input, "--on", "stepfunctions")
    shown = rowmill(*words)
    assert shown.code == 0
    assert machine.arn in shown.out
    assert "none is under way" in shown.out
    assert machine.executions() == []
    arn = machine.start({"input": machine.input})
    assert arn in rowmill(*words).out


def test_an_output_that_is_not_of_rowmill_is_told(deployed, run):
    machine = deployed(definition({"Split": {"Type": "Pass", "Output": "well", "End": True}}))
    ended = run(machine)
    assert ended.code == 5
    assert machine.executions()[0]["executionArn"] in ended.err
