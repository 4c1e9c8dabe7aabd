"""Workers and coordinators of a larger run, killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest

from conftest import alive, children_of, wait_until

ROWS, SIZE = 60_000, 4_000
SLOWLY = {"PAUSE": "0.01"}
PROCESSES = {"on": "processes", "workers": 2}


def begun(run, receipts, seed):
    """Start slowly, and come back at a random moment after some receipts."""
    process = run.start(SLOWLY, **PROCESSES)
    wait_until(lambda: len(run.files("receipts")) >= receipts, process)
    time.sleep(random.Random(seed).uniform(0, 0.2))
    return process


def ended_well(run, kept):
    """Give the same command, and check that it ends as it should and did again only what had no receipt."""
    code, out, error = run.give(**PROCESSES)
    assert (code, error) == (0, "")
    receipts = run.files("receipts")
    assert {name: receipts[name] for name in kept} == kept
    assert len(receipts) == run.partitions
    output, rows = run.ending()
    assert len(rows) == ROWS
    lines = output.decode().splitlines()
    assert lines[0] == "id,uuid"
    assert [line.split(",")[0] for line in lines[1:]] == [str(number) for number in range(ROWS)]
    assert [f"{row[0]},{row[3]}" for row in rows] == lines[1:]
    return json.loads(out)


def expected_sha256(run):
    """Return the digest of what a run without any accident writes."""
    words = {"output": f"{run.folder}/other.csv", "table": "none", "workspace": f"{run.folder}/other", "on": "inline"}
    code, out, error = run.give(**words)
    assert code == 0, error
    return json.loads(out)[2]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_goes_on_by_itself_when_a_worker_is_killed(runs, seed):
    run = runs(ROWS, SIZE)
    process = begun(run, 2, seed)
    os.kill(random.Random(seed).choice(children_of(process.pid)), signal.SIGKILL)
    out, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert json.loads(out)[2] == expected_sha256(run)
    assert len(run.ending()[1]) == ROWS


@pytest.mark.parametrize("seed", [3, 4])
def test_a_run_whose_processes_are_all_killed_goes_on(runs, seed):
    run = runs(ROWS, SIZE)
    process = begun(run, 3, seed)
    for pid in [process.pid, *children_of(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    kept = run.files("receipts")
    assert 3 <= len(kept) < run.partitions
    assert ended_well(run, kept)[2] == expected_sha256(run)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_coordinator_and_the_run_goes_on(runs, how):
    run = runs(ROWS, SIZE)
    process = begun(run, 3, how)
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.send_signal(how)
    _, error = process.communicate()
    assert process.returncode in (-how, 128 + how)
    wait_until(lambda: not any(map(alive, workers)))
    assert "rowmill.runners.worker" not in error
    assert "Traceback" not in error or how == signal.SIGINT  # that one is the script's own KeyboardInterrupt
    ended_well(run, run.files("receipts"))


def test_a_second_coordinator_is_refused_and_a_dead_one_is_taken_over(runs):
    run = runs(ROWS, SIZE)
    first = begun(run, 1, 0)
    code, _, error = run.give(**PROCESSES)
    told = json.loads(error)
    assert (code, told["error"]) == (5, "StateError")
    assert f"process {first.pid} " in told["message"]
    assert first.poll() is None
    first.kill()
    first.communicate()
    ended_well(run, run.files("receipts"))


def test_a_finished_run_is_not_done_again(runs):
    run = runs(400, 100)
    assert run.give()[0] == 0
    before, files = run.ending(), run.files("receipts")
    code, out, _ = run.give()
    assert (code, json.loads(out)[0]) == (0, "repeated")
    assert (run.ending(), run.files("receipts")) == (before, files)
