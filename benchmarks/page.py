"""The page of measurements. Pure: results in, Markdown out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.results import Experiment, Target

HOW = """Made by `make bench`: whole processes, each in a fresh folder; runs interleaved; every output compared with
what it must be before its time counts. Single figures are in [results.json](results.json)."""


def page(machine: Mapping[str, str], experiments: Mapping[str, Experiment]) -> str:
    """Write the page: the machine, targets beside what was measured, then each experiment."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    missed = [target for one in experiments.values() for target in one.targets if bounded(target) and not target.met]
    parts = [
        "# Benchmarks",
        "<!-- Written by `make bench` (python -m benchmarks) from results.json; do not edit. -->",
        HOW,
        f"Machine: {facts}.",
        "## Targets",
        verdict(missed),
        grid(
            ("measured", "target", "result", "met"),
            (row(target) for one in experiments.values() for target in one.targets),
        ),
        *(part for one in experiments.values() for part in section(one)),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(missed: Sequence[Target]) -> str:
    """Say how many targets are missed."""
    if not missed:
        return "All are met."
    return f"Missed: {len(missed)}. " + "; ".join(f"{one.what}: {figure(one, one.measured)}" for one in missed) + "."


def bounded(target: Target) -> bool:
    """Whether it can be missed at all."""
    return target.at_least is not None or target.at_most is not None


def row(target: Target) -> tuple[str, ...]:
    """Write a target as a table's row."""
    wanted = "-"
    if target.at_least is not None:
        wanted = f"at least {figure(target, target.at_least)}"
    elif target.at_most is not None:
        wanted = f"at most {figure(target, target.at_most)}"
    if target.aim is not None:
        wanted += f", aim {figure(target, target.aim)}"
    return (
        target.what,
        wanted,
        figure(target, target.measured),
        ("yes" if target.met else "**no**") if bounded(target) else "",
    )


def figure(target: Target, value: float) -> str:
    """Write a figure with its unit."""
    return f"{value:,.2f} {target.unit}" if value < 100 else f"{value:,.1f} {target.unit}"


def section(one: Experiment) -> list[str]:
    """Write one experiment."""
    size = f"{one.rows:,} rows, {one.input_bytes:,} bytes, seed {one.seed}; runs: {one.runs}; {one.date}."
    note = "" if one.rows == one.meant_rows or not one.targets else f" Targets are meant for {one.meant_rows:,} rows."
    images = [f"![{chart.title}]({chart.name}.svg)" for chart in one.charts]
    return [f"## {one.title}", one.about, f"{size}{note}", *images, grid(one.grid.header, one.grid.rows)]


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; the first column is text, the others stand to the right."""
    lines = [header, ("---", *("---:" for _ in header[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
