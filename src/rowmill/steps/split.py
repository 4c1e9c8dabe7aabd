"""Split: find where rows end, count them, digest the input, and publish the manifest. The file is not copied.

`scan` (blocks, in parallel) -> `fold` (in order) -> `cut` (by numbers alone) -> `locate` (one piece read per cut).
"""

from __future__ import annotations

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.errors import InputError, IntegrityError
from rowmill.formats import borders
from rowmill.formats.borders import Mark, Piece, Rules
from rowmill.formats.csv import WAY_OUT
from rowmill.model import codec, identity, policy
from rowmill.model.identity import BLOCK_BYTES, PIECE_BYTES
from rowmill.model.manifest import InputVersion, Manifest, Partition, tiles
from rowmill.steps.reading import chunks, place_in
from rowmill.steps.source import spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.formats import Format, Head
    from rowmill.steps import Run
    from rowmill.steps.source import Source
    from rowmill.storage import Reader

HEAD_BYTES = 64 * 1024


class Cut(NamedTuple):
    """A place between two rows.

    Attributes:
        row: Rows before it.
        line: Line feeds before it, from the first byte.
        offset: Bytes before it.
    """

    row: int
    line: int
    offset: int


def split(run: Run) -> Manifest:
    """Publish the run's manifest, or return the one that is there, whatever size it was made for.

    Raises:
        InputError: The input is missing, empty where a header is declared, or breaks the declared rules.
    """
    if (found := run.load(run.name(wire.MANIFEST), Manifest)) is not None:
        tiles(found)
        return found
    source = spool(run)
    manifest = survey(run, source)
    tiles(manifest)
    source.check()
    run.workspace.create(run.name(wire.MANIFEST), codec.encode(manifest))
    settled = run.load(run.name(wire.MANIFEST), Manifest)
    if settled is None:
        raise IntegrityError("the manifest is gone after it was published", run_id=run.id)
    return settled


def survey(run: Run, source: Source) -> Manifest:
    """Read the whole input once and share its rows out; nothing is written."""
    reads = source.reads
    with source.open() as reader:
        head = read_head(reads, reader, source.bytes)
        body = read_body(reads, reader, head.end, source.bytes, workers=run.record.workers)
        size = policy.rows_per_partition(run.record.rows_per_partition, rows=body.rows, workers=run.record.workers)
        cuts = body.cuts(size)
        partitions = [
            Partition(
                index=index,
                start=here.offset,
                end=there.offset,
                rows=there.row - here.row,
                first_ordinal=here.row,
                first_line=here.line + 1,
                digest=range_digest(reader, here.offset, there.offset, body.digests),
            )
            for index, (here, there) in enumerate(zip(cuts, cuts[1:], strict=False))
        ]
    blocks = BLOCK_BYTES // PIECE_BYTES
    digest = identity.input_digest(
        identity.block_digest(body.digests[at : at + blocks]) for at in range(0, len(body.digests), blocks)
    )
    version = InputVersion(
        run.record.input, run.record.input_version, digest, source.bytes, source.spooled, source.version
    )
    return Manifest(run.id, version, head.columns, head.end, body.rows, tuple(partitions))


def read_head(reads: Format, reader: Reader, size: int) -> Head:
    """Read what stands before the rows, in growing steps up to the longest row allowed."""
    wanted = HEAD_BYTES
    while True:
        data = reader.read(0, min(wanted, size))
        head = reads.read_head(data, final=len(data) >= size)
        if head is not None:
            return head
        if wanted > reads.max_row_bytes + HEAD_BYTES:
            raise InputError(
                f"no header ends within {reads.max_row_bytes:,} bytes", hint="check delimiter and quoting", line_no=1
            )
        wanted *= 4


