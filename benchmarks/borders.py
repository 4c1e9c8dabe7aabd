"""How quickly rows' borders are found, by CPU time: reading and exact counts, and a whole split with its digests."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from benchmarks.results import Experiment, Grid, Target, median, spread
from benchmarks.running import payload, stamp
from rowmill import Csv, Job, api
from rowmill.formats import borders
from rowmill.steps import split
from rowmill.storage import open_storage, place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.results import Bench

GB = 1_000_000_000
FEW_ROWS = 200
JOB = Job("borders", reads=Csv())
JOB.process(dict)


def run(bench: Bench) -> Experiment:
    """Measure."""
    plain = payload(bench, bench.rows)
    quoted = with_quotes(plain)
    ways = {
        "borders, plain": (plain, count),
        "borders, 30 % of the fields quoted": (quoted, count),
        "split, plain": (plain, plan),
        "split, 30 % of the fields quoted": (quoted, plan),
    }
    for way in (count, plan):
        way(payload(bench, FEW_ROWS))  # imports are paid for before the clock runs
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(bench.runs):
        for name, (source, way) in ways.items():
            figures[name].append(gb_per_cpu_second(source, way, bench.rows))
            print(f"  {name}: {figures[name][-1]:.2f} GB per CPU second", file=sys.stderr)
    least = {"borders, plain": 1.5, "borders, 30 % of the fields quoted": 0.3, "split, plain": 0.6}
    return Experiment(
        title="Borders and split",
        about="CPU time of all threads, reading included. *Borders* finds row ends and counts rows exactly; *split* "
        "also digests the input and each partition, and cuts. Of the quoted fields some hold commas, quotes and line "
        "ends.",
        **stamp(bench, plain, bench.rows),
        targets=tuple(Target(name, "GB/CPU-s", median(figures[name]), bound) for name, bound in least.items()),
        grid=Grid(
            ("way", "GB per CPU second: median (least to most)"),
            tuple((name, spread(one)) for name, one in figures.items()),
        ),
        charts=(),
        raw=figures,
    )


def gb_per_cpu_second(source: Path, way: Callable[[Path], int], rows: int) -> float:
    """Go one way over a file; return its rate if it counts the rows right.

    Raises:
        RuntimeError: It does not.
    """
    begun = time.process_time()
    counted = way(source)
    seconds = time.process_time() - begun
    if counted != rows:
        raise RuntimeError(f"{counted:,} rows were counted of {rows:,}")
    return round(source.stat().st_size / GB / seconds, 3)


def count(source: Path) -> int:
    """Count rows by their borders."""
    folder, name = place_of(str(source))
    with open_storage(folder).open(name) as reader:
        size = source.stat().st_size
        head = split.read_head(JOB.reads, reader, size)
        extent = split.Extent(JOB.reads, reader, head.end, size)
        pieces = (
            borders.scan(piece.data, JOB.reads.rules, before=piece.before, skip=piece.skip)
            for piece in split.read_pieces(extent, 0, size)
        )
        return borders.fold(pieces)[0][-1].rows


def plan(source: Path) -> int:
    """Split without publishing."""
    return api.plan(JOB, str(source)).rows


def with_quotes(source: Path) -> Path:
    """Return the same rows with 30 % of the fields quoted, made once."""
    target = source.with_suffix(".quoted.csv")
    if target.exists():
        return target
    making = target.with_suffix(".making")
    with source.open(encoding="utf-8") as lines, making.open("w", encoding="utf-8", newline="") as out:
        out.write(next(lines))
        for row, line in enumerate(lines):
            fields = line.rstrip("\r\n").split(",")
            out.write(",".join(quoted(row * len(fields) + at, field) for at, field in enumerate(fields)) + "\n")
    making.rename(target)
    return target


def quoted(place: int, field: str) -> str:
    """Quote three fields in ten; of these, put a comma, a quote or a line end into one in eight."""
    if place * 7 % 10 >= 3:
        return field
    inside = (", ", '""', "\n", "\r\n")[place // 10 % 4] if place // 40 % 8 == 0 else ""
    return f'"{field}{inside}"'
