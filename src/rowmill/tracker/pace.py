"""A token bucket: how long to wait before units may be sent, so that a rate is kept on the whole."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

BURST_S = 0.25  # what was not used is kept for so long: after a pause the rate is exceeded by this much, once


class Bucket(NamedTuple):
    """Units left at a moment; below zero they are promised to those who wait.

    Attributes:
        level: Units.
        at_s: The moment, by one clock.
    """

    level: float
    at_s: float


def draw(bucket: Bucket, *, units: int, rate: float, now_s: float) -> tuple[Bucket, float]:
    """Take units out of a bucket that fills at a rate; return it and the seconds until they are there.

    A clock that was set back gives nothing, and goes on from there.
    """
    filled = min(rate * BURST_S, bucket.level + max(0.0, now_s - bucket.at_s) * rate)
    left = filled - units
    return Bucket(left, now_s), max(0.0, -left / rate)


class LocalPace:
    """The rate of one process."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._bucket = Bucket(0.0, time.monotonic())

    def reserve(self, units: int) -> float:
        """Return the seconds to wait before so many units may be sent."""
        with self._lock:
            self._bucket, wait_s = draw(self._bucket, units=units, rate=self._rate, now_s=time.monotonic())
            return wait_s
