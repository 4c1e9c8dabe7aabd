"""Pictures as SVG of our own; their colours are the style sheet's."""

from __future__ import annotations

from itertools import groupby
from math import ceil, sqrt
from typing import TYPE_CHECKING

from rowmill.web.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDE = 3.2  # of a grid: so many times as wide as high
FEWEST_COLUMNS, MOST_COLUMNS = 12, 180
LARGEST_CELL = 30
HEIGHT = 100.0  # of a chart, in units of its own


def columns_for(count: int) -> int:
    """Return how many partitions stand in a row of the grid."""
    return max(FEWEST_COLUMNS, min(MOST_COLUMNS, ceil(sqrt(count * WIDE))))


def grid(cells: str, label: str) -> Markup:
    """Return one square for each letter: a path for each kind of letter, however many there are.

    A run of equal letters is one line, and its dashes are the squares.
    """
    columns = columns_for(len(cells))
    rows = max(1, ceil(len(cells) / columns))
    lines: dict[str, list[str]] = {}
    for letter, column, row, count in _runs(cells, columns):
        lines.setdefault(letter, []).append(f"M{column} {row}h{count}")
    paths = (tag("path", class_=f"cell {letter}", d="".join(path)) for letter, path in sorted(lines.items()))
    return tag(
        "svg",
        paths,
        tag("rect", class_="chosen", width="1", height="1", x="-2", y="-2", rx="0.15"),
        class_=f"grid w{_width_step(columns)}",
        viewBox=f"-0.05 -0.55 {columns + 0.1} {rows + 0.1}",
        role="img",
        aria_label=label,
        data_columns=columns,
    )


def _width_step(columns: int) -> int:
    """Return how wide a grid may become, in tens of a hundredth of the page: few squares are not blown up."""
    return min(100, ceil(columns * LARGEST_CELL / 1080 * 10) * 10)


def _runs(cells: str, columns: int) -> Iterator[tuple[str, int, int, int]]:
    for start in range(0, len(cells), columns):
        column = 0
        for letter, same in groupby(cells[start : start + columns]):
            count = sum(1 for _ in same)
            yield letter, column, start // columns, count
            column += count


def area(values: Sequence[float], top: float, label: str) -> Markup:
    """Return values over time as a line with its area filled."""
    line = _line(values, top)
    return _chart(
        label,
        tag("path", class_="area", d=f"{line}V{HEIGHT:g}H0Z"),
        tag("path", class_="line", d=line, vector_effect="non-scaling-stroke"),
        width=len(values) - 1,
    )


def curve(values: Sequence[float | None], top: float, label: str) -> Markup:
    """Return values over time as a line, which has gaps where there is none."""
    pieces, at = [], 0
    for known, group in groupby(values, key=lambda value: value is not None):
        piece = list(group)
        if known:
            pieces.append(_line([value or 0.0 for value in piece], top, at))
        at += len(piece)
    return _chart(
        label,
        tag("path", class_="line", d="".join(pieces), vector_effect="non-scaling-stroke"),
        width=len(values) - 1,
    )


def _chart(label: str, *paths: Markup, width: int) -> Markup:
    marks = tag("path", class_="marks", d=f"M0 0H{width}M0 50H{width}", vector_effect="non-scaling-stroke")
    box = f"0 0 {max(1, width)} {HEIGHT:g}"
    return tag("svg", marks, *paths, viewBox=box, preserveAspectRatio="none", role="img", aria_label=label)


def _line(values: Sequence[float], top: float, at: int = 0) -> str:
    points = (f"{at + place} {HEIGHT * (1 - min(1.0, value / top)):.1f}" for place, value in enumerate(values))
    return "M" + "L".join(points)


def ring(share: float, label: str) -> Markup:
    """Return a share as a ring that closes."""
    return tag(
        "svg",
        tag("circle", class_="rest", cx="12", cy="12", r="9"),
        tag(
            "circle",
            class_="part",
            cx="12",
            cy="12",
            r="9",
            pathLength="100",
            stroke_dasharray=f"{share * 100:.1f} 100",
        ),
        viewBox="0 0 24 24",
        class_="icon ring",
        role="img",
        aria_label=label,
    )


SHAPES = {
    "done": "M6.5 12.5l3.5 3.5 7.5-8",
    "failed": "M8 8l8 8M16 8l-8 8",
    "waiting": "",
    "held": "M9.5 8v8M14.5 8v8",
}


def icon(state: str) -> Markup:
    """Return a state's sign; the word stands beside it."""
    shape = SHAPES[state]
    return tag(
        "svg",
        tag("circle", cx="12", cy="12", r="9"),
        tag("path", d=shape) if shape else None,
        viewBox="0 0 24 24",
        class_=f"icon {state}",
        aria_hidden="true",
    )


def arrow() -> Markup:
    """Return what leads from a step to the next."""
    path = tag("path", d="M0 8h34M28 2l6 6-6 6", vector_effect="non-scaling-stroke")
    return tag("svg", path, viewBox="0 0 36 16", class_="arrow", aria_hidden="true")
