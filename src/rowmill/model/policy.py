"""Decisions by numbers alone: how large a partition is, when rejects end a run, how long to pause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from rowmill.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    import random

MIN_ROWS = 1_000
MAX_ROWS = 200_000
MAX_PARTITIONS = 10_000
MAX_PARTITION_BYTES = 64 * 1024 * 1024
WHOLE_ROWS = 10**12  # asked for, they mean: one partition, however large
INLINE_BELOW_ROWS = 50_000  # below it starting workers costs more than it saves


def rows_per_partition(asked: int | None, *, rows: int, workers: int) -> int:
    """Return how many rows a partition takes.

    Args:
        asked: The user's number, or None for `auto` = clamp(rows / (8 x workers), 1,000, 200,000).
        rows: Rows of the input.
        workers: Partitions processed at once.

    A number that would give more than 10,000 partitions is raised.
    """
    auto = max(MIN_ROWS, min(MAX_ROWS, -(-rows // (8 * workers))))
    return max(asked or auto, -(-rows // MAX_PARTITIONS), 1)


def partition_bytes(asked: int | None, *, size: int) -> int:
    """Return how many bytes a partition takes at most: 64 MiB, or more where there would be too many.

    Args:
        asked: The user's number of rows, or None.
        size: Bytes of the input.
    """
    if asked is not None and asked >= WHOLE_ROWS:
        return size + 1
    return max(MAX_PARTITION_BYTES, -(-size // MAX_PARTITIONS))


class RejectBudget(msgspec.Struct, frozen=True):
    """How many rejects a run bears.

    Attributes:
        rows: At most so many, or None.
        share: At most this part of all rows (0 to 1), or None.
        hold: All rows are processed, and the output waits until no reject is left that nobody waived.
    """

    rows: int | None = 0
    share: float | None = None
    hold: bool = False

    def allowed(self, rows: int) -> int:
        """Return the number of rejects borne among `rows` rows."""
        return self.rows if self.rows is not None else int((self.share or 0.0) * rows)

    def check(self, rejected: int, rows: int, *, rejects_url: str = "") -> None:
        """Give the verdict on an exact total.

        Raises:
            InputError: More rejects than the budget bears.
        """
        allowed = self.allowed(rows)
        if rejected > allowed:
            raise InputError(
                f"{rejected:,} of {rows:,} rows were rejected, the budget is {allowed:,}",
                hint="correct the rows, or raise the budget with --rejects N or --rejects P%",
                url=rejects_url,
            )


def parse_budget(text: str) -> RejectBudget:
    """Read `stop`, `N`, `P%` or `hold`.

    Raises:
        ConfigurationError: It is none of these.
    """
    if text == "stop":
        return RejectBudget()
    if text == "hold":
        return RejectBudget(rows=None, share=1.0, hold=True)
    if re.fullmatch(r"[0-9]{1,18}", text):
        return RejectBudget(rows=int(text))
    if (match := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)%", text)) and float(match[1]) <= 100:  # noqa: PLR2004
        return RejectBudget(rows=None, share=float(match[1]) / 100)
    raise ConfigurationError(
        f"--rejects {text!r} is not a budget", hint="use stop, a number of rows, a share as 0.5%, or hold"
    )


def pause_s(tries: int, dice: random.Random, *, base_s: float = 0.1, cap_s: float = 20.0) -> float:
    """Return a pause in seconds before try `tries + 1`: exponential, capped, with full jitter."""
    return dice.uniform(0, min(cap_s, base_s * 2**tries))
