"""How a run stands is told by its workspace alone: what is not known there is not claimed."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from .conftest import SLOW, Desk, ended, names

BAD = """
import os

from rowmill import Csv, Job, TransientError

job = Job("bad", reads=Csv(), writes=Csv(header=False), rows_per_partition=10)


@job.process
def bad(row: dict) -> dict:
    if row["id"] == os.environ.get("BAD"):
        raise ValueError(row["name"])
    if row["id"] == os.environ.get("BUSY"):
        raise TransientError("the service is busy", hint="wait for it")
    return row
"""
ROWS = 40
POD = {"ROWMILL_TERMINATION_LOG": "/dev/null"}


def standing(desk: Desk) -> dict[str, Any]:
    told = json.loads(desk("status", "--json").out)
    assert isinstance(told, dict)
    return told


def split(desk: Desk, job: str = BAD) -> str:
    """Take the first step as a pod does; return the run's id."""
    desk.write("job.py", job)
    desk.write("in.csv", names(ROWS))
    assert desk("split", "job.py", "in.csv", env=POD).code == 0
    return str(standing(desk)["run_id"])


def share(desk: Desk, run: str, index: int, attempt: int = 1, **env: str) -> int:
    words = ("process", run, "--of", "2", "--attempt", str(attempt), "--index", str(index))
    return desk(*words, env={**POD, **env}).code


def test_a_run_that_is_split_and_not_begun_is_not_called_interrupted(desk: Desk) -> None:
    split(desk)
    assert standing(desk)["state"] == "split"


def test_a_run_whose_pods_have_partitions_left_is_in_pods_and_the_cluster_is_to_be_asked(desk: Desk) -> None:
    run = split(desk)
    assert share(desk, run, 0) == 0
    told = standing(desk)
    assert (told["state"], told["partitions_done"], told["partitions"]) == ("in pods", 2, 4)
    assert (told["rows_done"], told["rows_per_second"], told["failure"]) == (20, None, None)
    text = desk("status").out
    assert f"run {run}: in pods" in text
    assert "2 of 4" in text
    assert "not known here" in text
    assert f"kubectl get jobs,pods --selector rowmill.dev/run={run}" in text


@pytest.mark.parametrize("words", [("--partition", "0", "--attempt", "1"), ("--of", "2", "--index", "0")])
def test_pods_of_one_partition_and_of_a_share_are_pods_alike(desk: Desk, words: tuple[str, ...]) -> None:
    run = split(desk)
    assert desk("process", run, *words, *(() if "--attempt" in words else ("--attempt", "1")), env=POD).code == 0
    assert standing(desk)["state"] == "in pods"


def test_a_run_whose_pods_have_done_all_is_not_merged_yet(desk: Desk) -> None:
    run = split(desk)
    assert [share(desk, run, index) for index in range(2)] == [0, 0]
    told = standing(desk)
    assert told["state"] == "in pods"
    assert "not merged" in told["next"]
    assert desk("merge", run, env=POD).code == 0
    told = standing(desk)
    assert (told["state"], told["next"]) == ("succeeded", "")


def test_a_run_whose_pod_failed_tells_the_kept_failure_with_its_place_and_hint(desk: Desk) -> None:
    run = split(desk)
    assert share(desk, run, 1, BAD="13") == 4
    told = standing(desk)
    assert (told["state"], told["failure"]["error"], told["failure"]["line_no"]) == ("failed", "ProcessingError", 15)
    assert told["next"] == told["failure"]["hint"] != ""
    text = desk("status").out
    assert f"run {run}: failed" in text
    assert "line 15, row 14: " in text
    assert told["next"] in text
    assert share(desk, run, 1) == 0  # it was done by another try of the same pod
    assert (standing(desk)["state"], standing(desk)["failure"]) == ("in pods", None)


def test_what_is_tried_again_is_no_end_of_a_run_in_pods(desk: Desk) -> None:
    run = split(desk)
    assert share(desk, run, 0, BUSY="3") == 75
    told = standing(desk)
    assert (told["state"], told["failure"]["exit_code"]) == ("in pods", 75)


def test_what_an_earlier_try_failed_with_is_not_told_of_the_next(desk: Desk) -> None:
    run = split(desk)
    assert share(desk, run, 0, BAD="3") == 4
    assert share(desk, run, 1, attempt=2) == 0
    told = standing(desk)
    assert (told["state"], told["attempt"], told["failure"]) == ("in pods", 2, None)


@pytest.mark.parametrize("on", ["inline", "processes"])
def test_a_run_that_failed_here_tells_why(desk: Desk, on: str) -> None:
    desk.write("job.py", BAD)
    desk.write("in.csv", names(ROWS))
    failed = desk("run", "job.py", "in.csv", "--on", on, "--workers", "2", env={"BAD": "13"})
    assert failed.code == 4
    told = standing(desk)
    assert (told["state"], told["failure"]["line_no"]) == ("failed", 15)
    assert told["failure"]["message"] in failed.err
    assert desk("run", "job.py", "in.csv").code == 0
    assert standing(desk)["state"] == "succeeded"


def test_a_run_that_was_refused_tells_why(desk: Desk) -> None:
    desk.write("job.py", BAD)
    desk.write("in.csv", names(ROWS))
    assert desk("run", "job.py", "in.csv", "--on", "inline", env={"BAD": "13"}).code == 4
    desk.write("job.py", BAD + "\n# corrected\n")
    assert desk("run", "job.py", "in.csv").code == 5
    told = standing(desk)
    assert (told["state"], told["attempt"], told["failure"]["error"]) == ("failed", 2, "StateError")
    assert "--continue" in told["next"]


def test_a_run_whose_input_does_not_split_tells_why(desk: Desk) -> None:
    desk.write("job.py", BAD)
    desk.write("in.csv", 'id,name\n1,"no end\n')
    failed = desk("run", "job.py", "in.csv")
    assert failed.code == 3, failed.err
    told = standing(desk)
    assert (told["state"], told["failure"]["error"]) == ("failed", "InputError")


def test_a_run_that_was_stopped_is_interrupted_and_has_no_failure(desk: Desk, until) -> None:
    desk.write("job.py", SLOW)
    desk.write("in.csv", names(ROWS))
    desk.write("hold", "")
    with desk.start("run", "job.py", "in.csv", "--on", "inline") as process:
        until(lambda: list(desk.folder.glob(".rowmill/runs/*/receipts/*")) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert ended(process).code == 130
    told = standing(desk)
    assert (told["state"], told["failure"]) == ("interrupted", None)
    assert "the command of the run" in told["next"]
