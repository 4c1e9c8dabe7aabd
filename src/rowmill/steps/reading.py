"""A byte range to chunks of whole rows, and a row's place in a chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import stringzilla

from rowmill.errors import InputError
from rowmill.formats import borders
from rowmill.model.identity import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.formats import Format
    from rowmill.storage import Reader

CHUNK_BYTES = 32 * 1024  # what its rows become fits into a core's own cache: a third less time than with 256 KiB
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
    reads: Format,
    reader: Reader,
    start: int,
    end: int,
    *,
    first_line: int,
    expect_digest: str = "",
    piece_bytes: int = PIECE_BYTES,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[Chunk]:
    """Read [start, end) piece by piece and cut it between rows.

    Args:
        reads: How rows end, and how long one may be.
        reader: The open input.
        start: Where a row begins.
        end: Where a row, or the input, ends.
        first_line: The physical line at `start`.
        expect_digest: The range's digest, compared after the last piece; empty = none to compare.
        piece_bytes: How much is read at once; the digest is made of such pieces.
        chunk_bytes: About how much is given at once, where rows are not longer.

    Raises:
        InputError: The range does not hold what split saw there.

    Cost: memory for one piece and one row of `max_row_bytes`.
    """
    rules, digest = reads.rules, hashlib.sha256()
    held, offset, line = b"", start, first_line
    long: _LongRow | None = None
    for low, high in borders.pieces_of(start, end, piece_bytes):
        piece = reader.read(low, high)
        if expect_digest:
            digest.update(hashlib.sha256(piece).digest())
        if len(piece) < high - low:
            raise changed()
        at = 0
        while at < len(piece):
            if long is not None:
                rest = long.end_in(piece[at:], final=high == end)
                if rest is None:
                    break
                yield Chunk(long.shown, offset, line, oversized=True)
                at += rest
                offset, line, long = low + at, line + long.lines, None
                continue
            data = held + piece[at : at + chunk_bytes]
            at += chunk_bytes
            cut = len(data) if high == end and at >= len(piece) else borders.last_row_end(data, rules)
            held = data[cut:]
            if cut:
                yield from _apart(reads, Chunk(data[:cut], offset, line))
                offset, line = offset + cut, line + stringzilla.count(data[:cut], b"\n")
            if len(held) > reads.max_row_bytes:
                long, held = _LongRow(held, rules), b""
    if expect_digest and digest.hexdigest() != expect_digest:
        raise changed()


class _LongRow:
    """A row that is passed over without being held: a few bytes stand in for what was read of it."""

    def __init__(self, data: bytes, rules: borders.Rules) -> None:
        self.shown = data[:SHOWN_BYTES]
        self.lines = data.count(b"\n")
        self._rules = rules
        self._stub = borders.stub_of(data, rules)

    def end_in(self, piece: bytes, *, final: bool) -> int | None:
        """Return where the row ends in the next piece, None if it goes on."""
        data = self._stub + piece
        ends = borders.row_ends(data, self._rules, final=final)
        goes_on = not ends and not final
        end = ends[0] - len(self._stub) if ends else len(piece)
        self.lines += piece.count(b"\n", 0, end)
        self.shown = (self.shown + piece[: min(end, SHOWN_BYTES)])[:SHOWN_BYTES]
        if goes_on:
            self._stub = borders.stub_of(data, self._rules)
        return None if goes_on else end


def _apart(reads: Format, chunk: Chunk) -> Iterator[Chunk]:
    """Part rows that are too long from their neighbours."""
    if len(chunk.data) <= reads.max_row_bytes:
        yield chunk
        return
    at = 0
    for start, end in borders.row_spans(chunk.data, reads.rules):
        if end - start > reads.max_row_bytes:
            if start > at:
                yield _part(chunk, at, start)
            long = _part(chunk, start, end)
            yield long._replace(data=long.data[:SHOWN_BYTES], oversized=True)
            at = end
    if at < len(chunk.data):
        yield _part(chunk, at, len(chunk.data))


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    return Chunk(chunk.data[start:end], chunk.offset + start, chunk.first_line + chunk.data.count(b"\n", 0, start))


def places(reads: Format, chunk: Chunk) -> list[Place]:
    """Return where each row of a chunk stands; only what is told of a row needs it."""
    if chunk.oversized:
        return [Place(chunk.first_line, chunk.offset, chunk.data)]
    found, line, at = [], chunk.first_line, 0
    for start, end in borders.row_spans(chunk.data, reads.rules):
        line, at = line + chunk.data.count(b"\n", at, start), start
        found.append(Place(line, chunk.offset + start, chunk.data[start:end]))
    return found


def place_in(reads: Format, chunk: Chunk, index: int) -> Place:
    """Return where the chunk's row number `index` stands; past the last row, where the rest begins."""
    found = places(reads, chunk)
    if index < len(found):
        return found[index]
    end = found[-1].offset - chunk.offset + len(found[-1].raw) if found else 0
    start = borders.past_blank_lines(chunk.data, end, reads.rules)
    return Place(chunk.first_line + chunk.data.count(b"\n", 0, start), chunk.offset + start, chunk.data[start:])


def changed() -> InputError:
    """Return the error for an input that is not what split saw."""
    return InputError(
        "the input changed since the run began", hint="give the same command again: a changed file is a new run"
    )