class Body(NamedTuple):
    """The rows of the input, surveyed.

    Attributes:
        rows: How many.
        digests: SHA-256 of each piece of the whole input.
        cutter: Gives the places where partitions of so many rows meet.
    """

    rows: int
    digests: list[bytes]
    cutter: Cutter

    def cuts(self, rows_per_partition: int) -> list[Cut]:
        """Return where partitions begin, and the end; empty where there are no rows."""
        return self.cutter.cuts(rows_per_partition) if self.rows else []


def read_body(reads: Format, reader: Reader, start: int, end: int, *, workers: int) -> Body:
    """Count rows and digest pieces, by parity where the rules allow, else from the first byte on."""
    if reads.rules.reader is not None:
        return _read_in_sequence(reads, reader, start, end)
    pieces = list(scan(reader, reads.rules, start, end, workers=workers))
    marks, lone_cr = borders.fold(pieces)
    if marks[-1].inside or lone_cr is not None:
        raise suspicious(reads, reader, start, end)
    tail = end > start and borders.has_tail(b"\n" + reader.read(max(start, end - 2), end), reads.rules)
    rows = marks[-1].rows + tail
    cutter = ParityCutter(reader, reads.rules, start, end, marks, rows)
    return Body(rows, [piece.digest for piece in pieces], cutter)


def scan(reader: Reader, rules: Rules, start: int, end: int, *, workers: int) -> Iterator[Piece]:
    """Scan the input block by block, several at once; rows are counted from `start` on."""

    def scan_block(at: int) -> list[Piece]:
        data = reader.read(max(0, at - 2), min(at + BLOCK_BYTES, end))
        block = data[at - max(0, at - 2) :]
        pieces = []
        for low in range(0, len(block), PIECE_BYTES):
            piece, offset = block[low : low + PIECE_BYTES], at + low
            skip = min(max(0, start - offset), len(piece))
            before = b"\n" if offset <= start else (data[: at - max(0, at - 2)] + block[:low])[-2:]
            pieces.append(borders.scan(piece, rules, before=before, skip=skip))
        return pieces

    blocks = range(0, end, BLOCK_BYTES)
    if len(blocks) < 2:  # noqa: PLR2004 - nothing to do in parallel
        return chain.from_iterable(map(scan_block, blocks))
    with ThreadPoolExecutor(max_workers=min(workers, len(blocks))) as threads:
        return chain.from_iterable(list(threads.map(scan_block, blocks)))


class ParityCutter(NamedTuple):
    """Cuts by the marks of pieces: one piece is read for each cut."""

    reader: Reader
    rules: Rules
    start: int
    end: int
    marks: Sequence[Mark]
    rows: int

    def cuts(self, rows_per_partition: int) -> list[Cut]:
        """Return where partitions begin, and the end."""
        first = Cut(0, self.reader.read(0, self.start).count(b"\n"), self.start)
        ends = plan([mark.rows for mark in self.marks], self.rows, rows_per_partition, self.end)
        return [first, *(self._locate(row) for row in ends[:-1]), Cut(self.rows, self.marks[-1].lines, self.end)]

    def _locate(self, row: int) -> Cut:
        """Find the byte after which `row` rows are complete."""
        index = bisect_left(self.marks, row, key=lambda mark: mark.rows) - 1
        mark, low = self.marks[index], max(self.start, index * PIECE_BYTES)
        data = self.reader.read(max(0, low - 2), min(self.end, (index + 1) * PIECE_BYTES))
        context = b"\n" if low == self.start else data[:2]
        piece = data[low - max(0, low - 2) :]
        ends = borders.row_ends(piece, self.rules, inside=mark.inside, before=context)
        at = ends[row - mark.rows - 1]
        skipped = self.reader.read(index * PIECE_BYTES, low).count(b"\n")
        return Cut(row, mark.lines + skipped + piece.count(b"\n", 0, at), low + at)


