"""Rows per second and time left, over time, as charts: what receipts tell of when rows were done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rowmill.model.rates import Span, rates
from rowmill.runners import standing
from rowmill.web import cells, drawing, wording
from rowmill.web.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.model.rates import Rate
    from rowmill.runners.seeing import Look


def pace(seen: Look) -> Markup:
    """Return rows per second, and the time that was left, over time."""
    over_time = over_time_of(seen, time.time())
    if not over_time:
        return Markup()
    speeds, left = [one.rows_per_second for one in over_time], [one.left_s for one in over_time]
    top, most_left = max(speeds) or 1.0, max((one for one in left if one is not None), default=0.0) or 1.0
    lasted = wording.duration(over_time[-1].at_s - over_time[0].at_s)
    said = f"Rows per second over {lasted}: at most {wording.number(top)}, at the end {wording.number(speeds[-1])}"
    said_left = f"Time left over {lasted}: at most {wording.duration(most_left)}"
    marks = [wording.compact(top), wording.compact(top / 2)]
    marks_left = [wording.duration(most_left), wording.duration(most_left / 2)]
    return tag(
        "div",
        _chart("Rows per second", drawing.area(speeds, top, said), marks, lasted),
        _chart("Time left", drawing.curve(left, most_left, said_left), marks_left, lasted),
        class_="charts",
    )


def _chart(title: str, drawn: Markup, marks: Sequence[str], lasted: str) -> Markup:
    return tag(
        "figure",
        tag("figcaption", title),
        tag("div", (tag("span", mark) for mark in (*marks, "0")), class_="y", aria_hidden="true"),
        tag("div", drawn, class_="plot"),
        tag("div", tag("span", "0"), tag("span", lasted), class_="x", aria_hidden="true"),
        class_="chart",
    )


def over_time_of(seen: Look, now_s: float) -> list[Rate]:
    """Return the pace of a run, as far as receipts tell; before the first of them, as progress does.

    Rows under way count as done evenly since their partitions may have begun, else the last moments would look slow.
    """
    ends = {one.partition: wording.seconds_of(one.end) for one in seen.receipts.values() if one.end}
    told = [
        Span(ends[one.partition] - one.seconds, ends[one.partition], one.counts.read)
        for one in seen.receipts.values()
        if one.partition in ends
    ]
    return rates([*told, *_under_way(seen, now_s)], seen.status.rows, until_s=max(ends.values(), default=None))


def _under_way(seen: Look, now_s: float) -> list[Span]:
    if seen.status.state != standing.RUNNING or seen.manifest is None:
        return []
    rows = seen.status.rows_done - sum(seen.manifest.partitions[index].rows for index in seen.done)
    begun = max((wording.seconds_of(one.start) for one in seen.attempts.values()), default=now_s)
    since = max(begun, now_s - cells.middle_s(seen)) if seen.receipts else begun
    return [Span(since, now_s, rows)] if rows > 0 and since < now_s else []
