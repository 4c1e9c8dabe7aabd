"""How exactly several processes keep one write rate, by a real Valkey and each by its own share."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.results import Experiment, Grid, Target
from rowmill import devcloud
from rowmill.tracker import open_pace

if TYPE_CHECKING:
    from benchmarks.results import Bench

PROCESSES, RATE, UNITS, SECONDS = 4, 2_000, 25, 60
UNEVEN_S = (0.0, 0.005, 0.02, 0.1)  # what a request takes in each process: the last could never use its fourth


def run(bench: Bench) -> Experiment:
    """Measure, for a minute each."""
    with tempfile.TemporaryDirectory() as folder:
        cloud = devcloud.up(folder, port=0, valkey_port=0)
        try:
            ways = {"a tracker": sent_by_second(cloud.tracker_url), "no tracker": sent_by_second("")}
        finally:
            devcloud.down(folder)
    off = {name: abs(sum(sent) / SECONDS / RATE - 1) * 100 for name, sent in ways.items()}
    return Experiment(
        title="One write rate over all workers",
        about=(
            f"{PROCESSES} processes send {UNITS} units at a time, for {SECONDS} seconds; a request takes them 0 to "
            f"100 ms. The limit is {RATE:,} units a second. Without a tracker each keeps a fourth: what slow ones do "
            "not use is lost."
        ),
        rows=sum(map(sum, ways.values())),
        input_bytes=0,
        seed=bench.seed,
        runs=1,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        targets=(
            Target("units a second over a minute with a tracker, off the limit by", "%", off["a tracker"], at_most=5),
            Target(
                "units a second over a minute without a tracker, of the limit",
                "x",
                round(sum(ways["no tracker"]) / SECONDS / RATE, 3),
                at_most=1.05,
            ),
        ),
        grid=Grid(
            ("the limit is kept by", "units/s over the minute", "least in a second", "most in a second"),
            tuple(
                (name, f"{sum(sent) / SECONDS:,.0f}", f"{min(sent):,}", f"{max(sent):,}") for name, sent in ways.items()
            ),
        ),
        charts=(),
        raw={name: list(map(float, sent)) for name, sent in ways.items()},
        meant_rows=sum(map(sum, ways.values())),
    )


def sent_by_second(url: str) -> list[int]:
    """Return how many units all processes together sent in each second."""
    context = multiprocessing.get_context("spawn")
    ready, told = context.Barrier(PROCESSES), context.Queue()
    workers = [context.Process(target=send, args=(url, took_s, ready, told)) for took_s in UNEVEN_S]
    for worker in workers:
        worker.start()
    sums = [0] * SECONDS
    for _ in workers:
        sums = [one + other for one, other in zip(sums, told.get(), strict=True)]
    for worker in workers:
        worker.join()
    print(f"  {url or 'no tracker'}: {sum(sums) / SECONDS:,.0f} units/s", file=sys.stderr)
    return sums


def send(url: str, took_s: float, ready: Any, told: Any) -> None:
    """Send as much as the pace allows; tell how much it was in each second."""
    pace = open_pace(url, "rate", RATE, PROCESSES)
    sums = [0] * SECONDS
    ready.wait()
    begun = time.monotonic()
    while True:
        time.sleep(pace.reserve(UNITS))
        second = int(time.monotonic() - begun)
        if second >= SECONDS:
            break
        sums[second] += UNITS
        time.sleep(took_s)
    told.put(sums)
