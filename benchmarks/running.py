"""Whole processes, each in a fresh folder: started, timed, checked by their exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from benchmarks import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.results import Bench

WORKERS = 2
JOB = "rowmill.examples.orders"
LOOP = str(Path(__file__).with_name("sequential.py"))
# Settings of whoever runs this must not change what is measured.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("ROWMILL_") and name != "MAX_LINES_PER_BATCH"
}


def payload(bench: Bench, rows: int, *, seed: int | None = None) -> Path:
    """Return a file of so many orders; made once, kept for the next time."""
    seed = bench.seed if seed is None else seed
    path = bench.work / f"orders-{rows}-{seed}.csv"
    if not path.exists():
        rowmill("generate", str(rows), str(path), "--seed", str(seed), folder=bench.work)
    return path


def rowmill(*words: str, folder: Path) -> float:
    """Run a command of Rowmill as a whole process; return its seconds."""
    return timed([sys.executable, "-m", "rowmill", *words], folder)


def orders_command(source: Path, *options: str) -> list[str]:
    """Return the orders job's command: in its folder it makes `output`, `rowmill.db` and a workspace of its own."""
    words = ["run", JOB, str(source), "--output", "output", "--fresh", "--overwrite", "--quiet", *options]
    return [sys.executable, "-m", "rowmill", *words]


def orders(source: Path, *options: str) -> Callable[[Path], float]:
    """Return the orders job, by default on as many processes as the rows deserve."""
    return lambda folder: timed(orders_command(source, *options), folder)


def parallel(source: Path, *options: str) -> Callable[[Path], float]:
    """Return the orders job in worker processes."""
    return orders(source, "--on", "processes", "--workers", str(WORKERS), *options)


def inline(source: Path, *options: str) -> Callable[[Path], float]:
    """Return the orders job in one process."""
    return orders(source, "--on", "inline", *options)


def loop(source: Path, *options: str) -> Callable[[Path], float]:
    """Return the baseline."""
    return lambda folder: timed([sys.executable, LOOP, str(source), "output", *options], folder)


def timed(command: Sequence[str], folder: Path, env: Mapping[str, str] = ENVIRONMENT) -> float:
    """Run a command to its end; return its seconds.

    Raises:
        RuntimeError: It failed; with its own words.
    """
    os.sync()  # what an earlier run left to be written is not this one's burden
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return seconds


class Stamp(TypedDict):
    """What was measured how often, and when: the fields that all experiments share."""

    rows: int
    input_bytes: int
    seed: int
    runs: int
    date: str


def stamp(bench: Bench, source: Path, rows: int) -> Stamp:
    """Return an experiment's stamp."""
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    return Stamp(rows=rows, input_bytes=source.stat().st_size, seed=bench.seed, runs=bench.runs, date=date)


class Way(NamedTuple):
    """One way to do the work.

    Attributes:
        run: Does it in a folder, and returns its seconds.
        check: Raises `Differs` if what is in the folder is not what must be there.
        before: A folder whose databases are there from the start.
    """

    run: Callable[[Path], float]
    check: Callable[[Path], None]
    before: Path | None = None


def measured(bench: Bench, way: Way) -> float:
    """Go one way in a fresh folder; return its seconds if the result is right."""
    with fresh_folder(bench.work / "run") as folder:
        if way.before is not None:
            for database in way.before.glob("*.db*"):
                shutil.copyfile(database, folder / database.name)
        seconds = way.run(folder)
        way.check(folder)
        return round(seconds, 3)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder, and remove it afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def interleaved(bench: Bench, ways: Mapping[str, Way]) -> dict[str, list[float]]:
    """Go each way once, then each once more, and so on, so that ratios can be taken within one run."""
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(bench.runs):
        for name, way in ways.items():
            figures[name].append(measured(bench, way))
            print(f"  run {run + 1} of {bench.runs}, {name}: {figures[name][-1]:.2f} s", file=sys.stderr)
    return figures


def right_output(source: Path) -> Callable[[Path], None]:
    """Return a check of an output alone."""
    return lambda folder: oracle.check_output(source, folder / "output")


def right_output_and_table(source: Path) -> Callable[[Path], None]:
    """Return a check of output and table."""

    def check(folder: Path) -> None:
        oracle.check_output(source, folder / "output")
        oracle.check_table(source, folder / "rowmill.db")

    return check


def right_order(source: Path) -> Callable[[Path], None]:
    """Return a check of the loop's output, whose confirmations are dice."""
    return lambda folder: oracle.check_order(source, folder / "output")
