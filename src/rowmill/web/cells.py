"""The state of every partition as one letter, and what it means; pure.

Thousands of partitions are drawn, compared and sent as a text of as many letters.
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.runners.standing import IN_PODS, RUNNING
from rowmill.web import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.model.receipt import Receipt
    from rowmill.runners.seeing import Look

WAITING, NEXT, FAILED, DONE = "w", "n", "x", "d"
TIMES = "01234"  # done, from the quickest to the slowest
BOUNDS = (0.5, 0.8, 1.25, 2.0)  # of the median time, between the letters of TIMES


class Entry(NamedTuple):
    """A line of the legend."""

    letter: str
    meaning: str
    partitions: int


def letters(seen: Look) -> str:
    """Return the states of all partitions, in order."""
    count = seen.status.partitions
    middle = middle_s(seen)
    failed = {one.partition for one in seen.failures.values() if is_newest(seen, one.attempt)}
    ahead = at_work_or_next(seen, count)
    run_id = seen.record.run_id

    def letter(index: int) -> str:
        if index in seen.done:
            receipt = seen.receipts.get(wire.receipt_name(run_id, index))
            return DONE if receipt is None or not middle else timed(receipt.seconds, middle)
        if index in failed:
            return FAILED
        return NEXT if index in ahead else WAITING

    return "".join(map(letter, range(count)))


def is_newest(seen: Look, attempt: str) -> bool:
    """Whether a failure is of the newest try at the run."""
    return attempt.partition("-")[0] == str(seen.status.attempt)


def at_work_or_next(seen: Look, count: int) -> frozenset[int]:
    """Return the partitions that are taken first by the workers of this machine: they are handed out in order."""
    if seen.status.state != RUNNING:
        return frozenset()
    left = (index for index in range(count) if index not in seen.done)
    return frozenset(index for index, _ in zip(left, range(seen.record.workers), strict=False))


def middle_s(seen: Look) -> float:
    """Return the median time of a partition; 0 while none is known."""
    times = [receipt.seconds for receipt in seen.receipts.values()]
    return median(times) if times else 0.0


def timed(seconds: float, middle: float) -> str:
    """Return the letter of a time."""
    return TIMES[sum(seconds > bound * middle for bound in BOUNDS)]


def legend(seen: Look, cells: str) -> list[Entry]:
    """Return what the letters mean, as far as they occur."""
    middle, counts = middle_s(seen), Counter(cells)
    limits = [wording.duration(bound * middle) for bound in BOUNDS]
    waiting = "not told" if seen.status.state == IN_PODS else "waiting"
    meanings = {
        WAITING: waiting,
        NEXT: "at work or next",
        FAILED: "failed",
        DONE: "done",
        TIMES[0]: f"done within {limits[0]}",
        **{TIMES[place]: f"{limits[place - 1]} to {limits[place]}" for place in (1, 2, 3)},
        TIMES[4]: f"longer than {limits[3]}",
    }
    return [Entry(letter, meaning, counts[letter]) for letter, meaning in meanings.items() if counts[letter]]


def slowest(seen: Look, most: int) -> Sequence[Receipt]:
    """Return the receipts of the partitions that took longest."""
    return sorted(seen.receipts.values(), key=lambda one: (-one.seconds, one.partition))[:most]
