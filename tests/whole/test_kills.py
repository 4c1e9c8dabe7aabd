"""Processes that die, or are told to end, in the middle of a run."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from .kit import children_of, ended, wait_until

SLOWLY = {"PAUSE_S": "0.015"}
BOTH = pytest.mark.parametrize("on", ["inline", "processes"])


def begun(run, receipts: int, seed: int, on: str):
    """Start slowly, and come back at a random moment after some receipts."""
    process = run.start(SLOWLY, on=on)
    wait_until(lambda: run.receipts() >= receipts, process)
    time.sleep(random.Random(seed).uniform(0, 0.3))
    return process


def test_a_run_goes_on_by_itself_when_a_worker_is_killed(aws, orders, stub) -> None:
    run = aws(orders, stub)
    process = begun(run, 2, 1, "processes")
    os.kill(random.Random(1).choice(children_of(process.pid)), signal.SIGKILL)
    done = ended(process)
    run.agrees(done.report)
    assert done.report["attempts"] == 1


@pytest.mark.parametrize(("on", "seed"), [("inline", 3), ("processes", 4)])
def test_a_run_whose_processes_are_all_killed_goes_on_by_the_same_command(
    aws, orders, stub, on: str, seed: int
) -> None:
    run = aws(orders, stub)
    process = begun(run, 3, seed, on)
    for pid in [process.pid, *children_of(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL
    assert 3 <= run.receipts() < 10
    assert run.output() is None
    assert run.ends_right(on=on)["attempts"] == 2
    assert run.bucket.uploads() == []


def test_a_run_whose_coordinator_is_killed_again_and_again_ends_right(aws, orders, stub) -> None:
    run = aws(orders, stub)
    for seed, receipts in enumerate((1, 5)):
        process = begun(run, receipts, seed, "processes")
        process.kill()
        assert ended(process).code == -signal.SIGKILL
    assert run.ends_right(on="processes")["attempts"] == 3


@BOTH
def test_sigterm_ends_a_run_with_143_and_the_same_command_goes_on(aws, orders, stub, on: str) -> None:
    run = aws(orders, stub)
    process = begun(run, 2, 6, on)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    stopped = ended(process)
    assert (stopped.code, stopped.out) == (143, "")
    assert "the same command goes on" in stopped.err
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert run.output() is None
    assert run.ends_right(on=on)["attempts"] == 2
