"""What a small run and a look at the help cost as whole processes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.results import Experiment, Grid, Target, median, spread
from benchmarks.running import (
    Way,
    interleaved,
    orders,
    payload,
    right_output_and_table,
    rowmill,
    stamp,
    timed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results import Bench

SMALL_ROWS = 200


def run(bench: Bench) -> Experiment:
    """Measure."""
    source = payload(bench, SMALL_ROWS)
    figures = interleaved(
        bench,
        {
            "python -c pass": Way(lambda folder: timed([sys.executable, "-c", "pass"], folder), nothing),
            "rowmill --help": Way(lambda folder: rowmill("--help", folder=folder), nothing),
            "rowmill run": Way(orders(source), right_output_and_table(source)),
        },
    )
    seconds = {name: median(one) for name, one in figures.items()}
    return Experiment(
        title="Start-up",
        about="Whole processes. A bare Python is shown to compare with. Below 50,000 rows a run starts no workers.",
        **stamp(bench, source, SMALL_ROWS),
        targets=(
            Target(f"`rowmill run` with {SMALL_ROWS} rows", "s", seconds["rowmill run"], at_most=0.6),
            Target("`rowmill --help`", "s", seconds["rowmill --help"], at_most=0.15),
        ),
        grid=Grid(
            ("command", "seconds: median (least to most)"),
            tuple((f"`{name}`", spread(one)) for name, one in figures.items()),
        ),
        charts=(),
        raw=figures,
        meant_rows=SMALL_ROWS,
    )


def nothing(_: Path) -> None:
    """Leave unchecked what leaves nothing."""
