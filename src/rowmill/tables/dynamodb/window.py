"""How many requests are under way at once: more while all goes well, fewer when the table is throttled. Pure.

Source: additive increase and multiplicative decrease, with a slow start, as in TCP (RFC 5681).
"""

from __future__ import annotations

from typing import NamedTuple

FIRST, LEAST = 4.0, 1.0


class Window(NamedTuple):
    """How many requests may be under way.

    Attributes:
        limit: So many; its whole part counts.
        most: Never more than this.
        starting: Whether the table was never throttled yet: each answer allows one request more.
        shrunk_at: When it last became smaller, by the caller's clock.
    """

    limit: float
    most: int
    starting: bool = True
    shrunk_at: float = float("-inf")


def opened(most: int) -> Window:
    """Return the window to begin with."""
    return Window(min(FIRST, most), most)


def after(window: Window, *, throttled: float, sent_at: float, now: float) -> Window:
    """Return the window after an answer.

    Args:
        window: Before it.
        throttled: Part of the request that was refused since there were too many, 0 to 1.
        sent_at: When the request was sent. One that was sent before the window shrank tells nothing new.
        now: When the answer came.
    """
    if not throttled:
        return window._replace(limit=min(window.most, window.limit + (1.0 if window.starting else 1.0 / window.limit)))
    if sent_at < window.shrunk_at:
        return window
    limit = max(LEAST, window.limit * (1.0 - throttled / 2))
    return Window(limit, window.most, starting=False, shrunk_at=now)
