"""Counters of rows, and the law of conservation over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Counts(msgspec.Struct, frozen=True):
    """What became of rows.

    Attributes:
        read: Rows that process took from the input.
        written: Rows whose value was saved.
        filtered: Rows left out on purpose, by reason.
        rejected: Rows refused, malformed ones included.
        duplicates: Written rows whose key a later row (or an earlier one, by policy) took over.
    """

    read: int = 0
    written: int = 0
    filtered: dict[str, int] = {}
    rejected: int = 0
    duplicates: int = 0

    @property
    def all_filtered(self) -> int:
        """Rows left out, whatever the reason."""
        return sum(self.filtered.values())


def add(many: Iterable[Counts]) -> Counts:
    """Return the sum; reasons are kept apart and sorted."""
    read = written = rejected = duplicates = 0
    filtered: dict[str, int] = {}
    for one in many:
        read += one.read
        written += one.written
        rejected += one.rejected
        duplicates += one.duplicates
        for reason, rows in one.filtered.items():
            filtered[reason] = filtered.get(reason, 0) + rows
    return Counts(read, written, dict(sorted(filtered.items())), rejected, duplicates)


def conserve(expected_rows: int, counts: Counts, *, where: str) -> None:
    """Check the first law: every row that split counted was read, and each has one outcome.

    Raises:
        IntegrityError: A row was lost or doubled.
    """
    outcomes = counts.written + counts.all_filtered + counts.rejected
    if expected_rows != counts.read or counts.read != outcomes:
        raise IntegrityError(
            f"rows are not conserved in {where}: the manifest has {expected_rows:,}, {counts.read:,} were read, "
            f"{counts.written:,} written + {counts.all_filtered:,} filtered + {counts.rejected:,} rejected",
            hint="nothing was published; keep the workspace and report this",
        )
