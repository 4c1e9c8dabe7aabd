"""The receipt: the small object that commits a partition's result. Only it commits."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

from rowmill.model.counts import Counts  # noqa: TC001 - msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA = "rowmill.receipt/1"


class DataObject(msgspec.Struct, frozen=True):
    """A published object of the workspace.

    Attributes:
        name: Its name under the run, unique to the attempt that wrote it.
        bytes: Its length.
        sha256: Digest of its bytes, hex.
        rows: Rows in it.
    """

    name: str
    bytes: int
    sha256: str
    rows: int


class Receipt(msgspec.Struct, frozen=True):
    """A partition's result.

    Attributes:
        partition: Index in the manifest.
        attempt: Unique name of the try that wrote it.
        code_digest: Digest of the user's code that made it.
        counts: What became of its rows.
        data: The written rows, in order; None where nothing is written.
        rejects: The refused rows; None if there were none.
        columns: Names of the output's columns; None where the format has none.
        table_rows: Rows that the table acknowledged; None without a table.
        filtered: Which rows were left out, as `Filtered`; None if none was.
        totals: Per declared column and outcome, the exact sum as text.
        seconds: Time that the partition took.
        reject_places: For each reject, in order, how many of the partition's written rows stand before it.
        end: When that time was over, ISO 8601, UTC; empty where an older version wrote the receipt.
    """

    run_id: str
    partition: int
    attempt: str
    code_digest: str
    counts: Counts
    data: DataObject
    rejects: DataObject | None
    columns: tuple[str, ...] | None
    table_rows: int | None
    totals: dict[str, dict[str, str]]
    seconds: float
    end: str = ""
    filtered: DataObject | None = None
    reject_places: tuple[int, ...] = ()
    schema: str = SCHEMA


class Filtered(msgspec.Struct, frozen=True):
    """Which rows of a partition were left out, kept small.

    Attributes:
        gaps: By reason, the first ordinal, and from each to the next how far it is.
    """

    gaps: dict[str, list[int]]
    schema: str = "rowmill.filtered/1"


def gaps_of(ordinals: Iterable[int]) -> list[int]:
    """Return rising ordinals as the first one and the gaps between them."""
    found, before = [], 0
    for ordinal in ordinals:
        found.append(ordinal - before)
        before = ordinal
    return found


def ordinals_of(gaps: Iterable[int]) -> Iterator[int]:
    """Return what `gaps_of` was given."""
    return accumulate(gaps)


class Reject(msgspec.Struct, frozen=True):
    """One refused row, as the rejects file carries it.

    Attributes:
        ordinal: 0-based place in the input, header not counted.
        line: 1-based physical line on which it starts.
        offset: Byte offset in the decoded input.
        reason: In one sentence, without row content.
        raw: Its text; bytes that are no text are escaped.
        truncated: The text was longer than `max_row_bytes` and is cut.
    """

    ordinal: int
    line: int
    offset: int
    reason: str
    raw: str
    truncated: bool = False
