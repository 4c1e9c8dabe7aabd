"""A run under way is paused, scaled and cancelled from another terminal; what would change nothing is refused."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Desk, ended, names

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

# Each row takes a moment; who does it leaves its pid.
JOB = """
import os
import time

from rowmill import Csv, Job

job = Job("steered", reads=Csv(), writes=Csv(header=False), rows_per_partition=2000)


@job.process
def steered(row: dict) -> dict:
    if int(row["id"]) % 100 == 0:
        open(f"pids/{os.getpid()}", "w").close()
        time.sleep(float(os.environ.get("PAUSE_S", "0")))
    return row
"""
ROWS = 40_000
NOBODY = {"KUBECONFIG": "/dev/null"}


class Live:
    """A run that is under way."""

    def __init__(self, desk: Desk, process: subprocess.Popen[bytes], run: str) -> None:
        self.desk, self.process, self.run = desk, process, run

    @property
    def folder(self) -> Path:
        return self.desk.folder / ".rowmill" / "runs" / self.run

    def status(self) -> dict[str, Any]:
        found = json.loads(self.desk("status", self.run, "--json").out)
        assert isinstance(found, dict)
        return found

    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_bytes()) for file in sorted(self.folder.glob("intents/*.answer.json"))]


def live(desk: Desk, until: Any, *options: str, pause_s: str = "0.05") -> Live:
    desk.write("job.py", JOB)
    if not (desk.folder / "in.csv").exists():
        desk.write("in.csv", names(ROWS))
    (desk.folder / "pids").mkdir(exist_ok=True)
    for left in desk.folder.glob("pids/*"):
        left.unlink()
    process = desk.start("run", "job.py", "in.csv", *options, env={"PAUSE_S": pause_s})
    until(lambda: list(desk.folder.glob("pids/*")) or process.poll() is not None)
    return Live(desk, process, next(desk.folder.glob(".rowmill/runs/*")).name)


@pytest.mark.parametrize("options", [("--on", "inline"), ("--on", "processes", "--workers", "2")])
def test_a_paused_run_stands_still_until_it_is_resumed(desk: Desk, until: Any, options: tuple[str, ...]) -> None:
    run = live(desk, until, *options)
    with run.process:
        paused = desk("pause", run.run)
        assert (paused.code, paused.out) == (0, f"paused run {run.run}\n"), paused.err
        refused = desk("pause", run.run)
        assert (refused.code, refused.out) == (5, "")
        assert "paused already" in refused.err
        before = len(list(run.folder.glob("receipts/*.json")))
        assert run.status()["state"] == "running"
        assert "rowmill resume" in run.status()["next"]
        assert run.process.poll() is None
        assert len(list(run.folder.glob("receipts/*.json"))) <= before + 2  # those whose last chunk was under way
        assert desk("resume", run.run).code == 0
        assert "not paused" in desk("resume", run.run).err
        assert desk("cancel", run.run).code == 0
        assert ended(run.process).code == 5


def test_a_cancelled_run_ends_with_5_says_by_whom_and_the_same_command_goes_on(desk: Desk, until: Any) -> None:
    run = live(desk, until, "--on", "processes", "--workers", "2")
    with run.process:
        cancelled = desk("cancel", run.run)
        assert cancelled.code == 0, cancelled.err
        assert f"stopped run {run.run}" in cancelled.out
        told = ended(run.process)
    assert (told.code, told.out) == (5, "")
    assert "was cancelled by" in told.err
    assert run.status()["state"] == "failed"
    assert run.status()["failure"]["message"] in told.err
    again = desk("cancel", run.run, env=NOBODY)
    assert again.code == 5
    assert "not under way" in again.err
    done = desk("run", "job.py", "in.csv", "--json")
    assert json.loads(done.out)["counts"]["written"] == ROWS


def test_a_paused_run_that_is_cancelled_ends(desk: Desk, until: Any) -> None:
    run = live(desk, until, "--on", "inline")
    with run.process:
        assert desk("pause", run.run).code == 0
        assert desk("cancel", run.run).code == 0
        assert ended(run.process).code == 5


def test_workers_are_added_and_taken_away_and_nothing_is_lost(desk: Desk, until: Any) -> None:
    run = live(desk, until, "--on", "processes", "--workers", "1", pause_s="0.03")
    with run.process:
        assert len(list(desk.folder.glob("pids/*"))) == 1
        scaled = desk("scale", run.run, "--workers", "3")
        assert (scaled.code, scaled.out) == (0, f"run {run.run} has 3 at once\n"), scaled.err
        until(lambda: len(list(desk.folder.glob("pids/*"))) == 3)
        assert "already" in desk("scale", run.run, "--workers", "3").err
        assert desk("scale", run.run, "--workers", "1").code == 0
        told = ended(run.process)
    assert told.code == 0, told.err
    assert (desk.folder / "in.csv_Output").read_text() == names(ROWS).partition("\n")[2]
    assert len(list(desk.folder.glob("pids/*"))) == 3


def test_a_run_in_one_process_cannot_be_scaled_and_one_with_a_rate_not_beyond_its_parts(desk: Desk, until: Any) -> None:
    run = live(desk, until, "--on", "inline")
    with run.process:
        refused = desk("scale", run.run, "--workers", "3")
        assert refused.code == 5
        assert "one process" in refused.err
        assert desk("cancel", run.run).code == 0
        ended(run.process)
    run = live(desk, until, "--on", "processes", "--workers", "2", "--write-rate", "100")
    with run.process:
        refused = desk("scale", run.run, "--workers", "3")
        assert refused.code == 5
        assert "--write-rate" in refused.err
        assert desk("cancel", run.run).code == 0
        ended(run.process)


def test_a_run_that_is_killed_while_it_is_paused_goes_on_unpaused_by_the_same_command(desk: Desk, until: Any) -> None:
    run = live(desk, until, "--on", "processes", "--workers", "2")
    with run.process:
        assert desk("pause", run.run).code == 0
        run.process.send_signal(signal.SIGKILL)
        ended(run.process)
    refused = desk("resume", run.run, env=NOBODY)
    assert refused.code == 5
    assert "interrupted" in refused.err
    done = desk("run", "job.py", "in.csv", "--json")
    assert json.loads(done.out)["counts"]["written"] == ROWS
    assert [answer["taken"] for answer in run.answers()] == [True]


def test_what_is_asked_of_no_run_is_exit_2_or_5_and_no_traceback(desk: Desk) -> None:
    refused = desk("pause", "none", env=NOBODY)
    assert refused.code in (2, 5)
    assert "Traceback" not in refused.err
    assert f"there is no run none in {desk.folder}/.rowmill" in refused.err
    assert "`rowmill runs` lists those of the workspace" in refused.err
