"""Signals and rivals: the same command goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .conftest import ECHO, HANG_S, SLOW, Desk, ended, names

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

Until = Callable[[Callable[[], object]], None]


@contextmanager
def under_way(desk: Desk, until: Until, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a run that has done a part of its rows, and does no more while there is a file `hold`."""
    desk.write("job.py", SLOW)
    desk.write("in.csv", names(60))
    desk.write("hold", "")
    with desk.start("run", "job.py", "in.csv", *options) as process:
        try:
            until(lambda: receipts(desk) or process.poll() is not None)
            assert process.poll() is None
            yield process
        finally:
            process.kill()
            (desk.folder / "hold").unlink(missing_ok=True)


def receipts(desk: Desk) -> list[Path]:
    return list(desk.folder.glob(".rowmill/runs/*/receipts/[0-9]*.json"))


@pytest.mark.parametrize("on", ["inline", "processes"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_that_the_same_command_goes_on_and_it_does(
    desk: Desk, until: Until, number: int, code: int, on: str
) -> None:
    with under_way(desk, until, "--on", on, "--workers", "2") as process:
        process.send_signal(number)
        stopped = ended(process)
    assert (stopped.code, stopped.out) == (code, "")
    assert "the same command goes on" in stopped.err
    assert "Traceback" not in stopped.err
    before = {path.name: path.read_bytes() for path in receipts(desk)}
    assert not (desk.folder / "in.csv_Output").exists()
    done = desk("run", "job.py", "in.csv", "--on", on, "--workers", "2", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["attempts"], report["counts"]["written"]) == (2, 60)
    assert (desk.folder / "in.csv_Output").read_text() == names(60).removeprefix("id,name\n")
    after = {path.name: path.read_bytes() for path in receipts(desk)}
    assert before
    assert before.items() <= after.items()


def test_a_second_signal_ends_at_once(desk: Desk, until: Until) -> None:
    desk.write("job.py", SLOW.replace("time.sleep(", "stubborn("))
    job = (desk.folder / "job.py").read_text()
    stubborn = """
def stubborn(_seconds):
    open("begun", "w").close()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            open("heard", "w").close()

"""
    desk.write("job.py", job.replace("\n@job.process", f"{stubborn}\n@job.process"))
    desk.write("in.csv", names(3))
    with desk.start("run", "job.py", "in.csv", "--on", "inline") as process:
        until((desk.folder / "begun").exists)
        process.send_signal(signal.SIGINT)
        until((desk.folder / "heard").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_S) == 130


DEAF = """
from rowmill import Csv, Job

job = Job("names", reads=Csv())

@job.process
def deaf(row: dict) -> dict:
    import sqlite3
    open("begun", "w").close()
    sqlite3.connect(":memory:").execute(  # no step of Python before it ends
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000000) SELECT sum(i) FROM n"
    ).fetchall()
    return row
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_that_does_not_come_back_to_python_does_not_hold_up_the_stop(
    desk: Desk, until: Until, number: int, code: int
) -> None:
    desk.write("job.py", DEAF)
    desk.write("in.csv", names(3))
    with desk.start("run", "job.py", "in.csv", "--on", "inline") as process:
        until((desk.folder / "begun").exists)
        process.send_signal(number)
        stopped = ended(process)
    assert (stopped.code, stopped.out) == (code, "")
    assert stopped.err.count("the same command goes on") == 1


def test_a_child_of_the_function_that_is_ended_by_a_signal_ends_nothing_else(desk: Desk) -> None:
    desk.write("job.py", FORKS)
    desk.write("in.csv", names(1))
    done = desk("run", "job.py", "in.csv", "--on", "inline")
    assert done.code == 0, done.err
    assert (desk.folder / "in.csv_Output").read_text() == names(1)


FORKS = """
import os, signal, time
from rowmill import Csv, Job

job = Job("names", reads=Csv())

@job.process
def forks(row: dict) -> dict:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
        open(f"ready-{row['id']}", "w").close()
        time.sleep(60)
    while not os.path.exists(f"ready-{row['id']}"):
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] >> 8 == 3
    time.sleep(1.5)  # longer than the patience of a stop
    return row
"""


def test_a_signal_that_is_ignored_on_entry_stays_ignored(desk: Desk, until: Until) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with under_way(desk, until) as process:
            process.send_signal(signal.SIGINT)
            (desk.folder / "hold").unlink()
            assert ended(process).code == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_coordinator_is_exit_5_and_the_first_ends_well(desk: Desk, until: Until) -> None:
    with under_way(desk, until) as process:
        second = desk("run", "job.py", "in.csv")
        assert (second.code, second.out) == (5, "")
        assert "under way" in second.err
        assert json.loads(desk("status", "--json").out)["state"] == "running"
        assert desk("clean", json.loads(desk("status", "--json").out)["run_id"]).code == 5
        (desk.folder / "hold").unlink()
        assert ended(process).code == 0


def test_a_run_that_was_killed_is_taken_over_at_once(desk: Desk, until: Until) -> None:
    with under_way(desk, until) as process:
        process.kill()
        process.wait()
        assert json.loads(desk("status", "--json").out)["state"] == "interrupted"
        (desk.folder / "hold").unlink()
        assert desk("run", "job.py", "in.csv").code == 0


def test_a_finished_run_is_told_with_run_and_date_and_not_done_again(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    first = json.loads(desk("run", "job.py", "in.csv", "--json").out)
    stamp = (desk.folder / "in.csv_Output").stat().st_mtime_ns
    again = desk("run", "job.py", "in.csv")
    assert again.code == 0
    assert first["run_id"] in again.out
    assert first["end"] in again.out
    assert "nothing was done again" in again.out
    assert (desk.folder / "in.csv_Output").stat().st_mtime_ns == stamp


def test_a_run_that_ended_well_is_not_taken_for_one_of_other_code(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    assert desk("run", "job.py", "in.csv").code == 0
    desk.write("job.py", ECHO + "\n# another version\n")
    refused = desk("run", "job.py", "in.csv")
    assert refused.code == 5
    assert "code changed since this run ended well" in refused.err
    kept = desk("run", "job.py", "in.csv", "--continue")
    assert kept.code == 0
    assert "nothing was done again" in kept.out
    anew = desk("run", "job.py", "in.csv", "--fresh", "--json")
    assert json.loads(anew.out)["status"] == "succeeded"
