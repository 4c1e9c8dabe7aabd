"""A byte range to chunks of whole rows, and a row's place in a chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import stringzilla

from rowmill.errors import InputError
from rowmill.formats import borders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.formats import Format
    from rowmill.storage import Reader

SHOWN_BYTES = 1024  # of a row that is too long


class Chunk(NamedTuple):
    """Whole rows that stand together.

    Attributes:
        data: Their bytes; of an oversized row the first ones only.
        offset: Where they begin in the input.
        first_line: The physical line on which they begin.
        oversized: It is one row, longer than `max_row_bytes`, and was not held.
    """

    data: bytes
    offset: int
    first_line: int
    oversized: bool = False


class Place(NamedTuple):
    """Where a row stands, and its bytes."""

    line: int
    offset: int
    raw: bytes


def chunks(
    reads: Format, reader: Reader, start: int, end: int, *, first_line: int, expect_digest: str = ""
) -> Iterator[Chunk]:
    """Read [start, end) piece by piece and cut it between rows.

    Args:
        reads: How rows end, and how long one may be.
        reader: The open input.
        start: Where a row begins.
        end: Where a row, or the input, ends.
        first_line: The physical line at `start`.
        expect_digest: The range's digest, compared after the last piece; empty = none to compare.

    Raises:
        InputError: The range does not hold what split saw there.

    Cost: memory for one piece and one row of `max_row_bytes`.
    """
    rules, digest = reads.rules, hashlib.sha256()
    held, offset, line = b"", start, first_line
    long: _LongRow | None = None
    for low, high in borders.pieces_of(start, end):
        piece = reader.read(low, high)
        if expect_digest:
            digest.update(hashlib.sha256(piece).digest())
        if len(piece) < high - low:
            raise changed()
        if long is not None:
            rest = long.end_in(piece, final=high == end)
            if rest is None:
                continue
            yield Chunk(long.shown, offset, line, oversized=True)
            offset, line, piece, long = high - len(piece) + rest, line + long.lines, piece[rest:], None
        held += piece
        cut = len(held) if high == end else borders.last_row_end(held, rules)
        if cut:
            yield from _apart(reads, Chunk(held[:cut], offset, line))
            offset, line, held = offset + cut, line + stringzilla.count(held[:cut], b"\n"), held[cut:]
        if len(held) > reads.max_row_bytes:
            long, held = _LongRow(held, rules), b""
    if expect_digest and digest.hexdigest() != expect_digest:
        raise changed()


class _LongRow:
    """A row that is passed over without being held: only the state at its last byte is kept."""

    def __init__(self, data: bytes, rules: borders.Rules) -> None:
        if rules.reader is not None:
            raise InputError(
                f"a row is longer than {len(data) - 1:,} bytes, and quoting='lenient' cannot pass over it",
                hint="raise max_row_bytes, or declare quoting='rfc4180'",
            )
        self.shown = data[:SHOWN_BYTES]
        self.lines = data.count(b"\n")
        self._rules = rules
        self._inside = bool(rules.quote) and data.count(rules.quote) % 2 == 1

    def end_in(self, piece: bytes, *, final: bool) -> int | None:
        """Return where the row ends in the next piece, None if it goes on."""
        ends = borders.row_ends(piece, self._rules, inside=self._inside, before=b"")
        end = ends[0] if ends else len(piece) if final else None
        self.lines += piece.count(b"\n", 0, end)
        self._inside ^= bool(self._rules.quote) and piece.count(self._rules.quote) % 2 == 1
        return end


def _apart(reads: Format, chunk: Chunk) -> Iterator[Chunk]:
    """Part rows that are too long from their neighbours."""
    if len(chunk.data) <= reads.max_row_bytes:
        yield chunk
        return
    start = at = 0
    for end in borders.row_ends(chunk.data, reads.rules, final=True):
        if end - at > reads.max_row_bytes:
            if at > start:
                yield _part(chunk, start, at)
            yield _part(chunk, at, end)._replace(data=chunk.data[at : at + SHOWN_BYTES], oversized=True)
            start = end
        at = end
    if start < len(chunk.data):
        yield _part(chunk, start, len(chunk.data))


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    return Chunk(chunk.data[start:end], chunk.offset + start, chunk.first_line + chunk.data.count(b"\n", 0, start))


def places(reads: Format, chunk: Chunk) -> list[Place]:
    """Return where each row of a chunk stands; only what is told of a row needs it."""
    if chunk.oversized:
        return [Place(chunk.first_line, chunk.offset, chunk.data)]
    found, at = [], 0
    for end in borders.row_ends(chunk.data, reads.rules, final=True):
        if not reads.rules.blank_rows:
            while chunk.data.startswith((b"\n", b"\r\n"), at):
                at += 1 + (chunk.data[at] == ord("\r"))
        line = chunk.first_line + chunk.data.count(b"\n", 0, at)
        found.append(Place(line, chunk.offset + at, chunk.data[at:end]))
        at = end
    return found


def place_in(reads: Format, chunk: Chunk, index: int) -> Place:
    """Return where the chunk's row number `index` stands; past the last row, where the rest begins."""
    found = places(reads, chunk)
    if index < len(found):
        return found[index]
    at = found[-1].offset - chunk.offset + len(found[-1].raw) if found else 0
    return Place(chunk.first_line + chunk.data.count(b"\n", 0, at), chunk.offset + at, chunk.data[at:])


def changed() -> InputError:
    """Return the error for an input that is not what split saw."""
    return InputError(
        "the input changed since the run began", hint="give the same command again: a changed file is a new run"
    )
