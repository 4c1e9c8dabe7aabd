"""How fast a run was at each moment, and how long it had still to go: from when partitions were worked at."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

POINTS = 96  # on a chart: more would be narrower than its line
LOOK_BACK = 6  # points: time left is told by the pace of the last while, not of the last moment


class Span(NamedTuple):
    """Rows that were done, evenly as far as anybody knows, between two moments."""

    start_s: float
    end_s: float
    rows: float


class Rate(NamedTuple):
    """What could be told at a moment.

    Attributes:
        at_s: When.
        rows_per_second: Since the moment before.
        left_s: Time to go at the pace of the last while; None where nothing moved.
    """

    at_s: float
    rows_per_second: float
    left_s: float | None


def rates(spans: Sequence[Span], rows: int, *, until_s: float | None = None, points: int = POINTS) -> list[Rate]:
    """Return the pace over time, at moments that are equally far apart; nothing if no time has passed.

    Args:
        spans: When rows were done, in any order.
        rows: All rows of the run.
        until_s: The last moment; None = the end of the last span.
        points: How many moments.

    Cost: O(spans x log spans).
    """
    if not spans:
        return []
    begin, last = min(span.start_s for span in spans), max(span.end_s for span in spans)
    end = last if until_s is None else min(last, until_s)
    if end <= begin:
        return []
    width = (end - begin) / points
    moments = [*(begin + width * index for index in range(points)), end]
    done = rows_done_at(spans, moments)
    found = []
    for index, (before, after) in enumerate(pairwise(done), start=1):
        first = max(0, index - LOOK_BACK)
        pace = (after - done[first]) / ((index - first) * width)
        left = (rows - after) / pace if pace > 0 else None
        found.append(Rate(moments[index], (after - before) / width, left))
    return found


def rows_done_at(spans: Sequence[Span], moments: Sequence[float]) -> list[float]:
    """Return how many rows were done by each moment.

    Args:
        spans: When rows were done, in any order.
        moments: In order.
    """
    bends: list[tuple[float, float, float]] = []  # when, rows at once, change of rows per second
    for start, end, rows in spans:
        pace = rows / (end - start) if end > start else 0.0
        bends += [(start, 0.0, pace), (end, 0.0, -pace)] if pace else [(end, rows, 0.0)]
    bends.sort()
    found, done, slope, now, place = [], 0.0, 0.0, moments[0], 0
    for moment in moments:
        while place < len(bends) and bends[place][0] <= moment:
            when, jump, change = bends[place]
            done += slope * max(0.0, when - now) + jump
            now, slope, place = max(now, when), slope + change, place + 1
        done, now = done + slope * (moment - now), moment
        found.append(done)
    return found
