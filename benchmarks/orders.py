"""The orders job against the loop: a new table, a table that holds as many rows already, no table, one process."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.results import Bars, Experiment, Grid, Target, median, median_ratio, spread
from benchmarks.running import (
    WORKERS,
    Way,
    fresh_folder,
    inline,
    interleaved,
    loop,
    parallel,
    payload,
    right_order,
    right_output,
    right_output_and_table,
    stamp,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.results import Bench

TABLE, NONE = ("--table", "rowmill.db"), ("--table", "none")
NEW, HELD, WITHOUT = "new table", "filled table", "no table"


def run(bench: Bench) -> Experiment:
    """Measure."""
    source, other = payload(bench, bench.rows), payload(bench, bench.rows, seed=bench.seed + 1)
    held_by_loop = filled(bench.work / "held-by-loop", loop(other, *TABLE))
    held_by_rowmill = filled(bench.work / "held-by-rowmill", parallel(other))
    figures = interleaved(bench, ways(bench, source, held_by_loop, held_by_rowmill))
    for folder in (held_by_loop, held_by_rowmill):
        shutil.rmtree(folder)
    return result(bench, source, figures)


def filled(folder: Path, run: Callable[[Path], float]) -> Path:
    """Return a folder with a database that a run left."""
    with fresh_folder(folder.with_suffix(".making")) as made:
        run(made)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for database in made.glob("*.db*"):
            shutil.move(database, folder)
    return folder


def ways(bench: Bench, source: Path, held_by_loop: Path, held_by_rowmill: Path) -> dict[str, Way]:
    """Return what is measured, in the order of a run."""
    double = payload(bench, 2 * bench.rows)
    whole = right_output_and_table(source)
    return {
        f"loop, {NEW}": Way(loop(source, *TABLE), right_order(source)),
        f"rowmill, {NEW}": Way(parallel(source), whole),
        f"inline, {NEW}": Way(inline(source), whole),
        f"loop, {HELD}": Way(loop(source, *TABLE), right_order(source), held_by_loop),
        f"rowmill, {HELD}": Way(parallel(source), whole, held_by_rowmill),
        f"loop, {WITHOUT}": Way(loop(source), right_order(source)),
        f"rowmill, {WITHOUT}": Way(parallel(source, *NONE), right_output(source)),
        f"inline, {WITHOUT}": Way(inline(source, *NONE), right_output(source)),
        f"rowmill, {NEW}, twice the rows": Way(parallel(double), right_output_and_table(double)),
    }


def result(bench: Bench, source: Path, figures: dict[str, list[float]]) -> Experiment:
    """Return what the figures come to."""
    kinds = (NEW, HELD, WITHOUT)

    def gain(who: str, kind: str) -> float:
        return median_ratio(figures[f"loop, {kind}"], figures[f"{who}, {kind}"])

    double = median_ratio(figures[f"rowmill, {NEW}, twice the rows"], figures[f"rowmill, {NEW}"])
    targets = (
        Target(f"loop / Rowmill with {WORKERS} workers, {NEW}", "x", gain("rowmill", NEW), 3.0, aim=3.5),
        Target(f"loop / Rowmill with {WORKERS} workers, {HELD}", "x", gain("rowmill", HELD), 2.0),
        Target(f"loop / Rowmill with {WORKERS} workers, {WITHOUT}", "x", gain("rowmill", WITHOUT), 3.5, aim=4.5),
        Target(f"loop / Rowmill in one process, {NEW}", "x", gain("inline", NEW), 2.0),
        Target("twice the rows / once the rows", "x", double, at_most=2.15),
    )
    rows = tuple((name, spread(seconds), f"{rate(bench, name, seconds):,}") for name, seconds in figures.items())
    return Experiment(
        title="The orders job and a plain loop",
        about="Whole processes, start to end; a filled table holds as many rows of another file before. The loop is "
        "`benchmarks/sequential.py`: `csv.DictReader`, `uuid4`, SQLite in batches of 25 in one transaction, "
        "`csv.writer`. It proves nothing and cannot go on after a crash; Rowmill's times hold its digests, laws and "
        "durable commits. Ratios are taken within one run; their median counts.",
        **stamp(bench, source, bench.rows),
        targets=targets,
        grid=Grid(("way", "seconds: median (least to most)", "rows/s"), rows),
        charts=(
            Bars(
                "orders",
                f"{bench.rows:,} orders: a plain loop and Rowmill",
                f"seconds, median of {bench.runs}; shorter is better",
                ("plain loop", "Rowmill, one process", f"Rowmill, {WORKERS} workers"),
                tuple(
                    (
                        kind,
                        tuple(
                            median(figures[name]) if (name := f"{who}, {kind}") in figures else None
                            for who in ("loop", "inline", "rowmill")
                        ),
                    )
                    for kind in kinds
                ),
            ),
        ),
        raw=figures,
    )


def rate(bench: Bench, name: str, seconds: list[float]) -> int:
    """Return rows per second."""
    return int(bench.rows * (2 if "twice" in name else 1) / median(seconds))
