"""A plan tells what a run would take, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json

import pytest

from .conftest import ECHO, Desk, names

SLOW = """
import time
from pathlib import Path
from rowmill import Job

job = Job("slow")
called = Path(__file__).with_name("called")


@job.process
def each(row, ctx):
    time.sleep(0.002)
    with called.open("a") as file:
        file.write("x")
    return row | ctx.params
"""


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.write("job.py", ECHO)
    desk.write("slow.py", SLOW)
    desk.write("in.csv", names(3000))
    return desk


def test_time_bottleneck_and_disk_are_told_from_a_sample(ready: Desk) -> None:
    before = {path.name for path in ready.folder.iterdir()}
    told = ready("plan", "slow.py", "in.csv", "--param", "a=b", "--json")
    assert told.code == 0, told.err
    expected = json.loads(told.out)["expected"]
    assert expected["bottleneck"] == "function"
    assert 0 < expected["rows_per_s"] < 500  # it sleeps 2 ms
    assert expected["sampled_rows"] == len((ready.folder / "called").read_text()) - 32
    assert expected["output_bytes"] > 0.9 * (ready.folder / "in.csv").stat().st_size
    assert {path.name for path in ready.folder.iterdir()} - before <= {"called", "__pycache__"}
    assert "bottleneck  function" in ready("plan", "slow.py", "in.csv", "--param", "a=b").out


def test_without_a_sample_the_function_is_not_called(ready: Desk) -> None:
    told = ready("plan", "slow.py", "in.csv", "--no-sample", "--json")
    assert json.loads(told.out)["expected"] is None
    assert not (ready.folder / "called").exists()
    assert ready("run", "slow.py", "in.csv", "--dry-run").code == 0
    assert not (ready.folder / "called").exists()


def test_a_compressed_input_is_sampled_decompressed_and_needs_disk_for_it(ready: Desk) -> None:
    (ready.folder / "in.csv.gz").write_bytes(gzip.compress((ready.folder / "in.csv").read_bytes()))
    plain, packed = (json.loads(ready("plan", "job.py", name, "--json").out) for name in ("in.csv", "in.csv.gz"))
    assert packed["rows"] == plain["rows"] == 3000
    assert packed["expected"]["disk_bytes"] > (ready.folder / "in.csv").stat().st_size


def test_a_function_that_fails_is_told_and_the_partitions_still_are(ready: Desk) -> None:
    ready.write("bad.py", "from rowmill import Job\njob = Job('bad')\njob.process(lambda row: row['absent'])\n")
    told = ready("plan", "bad.py", "in.csv")
    assert told.code == 0
    assert "no time is told" in told.err
    assert "3,000 rows" in told.out
