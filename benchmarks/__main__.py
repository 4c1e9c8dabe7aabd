"""`python -m benchmarks [--only NAME]… [--rows N] [--runs N]`: measure, and write docs/benchmarks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks import (
    aws,
    borders,
    dynamodb,
    kubernetes,
    machine,
    memory,
    million,
    orders,
    postgresql,
    rate,
    seed,
    start,
)
from benchmarks.charts import svg
from benchmarks.page import page
from benchmarks.results import Bench, Experiment

if TYPE_CHECKING:
    from collections.abc import Callable

EXPERIMENTS: dict[str, Callable[[Bench], Experiment]] = {
    "orders": orders.run,
    "borders": borders.run,
    "start": start.run,
    "memory": memory.run,
    "rate": rate.run,
    "dynamodb": dynamodb.run,
    "million": million.run,
    "postgresql": postgresql.run,
    "kubernetes": kubernetes.run,
    "aws": aws.run,
    "modes": seed.modes,
    "sizes": seed.sizes,
}


class Results(msgspec.Struct, frozen=True):
    """All that was measured, as `results.json` keeps it."""

    machine: dict[str, str]
    experiments: dict[str, Experiment]
    schema: str = "rowmill.benchmarks/1"


def main() -> None:
    given = arguments()
    bench = Bench(given.rows, given.runs, given.seed, given.work.resolve())
    bench.work.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    results = earlier(given.out)
    for name, run in EXPERIMENTS.items():
        if name in (given.only or EXPERIMENTS):
            print(f"{name}:", file=sys.stderr)
            results = msgspec.structs.replace(results, experiments=ordered({**results.experiments, name: run(bench)}))
            write(given.out, results)
    print(given.out / "index.md")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write docs/benchmarks.")
    parser.add_argument("--only", action="append", choices=EXPERIMENTS, help="this experiment; may be given again")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the main payload (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the payload (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="folder for the page (%(default)s)")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"), help="folder to run in (%(default)s)")
    return parser.parse_args()


def earlier(out: Path) -> Results:
    """Return what was measured before on this very machine, so that one experiment can be done again by itself."""
    now = Results(machine.facts(), {})
    try:
        before = msgspec.json.decode((out / "results.json").read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.MsgspecError):
        return now
    return before if before.machine == now.machine else now


def ordered(experiments: dict[str, Experiment]) -> dict[str, Experiment]:
    """Return the experiments in the order of the page."""
    return {name: experiments[name] for name in EXPERIMENTS if name in experiments}


def write(out: Path, results: Results) -> None:
    """Write figures, charts and page."""
    figures = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (out / "results.json").write_bytes(figures + b"\n")
    for experiment in results.experiments.values():
        for chart in experiment.charts:
            (out / f"{chart.name}.svg").write_text(svg(chart), encoding="utf-8")
    (out / "index.md").write_text(page(results.machine, results.experiments), encoding="utf-8")


if __name__ == "__main__":
    main()
