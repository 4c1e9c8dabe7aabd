"""What an experiment comes to: frozen values that a page is made from. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Bench(msgspec.Struct, frozen=True):
    """How everything is measured.

    Attributes:
        rows: Of the main payload; some experiments take twice or ten times as many.
        runs: Interleaved runs, of which the median counts.
        seed: Of the payload.
        work: A folder for payloads, and for each run's fresh folder.
    """

    rows: int
    runs: int
    seed: int
    work: Path


class Target(msgspec.Struct, frozen=True):
    """A figure that is wanted, and the one that was measured.

    Attributes:
        what: What was measured.
        unit: Of all its figures; `x` is a ratio.
        measured: The median.
        at_least, at_most: The bound; one of them.
        aim: What would be better still.
    """

    what: str
    unit: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        if self.at_least is not None:
            return self.measured >= self.at_least
        return self.at_most is None or self.measured <= self.at_most


class Grid(msgspec.Struct, frozen=True):
    """A table of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Bars(msgspec.Struct, frozen=True, tag="bars"):
    """Horizontal bars in groups.

    Attributes:
        name: Of the file, without suffix.
        title, axis: What is shown, and the unit of the values.
        series: What the bars of a group are.
        groups: Label and one value per series; None leaves a bar out.
        limit: A line that should not be crossed, and its label.
    """

    name: str
    title: str
    axis: str
    series: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]
    limit: tuple[float, str] | None = None


class Curve(msgspec.Struct, frozen=True, tag="curve"):
    """A line over a logarithmic axis; attributes as in `Bars`, points are (x, y)."""

    name: str
    title: str
    x_axis: str
    y_axis: str
    points: tuple[tuple[float, float], ...]


class Experiment(msgspec.Struct, frozen=True):
    """One experiment's results.

    Attributes:
        title, about: What was done, for the page.
        rows, input_bytes, seed, runs: How much of what, and how often.
        date: When, UTC.
        raw: Every single figure, in the order it was taken.
        meant_rows: The number of rows that the targets are meant for.
    """

    title: str
    about: str
    rows: int
    input_bytes: int
    seed: int
    runs: int
    date: str
    targets: tuple[Target, ...]
    grid: Grid
    charts: tuple[Bars | Curve, ...]
    raw: dict[str, list[float]]
    meant_rows: int = 1_000_000


def median(figures: Sequence[float]) -> float:
    """Return the median, to three digits after the point."""
    return round(statistics.median(figures), 3)


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios within each run: what slowed a whole run down does not count."""
    return median([one / other for one, other in zip(above, below, strict=True)])


def spread(figures: Sequence[float]) -> str:
    """Return median, least and most as text."""
    return f"{statistics.median(figures):.2f} ({min(figures):.2f} to {max(figures):.2f})"
