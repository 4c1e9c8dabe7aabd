"""Rows tried without a run: the function is called twice for each, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import ProcessingError, RowmillError, TransientError
from rowmill.formats.masking import hidden as hidden_in
from rowmill.formats.masking import masked_values
from rowmill.job import Skip
from rowmill.steps.function.converting import plain
from rowmill.steps.function.outcome import Rejected
from rowmill.steps.process import batch_of, calling, decode_chunk
from rowmill.steps.reading import Chunk, chunks, places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.formats import Decoded, Format
    from rowmill.job import Table
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.storage import Reader

WRITTEN, FILTERED, REJECTED, FAILED = "written", "filtered", "rejected", "failed"


class Tried(NamedTuple):
    """What becomes of a row.

    Attributes:
        ordinal, line: Its place.
        outcome: `written`, `filtered`, `rejected` or `failed`.
        reason: Why it is not written; empty if it is.
        read: What the function was given: by column, or the whole under an empty name.
        table: What the table gets, by its own columns; None if it gets nothing.
        output: What the output gets; None if it gets nothing.
        differs: Columns that a second call gave another value for, or what else it did otherwise.
    """

    ordinal: int
    line: int
    outcome: str
    reason: str
    read: dict[str, Any]
    table: dict[str, Any] | None
    output: str | None
    differs: tuple[str, ...]


class RowAt(NamedTuple):
    """A row as it stands in the input."""

    ordinal: int
    chunk: Chunk


def rows_from(
    reads: Format, reader: Reader, start: int, end: int, *, first_line: int, from_line: int
) -> Iterator[RowAt]:
    """Give each row from the first one that begins on a line, or after it.

    Args:
        reads: How rows end.
        reader: The open input.
        start: Where rows begin, in bytes.
        end: Where they end.
        first_line: The line at `start`.
        from_line: The line that is asked for.

    Cost: what is before it is read.
    """
    ordinal = 0
    for chunk in chunks(reads, reader, start, end, first_line=first_line):
        found = places(reads, chunk)
        for place, (line, offset, raw) in enumerate(found):
            if line >= from_line:
                yield RowAt(ordinal + place, Chunk(raw, offset, line, chunk.oversized))
        ordinal += len(found)


def try_rows(run: Run, manifest: Manifest, reads: Format, rows: Sequence[RowAt], prepared: Prepared) -> list[Tried]:
    """Give each row to the job's function, or program, and then again; return what becomes of them.

    Raises:
        ConfigurationError: The job does not fit the input.
        ProcessingError: A program fails, which has all rows at once.
    """
    once, again = (_outcomes(run, manifest, reads, rows, prepared) for _ in range(2))
    given = (_read(decode_chunk(reads, manifest.columns, row.chunk, row.ordinal)) for row in rows)
    return [
        _tried(run, row, values, Outcome.of(run, first), Outcome.of(run, second))
        for row, values, first, second in zip(rows, given, once, again, strict=True)
    ]


def _outcomes(run: Run, manifest: Manifest, reads: Format, rows: Sequence[RowAt], prepared: Prepared) -> list[Any]:
    """Return for each row a value, `Skip`, `Rejected`, or the error that would end a run."""
    found: list[Any] = []
    with calling(run, manifest, reads, lambda: iter([row.chunk for row in rows]), prepared) as call:
        for row in rows:
            decoded = decode_chunk(reads, manifest.columns, row.chunk, row.ordinal)
            if decoded.malformed:
                found.append(Rejected(decoded.malformed[0]))
                continue
            try:
                found += call(batch_of(reads, row.chunk, decoded, row.ordinal))
            except (ProcessingError, TransientError) as error:
                found.append(error)
    return found


def _read(decoded: Decoded) -> dict[str, Any]:
    """Return what a function is given, by column; empty where the row does not read."""
    if not decoded.rows:
        return {}
    (row,) = decoded.rows
    return row if isinstance(row, dict) else {"": row}


class Outcome(NamedTuple):
    """What one call came to."""

    kind: str
    reason: str
    value: Any
    output: str | None

    @classmethod
    def of(cls, run: Run, found: Any) -> Outcome:
        """Judge as a run would."""
        if isinstance(found, Skip):
            return cls(FILTERED, found.reason, None, None)
        if isinstance(found, Rejected):
            return cls(REJECTED, found.reason, None, None)
        if isinstance(found, RowmillError):
            return cls(FAILED, found.message, None, None)
        if found is None:
            return cls(FAILED, "the function returned None", None, None)
        value, writes = plain(found), run.job.writes
        shown = masked_values(value, run.job.sensitive)
        try:
            line = writes.encode([shown], writes.columns_of(shown)).decode(writes.encoding)
        except ProcessingError as error:
            return cls(FAILED, error.message, value, None)
        return cls(WRITTEN, "", value, line.rstrip("\r\n"))


def _tried(run: Run, row: RowAt, given: dict[str, Any], once: Outcome, again: Outcome) -> Tried:
    hidden, table = run.job.sensitive, run.job.table
    saved = table_row(table, once.value) if table is not None and once.kind == WRITTEN else None
    return Tried(
        ordinal=row.ordinal,
        line=row.chunk.first_line,
        outcome=once.kind,
        reason=hidden_in(once.reason, given, hidden),
        read=masked_values(given, hidden),
        table=None if saved is None else masked_values(saved, [column_of(table, name) for name in hidden]),
        output=once.output,
        differs=_differs(once, again),
    )


def table_row(declared: Table, value: Any) -> dict[str, Any]:
    """Return what a table saves of a result, by its own columns."""
    if not isinstance(value, dict):
        return {}
    names = value if declared.columns is None else declared.columns
    cells = ((column_of(declared, name), value.get(name)) for name in names)
    return {name: None if declared.null is not None and cell == declared.null else cell for name, cell in cells}


def column_of(declared: Table | None, name: str) -> str:
    """Return how a table names a result's column."""
    return name if declared is None or declared.columns is None else declared.columns.get(name, name)


def _differs(once: Outcome, again: Outcome) -> tuple[str, ...]:
    if (once.kind, once.reason) != (again.kind, again.reason):
        return (f"{once.kind}, then {again.kind}",) if once.kind != again.kind else ("the reason",)
    if once.value == again.value:
        return ()
    if isinstance(once.value, dict) and isinstance(again.value, dict):
        names = dict.fromkeys([*once.value, *again.value])
        return tuple(name for name in names if once.value.get(name) != again.value.get(name))
    return ("the result",)