def plan(rows_before: Sequence[int], rows: int, rows_per_partition: int, size: int) -> list[int]:
    """Return after which rows partitions end: every so many rows, or sooner where 64 MiB are full.

    Args:
        rows_before: Rows that ended before each piece, and before the end.
        rows: All rows.
        rows_per_partition: At most so many in one.
        size: Length of the input in bytes.
    """
    limit = max(policy.MAX_PARTITION_BYTES, -(-size // policy.MAX_PARTITIONS)) // PIECE_BYTES - 1
    ends, at = [], 0
    while at < rows:
        piece = max(0, bisect_left(rows_before, at + 1) - 1)
        full = rows_before[min(piece + limit, len(rows_before) - 1)] if piece + limit < len(rows_before) else rows
        at = min(at + rows_per_partition, max(full, at + 1), rows)
        ends.append(at)
    return ends


def range_digest(reader: Reader, start: int, end: int, digests: Sequence[bytes]) -> str:
    """Return a range's digest: known pieces as they are, cut ones read again."""

    def piece_digest(low: int, high: int) -> bytes:
        whole = low % PIECE_BYTES == 0 and (high % PIECE_BYTES == 0 or low // PIECE_BYTES == len(digests) - 1)
        return digests[low // PIECE_BYTES] if whole and high - low else identity.digest_of((reader.read(low, high),))

    return identity.digest_of(piece_digest(low, high) for low, high in borders.pieces_of(start, end)).hex()


class SequentialCutter(NamedTuple):
    """Cuts by reading the input a second time."""

    reads: Format
    reader: Reader
    start: int
    end: int
    rows: int

    def cuts(self, rows_per_partition: int) -> list[Cut]:
        """Return where partitions begin, and the end."""
        line = self.reader.read(0, self.start).count(b"\n")
        cuts = [Cut(0, line, self.start)]
        row = 0
        for chunk in chunks(self.reads, self.reader, self.start, self.end, first_line=line + 1):
            ends = borders.row_ends(chunk.data, self.reads.rules, final=True)
            for at in ends:
                row += 1
                offset = chunk.offset + at
                full = offset - cuts[-1].offset >= policy.MAX_PARTITION_BYTES
                if (row - cuts[-1].row == rows_per_partition or full) and row < self.rows:
                    cuts.append(Cut(row, chunk.first_line - 1 + chunk.data.count(b"\n", 0, at), offset))
        return [*cuts, Cut(self.rows, 0, self.end)]


Cutter = ParityCutter | SequentialCutter


def _read_in_sequence(reads: Format, reader: Reader, start: int, end: int) -> Body:
    digests = [identity.digest_of((reader.read(*piece),)) for piece in borders.pieces_of(0, end)]
    rows = sum(
        1 if chunk.oversized else len(borders.row_ends(chunk.data, reads.rules, final=True))
        for chunk in chunks(reads, reader, start, end, first_line=1)
    )
    return Body(rows, digests, SequentialCutter(reads, reader, start, end, rows))


def suspicious(reads: Format, reader: Reader, start: int, end: int) -> InputError:
    """Find the first line that breaks RFC 4180, in an input that is known to do so somewhere."""
    first_line = reader.read(0, start).count(b"\n") + 1
    ordinal = 0
    for chunk in chunks(reads, reader, start, end, first_line=first_line):
        if chunk.oversized:
            return _suspicion("a quote that opens here is not closed", chunk.first_line, ordinal)
        try:
            reads.decode(chunk.data, None)
        except InputError as error:
            place = int(error.context["ordinal"])
            return _suspicion(error.message, place_in(reads, chunk, place).line, ordinal + place)
        ends = borders.row_ends(chunk.data, reads.rules, final=True)
        ordinal += len(ends)
        if chunk.data.count(reads.rules.quote) % 2:
            place = place_in(reads, chunk, len(ends))
            return _suspicion("a quote that opens here is not closed", place.line, ordinal)
    return _suspicion("quotes do not come in pairs", first_line, 0)


def _suspicion(message: str, line: int, ordinal: int) -> InputError:
    return InputError(message, hint=WAY_OUT, line_no=line, ordinal=ordinal)
