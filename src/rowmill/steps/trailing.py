"""A file's trailer against its rows: found and compared by split, before anything is written."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill.errors import ConfigurationError, InputError
from rowmill.formats.csv import Csv
from rowmill.formats.trailer import EXACT, number_of, sum_of, told
from rowmill.steps.process import decode_chunk
from rowmill.steps.reading import Chunk, chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.formats import Format, Head
    from rowmill.formats.trailer import Told
    from rowmill.storage import Reader

LAST_BYTES = 64 * 1024
AGAIN = "the file was cut short or doubled in transfer: transfer it again, or correct Csv(trailer=…)"


class Last(NamedTuple):
    """The last row of a file.

    Attributes:
        start: Where it begins.
        told: What it says.
    """

    start: int
    told: Told


def trailer_of(reads: Format, reader: Reader, head: Head, end: int) -> Last | None:
    """Return the trailer that the job declares, None if it declares none.

    Raises:
        InputError: The file's last row is no trailer.
    """
    if not isinstance(reads, Csv) or reads.trailer is None:
        return None
    data = _last_line(reader, head.end, end, reads.max_row_bytes)
    start = end - len(data)
    decoded = decode_chunk(reads, None, Chunk(data, start, 1), 0) if data.strip() else None
    fields: Sequence[str] = decoded.rows[0] if decoded is not None and decoded.rows else []
    try:
        return Last(start, told(reads.trailer, fields))
    except InputError as error:
        raise error.at(line_no=line_at(reader, start)) from None


def line_at(reader: Reader, offset: int) -> int:
    """Return the line that begins at an offset; only what is told of it needs it.

    Cost: reads all that stands before.
    """
    pieces = ((low, min(low + LAST_BYTES, offset)) for low in range(0, offset, LAST_BYTES))
    return 1 + sum(reader.read(*piece).count(b"\n") for piece in pieces)


def without_trailer(reads: Format) -> Format:
    """Return the format of a part of the file, which ends before the trailer."""
    return msgspec.structs.replace(reads, trailer=None) if isinstance(reads, Csv) else reads


def _last_line(reader: Reader, start: int, end: int, most_bytes: int) -> bytes:
    """Return the last line that is not blank, and the blank ones after it."""
    size = LAST_BYTES
    while True:
        low = max(start, end - size)
        data = reader.read(low, end)
        text = data.rstrip(b"\r\n")
        at = text.rfind(b"\n")
        if text and (at >= 0 or low == start):
            return data[at + 1 :]
        if low == start or size > most_bytes + LAST_BYTES:
            return b""
        size *= 4


class Summed(NamedTuple):
    """Sums of the rows of an input.

    Attributes:
        by_column: The sums.
        unread: Rows that do not read, or hold no number there.
    """

    by_column: dict[str, Decimal]
    unread: int


def sums_of(
    reads: Format, reader: Reader, columns: tuple[str, ...] | None, names: Sequence[str], start: int, end: int
) -> Summed:
    """Add up columns of all rows of a range.

    Raises:
        ConfigurationError: The input has no such column.
        InputError: The text breaks the declared rules.

    Cost: reads all rows once more, and decodes them.
    """
    if missing := [name for name in names if name not in (columns or ())]:
        raise ConfigurationError(
            f"Csv(trailer=…) sums a column {missing[0]!r}, and the input has none",
            hint="the input's columns are " + ", ".join(columns or ()),
        )
    found, unread, ordinal = dict.fromkeys(names, Decimal(0)), 0, 0
    for chunk in chunks(reads, reader, start, end, first_line=reader.read(0, start).count(b"\n") + 1):
        decoded = decode_chunk(reads, columns, chunk, ordinal)
        ordinal += len(decoded.rows) + len(decoded.malformed)
        unread += len(decoded.malformed)
        quick = {name: sum_of([row[name] for row in decoded.rows]) for name in names}
        if all(total is not None for total in quick.values()):
            found = {name: EXACT.add(found[name], total) for name, total in quick.items() if total is not None}
            continue
        for row in decoded.rows:
            numbers = [number_of(row[name]) for name in names]
            unread += None in numbers
            for name, number in zip(names, numbers, strict=True):
                found[name] = found[name] if number is None else EXACT.add(found[name], number)
    return Summed(found, unread)


def compare(last: Last, rows: int, summed: Summed) -> None:
    """Compare what the trailer says with what was found.

    A sum is compared where all rows could be added up; else those that do not read are what the run rejects.

    Raises:
        InputError: They differ.
    """
    if last.told.rows not in (None, rows):
        raise InputError(f"the trailer says {last.told.rows:,} rows, and {rows:,} were found", hint=AGAIN)
    for column, said in last.told.sums.items() if not summed.unread else ():
        if summed.by_column[column] != said:
            raise InputError(
                f"the trailer says that {column!r} comes to {said}, and {summed.by_column[column]} was found",
                hint=AGAIN,
            )


def as_text(sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Return sums as text, so that no digit is lost on the way."""
    return {column: str(total) for column, total in sums.items()}
