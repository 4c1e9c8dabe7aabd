"""A run with a limit writes no faster than it, whoever keeps the limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .kit import ended
from .servers import valkey_server

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from rowmill.testing.dynamodb_stub import DynamoStub

RATE = 800
MORE, AT_ONCE = 1.2, RATE * 0.75  # a fifth, and what is under way or was not used before
WORDS = {"write_rate": str(RATE), "rows_per_partition": "250", "on": "processes"}


def samples(stub: DynamoStub, process: subprocess.Popen[str]) -> list[tuple[float, int]]:
    """Return what was written by when, while a command runs."""
    seen = []
    while process.poll() is None:
        seen.append((time.monotonic(), stub.counts.units))
        time.sleep(0.05)
    return seen


def kept(seen: list[tuple[float, int]]) -> None:
    """Assert that in no span of time more was written than the rate allows."""
    for place, (start, before) in enumerate(seen):
        for end, after in seen[place:]:
            assert after - before <= RATE * MORE * (end - start) + AT_ONCE


@pytest.mark.parametrize("keeper", ["tracker", "no_tracker", "tracker_that_dies"])
def test_a_run_is_not_faster_than_its_write_rate(
    aws, few_orders, stub: DynamoStub, tmp_path: Path, keeper: str
) -> None:
    run = aws(few_orders, stub)
    with valkey_server(tmp_path) as valkey:
        if keeper == "no_tracker":
            run.words["tracker"] = ""
        else:
            valkey.start()
            run.words["tracker"] = valkey.url
        process = run.start(**WORDS)
        if keeper == "tracker_that_dies":
            while stub.counts.units < RATE and process.poll() is None:
                time.sleep(0.02)
            valkey.kill()
        seen = samples(stub, process)
        run.agrees(ended(process).report)
    kept(seen)
    assert seen[-1][1] > RATE * 2  # enough to tell


def test_a_run_without_workers_has_the_whole_rate(aws, few_orders, stub: DynamoStub) -> None:
    run = aws(few_orders, stub)
    run.words["tracker"] = ""
    process = run.start(**WORDS | {"on": "inline", "workers": "4"})
    seen = samples(stub, process)
    run.agrees(ended(process).report)
    kept(seen)
    begun = next(at for at, units in seen if units)
    assert seen[-1][1] / (seen[-1][0] - begun) > RATE * 0.3  # not the quarter that one of four workers has
