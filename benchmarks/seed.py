"""The experiments of the public sample: sequential against parallel by number of rows, and the size of a partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import Bars, Curve, Experiment, Grid, Target, median, median_ratio, spread
from benchmarks.running import (
    WORKERS,
    Way,
    interleaved,
    orders,
    parallel,
    payload,
    right_output_and_table,
    stamp,
)

if TYPE_CHECKING:
    from benchmarks.results import Bench

SMALL_ROWS = 200
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000, 200_000)


def modes(bench: Bench) -> Experiment:
    """Measure one thread against workers, for a small, a large and a twice as large input."""
    counts = (SMALL_ROWS, bench.rows, 2 * bench.rows)
    ways = {}
    for rows in counts:
        source = payload(bench, rows)
        check = right_output_and_table(source)
        ways[f"sequential, {rows:,} rows"] = Way(orders(source, "--sequential"), check)
        ways[f"parallel, {rows:,} rows"] = Way(parallel(source), check)
    figures = interleaved(bench, ways)
    seconds = {rows: tuple(figures[f"{mode}, {rows:,} rows"] for mode in ("sequential", "parallel")) for rows in counts}
    gains = {rows: median_ratio(*pair) for rows, pair in seconds.items()}
    return Experiment(
        title="Sequential against parallel",
        about=f"`--sequential` is one thread and one partition; parallel is {WORKERS} worker processes, also for the "
        "small input, where `rowmill run` by itself would start none.",
        **stamp(bench, payload(bench, bench.rows), bench.rows),
        targets=(),
        grid=Grid(
            ("rows", "sequential, s", "parallel, s", "sequential / parallel"),
            tuple((f"{rows:,}", *map(spread, pair), f"{gains[rows]:.2f}") for rows, pair in seconds.items()),
        ),
        charts=(
            Bars(
                "modes",
                "Sequential and parallel",
                f"seconds, median of {bench.runs}; shorter is better",
                ("sequential", f"parallel, {WORKERS} workers"),
                tuple((f"{rows:,} rows", tuple(map(median, pair))) for rows, pair in seconds.items()),
            ),
        ),
        raw=figures,
    )


def sizes(bench: Bench) -> Experiment:
    """Measure the curve of rows per partition."""
    source = payload(bench, bench.rows)
    check = right_output_and_table(source)
    figures = interleaved(
        bench,
        {f"{size:,}": Way(parallel(source, "--rows-per-partition", str(size)), check) for size in SIZES},
    )
    best = min(figures, key=lambda size: median(figures[size]))
    return Experiment(
        title="Rows per partition",
        about=f"{WORKERS} workers, a new table. The public sample's own choice is 30,000, and so is the orders job's.",
        **stamp(bench, source, bench.rows),
        targets=(
            Target(
                f"30,000 rows per partition / the quickest size, {best}",
                "x",
                median_ratio(figures["30,000"], figures[best]),
            ),
        ),
        grid=Grid(
            ("rows per partition", "partitions", "seconds: median (least to most)"),
            tuple((f"{size:,}", f"{-(-bench.rows // size):,}", spread(figures[f"{size:,}"])) for size in SIZES),
        ),
        charts=(
            Curve(
                "sizes",
                f"{bench.rows:,} orders: time by size of a partition",
                "rows per partition",
                f"seconds, median of {bench.runs}",
                tuple((size, median(figures[f"{size:,}"])) for size in SIZES),
            ),
        ),
        raw=figures,
    )
