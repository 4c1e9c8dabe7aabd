"""Numbers, times and places as people read them; pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rowmill.web.markup import Markup, joined, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
KIB = 1024
SHORT = 10  # below it a digit after the point says something
LONG_NAME = 48


def number(count: float) -> str:
    """Return a whole number with commas."""
    return f"{round(count):,}"


def some(count: int, thing: str) -> str:
    """Return a number of things."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def compact(count: float) -> str:
    """Return a number in three digits or so, for the edge of a chart."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.3g}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    if seconds < SHORT:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.{int(seconds < SHORT / 1000)}f} ms"
    whole = round(seconds)
    for size, unit, next_size, next_unit in (
        (DAY_S, "d", HOUR_S, "h"),
        (HOUR_S, "h", MINUTE_S, "min"),
        (MINUTE_S, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    scaled = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if scaled < KIB:
            return f"{scaled:,.0f} {unit}" if unit == "bytes" else f"{scaled:,.1f} {unit}"
        scaled /= KIB
    return f"{scaled:,.1f} TiB"


def seconds_of(moment: str) -> float:
    """Return an ISO 8601 time as seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def moment(text: str) -> Markup:
    """Return an ISO 8601 time as it is read."""
    return tag("time", text[:19].replace("T", " "), " UTC" if text.endswith("+00:00") else "", datetime=text)


def file_name(url: str) -> Markup:
    """Return the last part of a URL or path; all of it is told by its title."""
    name = url.rstrip("/").rpartition("/")[2] or url
    shown = name if len(name) <= LONG_NAME else f"{name[: LONG_NAME // 2]}…{name[-LONG_NAME // 2 :]}"
    return tag("span", shown, class_="file", title=url)


def said(text: str) -> Markup:
    """Return a sentence in which commands stand between backticks, as messages have them."""
    return joined(tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`")))


def problem(error: Mapping[str, str | int]) -> str:
    """Return what went wrong, and where, as people count: lines and rows from 1."""
    places = [f"line {error['line_no']}"] if "line_no" in error else []
    places += [f"row {int(error['ordinal']) + 1}"] if "ordinal" in error else []
    return f"{', '.join(places)}: {error['message']}" if places else str(error["message"])
