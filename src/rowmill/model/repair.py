"""Repairs: what is laid over a run's receipts after its rows were processed, one generation after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill.model.receipt import DataObject, Receipt  # noqa: TC001 - msgspec reads annotations at run time
from rowmill.model.report import Who  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA = "rowmill.repair/1"


class Correction(msgspec.Struct, frozen=True):
    """A row as it should have stood in the input.

    Attributes:
        ordinal: Its place in the input, header not counted.
        row: Its text, without line end.
    """

    ordinal: int
    row: str


class Renewed(msgspec.Struct, frozen=True):
    """A partition's receipt of a generation.

    Attributes:
        over: The attempt whose receipt it is laid over.
        places: For each row that is written more, how many of those written before stand before it.
    """

    over: str
    receipt: Receipt
    places: tuple[int, ...] = ()


class Repair(msgspec.Struct, frozen=True):
    """A generation: rows corrected and done again, or rejects accepted as they are. Published, it commits all of it.

    Attributes:
        number: Its place among the run's repairs, from 1.
        by: Who answers for it, as given; else the account.
        who: Account, host and process.
        at: ISO 8601, UTC.
        code_digest: Digest of the user's code that did the rows.
        rows: Corrections, one JSON object a line.
        partitions: What was made anew.
        written: Rows that were written.
        mended: Ordinals of corrected rows that are no rejects any more.
        refused: Ordinals of those that were refused again.
        delta: The rows written, in order, as they stand in the output.
        apart: The table was settled before, and takes these rows by themselves: only those that win their key.
        saved: Rows that the table is given; None without a table.
        duplicates: How many more rows have lost their key to another, as far as that is known before settling.
        waived: Ordinals of rejects that are accepted.
        reason: Why they are.
    """

    number: int
    by: str
    who: Who
    at: str
    code_digest: str = ""
    rows: DataObject | None = None
    partitions: tuple[Renewed, ...] = ()
    written: int = 0
    mended: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    delta: DataObject | None = None
    apart: bool = False
    saved: int | None = None
    duplicates: int = 0
    waived: tuple[int, ...] = ()
    reason: str = ""
    schema: str = SCHEMA

    @property
    def renewed(self) -> frozenset[int]:
        """The partitions that were made anew."""
        return frozenset(one.receipt.partition for one in self.partitions)


def renewed(receipts: Mapping[int, Receipt], repairs: Sequence[Repair]) -> tuple[dict[int, Receipt], int]:
    """Lay repairs over receipts, in order.

    Returns:
        The receipts that count, and how many of the repairs hold: one that was made over another receipt does not,
        nor do those after it.
    """
    current = dict(receipts)
    for held, repair in enumerate(repairs):
        for one in repair.partitions:
            before = current.get(one.receipt.partition)
            if before is None or before.attempt != one.over:
                return current, held
        current |= {one.receipt.partition: one.receipt for one in repair.partitions}
    return current, len(repairs)


def waived(repairs: Sequence[Repair]) -> frozenset[int]:
    """Return the ordinals of rejects that somebody accepted, and that nobody mended later."""
    accepted: frozenset[int] = frozenset()
    for repair in repairs:
        accepted = (accepted | frozenset(repair.waived)) - frozenset(repair.mended)
    return accepted
