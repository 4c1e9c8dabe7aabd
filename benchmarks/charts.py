"""Charts as SVG, for light and dark ground. Pure: the same numbers give the same bytes."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from benchmarks.results import Bars, Curve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, LEFT, RIGHT, TOP = 760, 190, 70, 84
BAR, GAP, GROUP_GAP = 20, 4, 22
CURVE_LEFT, CURVE_HEIGHT = 70, 260
STYLE = """
svg { font: 13px system-ui, sans-serif; } .ground { fill: #fcfcfb; } text { fill: #52514e; }
.title { font-size: 17px; font-weight: 600; fill: #0b0b0b; }
.value { fill: #0b0b0b; stroke: #fcfcfb; stroke-width: 3; paint-order: stroke; font-variant-numeric: tabular-nums; }
.grid { stroke: #e4e3df; } .axis { stroke: #b5b3ad; } .limit { stroke: #d03b3b; stroke-dasharray: 5 4; }
.s0 { fill: #9a9891; } .s1 { fill: #1baf7a; } .s2 { fill: #2a78d6; }
.line { stroke: #2a78d6; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
.ground { fill: #1a1a19; } text { fill: #c3c2b7; } .title, .value { fill: #ffffff; } .value { stroke: #1a1a19; }
.grid { stroke: #33332f; } .axis { stroke: #65645e; }
.s0 { fill: #85837c; } .s1 { fill: #199e70; } .s2 { fill: #3987e5; } .line { stroke: #3987e5; } }
"""


def svg(chart: Bars | Curve) -> str:
    """Draw a chart."""
    return bars(chart) if isinstance(chart, Bars) else curve(chart)


def bars(chart: Bars) -> str:
    """Draw groups of horizontal bars, each with its value at its end."""
    highest = max(value for _, values in chart.groups for value in values if value is not None)
    ticks = ticks_to(max(highest, chart.limit[0] if chart.limit else 0))
    scale = (WIDTH - LEFT - RIGHT) / ticks[-1]
    # The accent is for the last series, the neutral tone for what it is compared with.
    styles = ("s0", "s1", "s2") if len(chart.series) > 2 else ("s0", "s2")
    marks, y = [], TOP
    for label, values in chart.groups:
        shown = [(style, value) for style, value in zip(styles, values, strict=False) if value is not None]
        height = len(shown) * (BAR + GAP) - GAP
        marks.append(text(LEFT - 10, y + height / 2 + 4, label, anchor="end"))
        for style, value in shown:
            length = max(value * scale, 1)
            marks.append(f'<rect class="{style}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            marks.append(text(LEFT + length + 6, y + BAR / 2 + 4.5, number(value), style="value"))
            y += BAR + GAP
        y += GROUP_GAP - GAP
    bottom = y - GROUP_GAP / 2
    grid = [vertical(LEFT + tick * scale, bottom, "grid") for tick in ticks[1:]] + [vertical(LEFT, bottom, "axis")]
    labels = [text(LEFT + tick * scale, bottom + 18, f"{tick:g}", anchor="middle") for tick in ticks]
    axis = text((LEFT + WIDTH - RIGHT) / 2, bottom + 40, chart.axis, anchor="middle")
    limit = []
    if chart.limit is not None:
        x = LEFT + chart.limit[0] * scale
        limit = [vertical(x, bottom, "limit"), text(x, TOP - 14, chart.limit[1], anchor="middle")]
    body = [*legend(chart.series, styles), *grid, *marks, *limit, *labels, axis]
    return document(chart.title, body, height=bottom + 56)


def curve(chart: Curve) -> str:
    """Draw a line, each point with its value above it."""
    ticks = ticks_to(max(y for _, y in chart.points))
    low, high = (math.log(chart.points[end][0]) for end in (0, -1))
    base, right = TOP - 20 + CURVE_HEIGHT, WIDTH - 30

    def at(x: float, y: float) -> tuple[float, float]:
        share = (math.log(x) - low) / ((high - low) or 1)
        return CURVE_LEFT + 24 + share * (right - CURVE_LEFT - 48), base - y / ticks[-1] * CURVE_HEIGHT

    places = [(at(x, y), x, y) for x, y in chart.points]
    grid = []
    for tick in ticks:
        y = at(chart.points[0][0], tick)[1]
        style = "grid" if tick else "axis"
        grid.append(f'<line class="{style}" x1="{CURVE_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        grid.append(text(CURVE_LEFT - 8, y + 4, f"{tick:g}", anchor="end"))
    path = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _, _ in places)
    marks = [f'<polyline class="line" points="{path}"/>']
    for (x, y), rows, value in places:
        marks.append(f'<circle class="s2" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        marks.append(text(x, y - 11, number(value), anchor="middle", style="value"))
        marks.append(text(x, base + 18, thousands(rows), anchor="middle"))
    middle = (CURVE_LEFT + right) / 2
    y_label = text(0, 0, chart.y_axis, anchor="middle")
    axes = [
        text(middle, base + 42, f"{chart.x_axis} (logarithmic)", anchor="middle"),
        f'<g transform="translate(20 {base - CURVE_HEIGHT / 2:.0f}) rotate(-90)">{y_label}</g>',
    ]
    return document(chart.title, [*grid, *marks, *axes], height=base + 58)


def legend(series: Sequence[str], styles: Sequence[str]) -> list[str]:
    """Name the series; the text is in ink, the colour in a square beside it."""
    marks, x = [], 20.0
    for name, style in zip(series, styles, strict=False):
        marks.append(f'<rect class="{style}" x="{x:.0f}" y="45" width="12" height="12" rx="2"/>')
        marks.append(text(x + 18, 56, name))
        x += 44 + 7 * len(name)
    return marks


def document(title: str, body: Iterable[str], *, height: float) -> str:
    """Put a title over marks, on a ground of its own."""
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    about = f"<title>{escape(title)}</title><style>{STYLE}</style>"
    ground = '<rect class="ground" width="100%" height="100%" rx="6"/>'
    return "\n".join((head, about, ground, text(20, 28, title, style="title"), *body, "</svg>\n"))


def text(x: float, y: float, words: str, *, anchor: str = "start", style: str = "") -> str:
    """Write words."""
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def vertical(x: float, bottom: float, style: str) -> str:
    """Draw a line down the plot."""
    return f'<line class="{style}" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom:.1f}"/>'


def ticks_to(highest: float) -> list[float]:
    """Return round numbers from 0 to at least `highest`, four to seven of them."""
    highest = max(highest, 1e-6)
    power = 10.0 ** math.floor(math.log10(highest / 3))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if highest / (one * power) <= 5)
    return [round(count * step, 6) for count in range(math.ceil(highest / step) + 1)]


def number(value: float) -> str:
    """Write a figure with as many digits as can be read."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def thousands(rows: float) -> str:
    """Write a number of rows briefly."""
    return f"{rows / 1000:g}k" if rows >= 1000 else f"{rows:g}"
