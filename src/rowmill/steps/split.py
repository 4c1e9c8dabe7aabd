"""Split: find where rows end, count them, digest the input, and publish the manifest. The file is not copied.

`scan` (blocks, in parallel) -> `fold` (in order) -> `cut` (by numbers alone) -> `locate` (one piece read per cut).
"""

from __future__ import annotations

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.errors import ConfigurationError, InputError, IntegrityError
from rowmill.formats import borders
from rowmill.formats.csv import WAY_OUT
from rowmill.model import codec, identity, policy
from rowmill.model.identity import BLOCK_BYTES, PIECE_BYTES, digest_of
from rowmill.model.manifest import InputVersion, Manifest, Partition, tiles
from rowmill.steps.reading import changed, chunks, place_in
from rowmill.steps.source import spool
from rowmill.steps.trailing import Summed, as_text, compare, line_at, sums_of, trailer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.formats import Format, Head
    from rowmill.formats.borders import Mark, Piece
    from rowmill.steps import Run
    from rowmill.steps.reading import Chunk
    from rowmill.steps.source import Source
    from rowmill.steps.trailing import Last
    from rowmill.storage import Reader

HEAD_BYTES = 64 * 1024
UNCLOSED = "a quote that opens here is not closed"


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


class Extent(NamedTuple):
    """What is surveyed: the rows' bytes, and the grain in which they are read.

    Attributes:
        start: Where rows begin.
        end: Where the input ends.
        piece_bytes: The leaf of the digest tree, the unit of reading and the grain of a cut.
        block_bytes: What one thread scans at a time.
    """

    reads: Format
    reader: Reader
    start: int
    end: int
    piece_bytes: int = PIECE_BYTES
    block_bytes: int = BLOCK_BYTES


class Bordered(NamedTuple):
    """A reader that first asks whether the run shall go on."""

    reader: Reader
    border: Callable[[], object]

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        self.border()
        return self.reader.read(start, end)


class Body(NamedTuple):
    """The rows of the input, counted.

    Attributes:
        rows: How many.
        digests: SHA-256 of each piece of the whole input.
        marks: What is known at each piece's start and at the end; empty where rows are found in sequence.
    """

    rows: int
    digests: list[bytes]
    marks: list[Mark]


def survey(run: Run, source: Source) -> Manifest:
    """Read the whole input once and share its rows out; nothing is written."""
    with source.open() as reader:
        head = read_head(source.reads, reader, source.bytes)
        _check_sensitive(run, head)
        last = trailer_of(source.reads, reader, head, source.bytes)
        extent = Extent(source.reads, Bordered(reader, run.border), head.end, source.bytes)
        body = read_body(extent, workers=run.record.workers)
        if last is not None:  # it was counted among the rows
            body = body._replace(rows=body.rows - 1)
        summed = _compared(extent, head, body, last)
        size = policy.rows_per_partition(run.record.rows_per_partition, rows=body.rows, workers=run.record.workers)
        most_bytes = policy.partition_bytes(run.record.rows_per_partition, size=source.bytes)
        partitions = share(extent, body, size, most_bytes, source.bytes if last is None else last.start)
    blocks = BLOCK_BYTES // PIECE_BYTES
    digest = identity.input_digest(
        identity.block_digest(body.digests[at : at + blocks]) for at in range(0, len(body.digests), blocks)
    )
    version = InputVersion(
        run.record.input, run.record.input_version, digest, source.bytes, source.spooled, source.version
    )
    start = None if last is None else last.start
    return Manifest(run.id, version, head.columns, head.end, body.rows, partitions, start, as_text(summed.by_column))


def _check_sensitive(run: Run, head: Head) -> None:
    """Refuse a sensitive column that is not there: a slip of the pen would show what it should hide.

    Raises:
        ConfigurationError: There is no such column.
    """
    if missing := [name for name in run.job.sensitive if head.columns is not None and name not in head.columns]:
        raise ConfigurationError(
            f"Job(sensitive=…) names a column {missing[0]!r}, and the input has none",
            hint="the input's columns are " + ", ".join(head.columns or ()),
        )


def _compared(extent: Extent, head: Head, body: Body, last: Last | None) -> Summed:
    """Compare the trailer with the rows, and return what they come to.

    Raises:
        InputError: They differ.
    """
    if last is None:
        return Summed({}, 0)
    summed = Summed({}, 0)
    if names := tuple(last.told.sums):
        summed = sums_of(extent.reads, extent.reader, head.columns, names, extent.start, last.start)
    try:
        compare(last, body.rows, summed)
    except InputError as error:
        raise error.at(line_no=line_at(extent.reader, last.start)) from None
    return summed


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


def read_body(extent: Extent, *, workers: int) -> Body:
    """Count rows and digest pieces, by parity where the rules allow, else from the first byte on.

    Raises:
        InputError: Quotes do not come in pairs, or a carriage return stands alone outside them.
    """
    if extent.reads.rules.reader is not None:
        digests = [digest_of((extent.reader.read(*piece),)) for piece in _pieces(extent, 0, extent.end)]
        return Body(sum(1 for _ in rows_in_sequence(extent)), digests, [])
    scanned = scan(extent, workers=workers)
    marks, lone_cr = borders.fold(piece for piece, _ in scanned)
    if marks[-1].inside or lone_cr is not None:
        raise suspicious(extent)
    last = b"\n" + extent.reader.read(max(extent.start, extent.end - 2), extent.end)
    tail = extent.end > extent.start and borders.has_tail(last[-2:], extent.reads.rules)
    return Body(marks[-1].rows + tail, [digest for _, digest in scanned], marks)


def scan(extent: Extent, *, workers: int) -> list[tuple[Piece, bytes]]:
    """Scan and digest the input's pieces, several blocks at once."""
    rules = extent.reads.rules

    def scan_block(at: int) -> list[tuple[Piece, bytes]]:
        return [
            (borders.scan(piece.data, rules, before=piece.before, skip=piece.skip), digest_of((piece.data,)))
            for piece in read_pieces(extent, at, min(at + extent.block_bytes, extent.end))
        ]

    blocks = range(0, extent.end, extent.block_bytes)
    if len(blocks) < 2:  # noqa: PLR2004 - nothing to do in parallel
        return list(chain.from_iterable(map(scan_block, blocks)))
    with ThreadPoolExecutor(max_workers=min(workers, len(blocks))) as threads:
        return list(chain.from_iterable(threads.map(scan_block, blocks)))


class ReadPiece(NamedTuple):
    """A piece of the input with its surroundings.

    Attributes:
        before: Up to two bytes that precede it, a line feed where rows begin.
        skip: Bytes at its start that belong to no row.
    """

    data: bytes
    before: bytes
    skip: int


def read_pieces(extent: Extent, start: int, end: int) -> Iterator[ReadPiece]:
    """Read a range piece by piece."""
    for low, high in _pieces(extent, start, end):
        lead = min(low, 2)
        data = extent.reader.read(low - lead, high)
        before = b"\n" + data[max(0, extent.start - low + lead) : lead]
        yield ReadPiece(data[lead:], before[-2:], min(max(0, extent.start - low), high - low))


def _pieces(extent: Extent, start: int, end: int) -> Iterator[tuple[int, int]]:
    return borders.pieces_of(start, end, extent.piece_bytes)


def share(
    extent: Extent,
    body: Body,
    rows_per_partition: int,
    most_bytes: int = policy.MAX_PARTITION_BYTES,
    end: int | None = None,
) -> tuple[Partition, ...]:
    """Cut the input between rows; blank lines alone make one partition without rows, and no bytes make none.

    Args:
        extent: The whole input.
        body: Its rows.
        rows_per_partition: At most so many in one.
        most_bytes: At most about so many.
        end: Where rows end, if that is before the input does.
    """
    end = extent.end if end is None else end
    if extent.start == end:
        return ()
    ends = _cuts if body.marks else _cuts_in_sequence
    found = ends(extent, body, rows_per_partition, most_bytes)
    first = Cut(0, extent.reader.read(0, extent.start).count(b"\n"), extent.start)
    cuts = [first, *(cut for cut in found if cut.row < body.rows), Cut(body.rows, 0, end)]
    return tuple(
        Partition(
            index=index,
            start=here.offset,
            end=there.offset,
            rows=there.row - here.row,
            first_ordinal=here.row,
            first_line=here.line + 1,
            digest=range_digest(extent, here.offset, there.offset, body.digests),
        )
        for index, (here, there) in enumerate(pairwise(cuts))
    )


def _cuts(extent: Extent, body: Body, rows_per_partition: int, most_bytes: int) -> list[Cut]:
    """Return where partitions end, from what is known of pieces: one is read for each."""
    rows_before = [mark.rows for mark in body.marks]
    ends = plan(rows_before, body.rows, rows_per_partition, most_bytes // extent.piece_bytes - 1)
    return [_locate(extent, body.marks, row) for row in ends if row < body.rows]


def plan(rows_before: Sequence[int], rows: int, rows_per_partition: int, most_pieces: int) -> list[int]:
    """Return after which rows partitions end: every so many rows, or sooner where so many pieces are full.

    Args:
        rows_before: Rows that ended before each piece, and before the end.
        rows: All rows.
        rows_per_partition: At most so many in one.
        most_pieces: A partition spans at most so many and one more, unless a single row is longer.
    """
    ends, at = [], 0
    while at < rows:
        piece = max(0, bisect_left(rows_before, at + 1) - 1) + most_pieces
        full = rows_before[piece] if piece < len(rows_before) else rows
        at = min(at + rows_per_partition, max(full, at + 1), rows)
        ends.append(at)
    return ends


def _locate(extent: Extent, marks: Sequence[Mark], row: int) -> Cut:
    """Find the byte after which `row` rows are complete."""
    index = bisect_left(marks, row, key=lambda mark: mark.rows) - 1
    mark, low = marks[index], index * extent.piece_bytes
    piece = next(read_pieces(extent, low, min(extent.end, low + extent.piece_bytes)))
    rows = piece.data[piece.skip :]
    ends = borders.row_ends(rows, extent.reads.rules, inside=mark.inside, before=piece.before)
    if len(ends) < row - mark.rows:
        raise changed()
    at = piece.skip + ends[row - mark.rows - 1]
    return Cut(row, mark.lines + piece.data.count(b"\n", 0, at), low + at)


def range_digest(extent: Extent, start: int, end: int, digests: Sequence[bytes]) -> str:
    """Return a range's digest: known pieces as they are, cut ones read again."""

    def piece_digest(low: int, high: int) -> bytes:
        index, beyond = divmod(low, extent.piece_bytes)
        if not beyond and high == min(low + extent.piece_bytes, extent.end):
            return digests[index]
        return digest_of((extent.reader.read(low, high),))

    return digest_of(piece_digest(low, high) for low, high in _pieces(extent, start, end)).hex()


def rows_in_sequence(extent: Extent) -> Iterator[Cut]:
    """Read the input from the first byte on; give the place after each row."""
    line = extent.reader.read(0, extent.start).count(b"\n")
    row, long = 0, False
    for chunk in _chunks(extent, line + 1):
        if long:  # an oversized row's end is known when the next chunk begins
            yield Cut(row, chunk.first_line - 1, chunk.offset)
        if long := chunk.oversized:
            row += 1
            continue
        line, before = chunk.first_line - 1, 0
        for at in borders.row_ends(chunk.data, extent.reads.rules, final=True):
            row, line, before = row + 1, line + chunk.data.count(b"\n", before, at), at
            yield Cut(row, line, chunk.offset + at)
    if long:
        yield Cut(row, line, extent.end)


def _cuts_in_sequence(extent: Extent, _: Body, rows_per_partition: int, most_bytes: int) -> Iterator[Cut]:
    """Give where partitions end by reading the input a second time."""
    row, offset = 0, extent.start
    for cut in rows_in_sequence(extent):
        if cut.row - row == rows_per_partition or cut.offset - offset >= most_bytes:
            row, offset = cut.row, cut.offset
            yield cut


def _chunks(extent: Extent, first_line: int) -> Iterator[Chunk]:
    return chunks(
        extent.reads,
        extent.reader,
        extent.start,
        extent.end,
        first_line=first_line,
        piece_bytes=extent.piece_bytes,
    )


def suspicious(extent: Extent) -> InputError:
    """Find the first line that breaks RFC 4180, in an input that is known to do so somewhere."""
    reads, ordinal = extent.reads, 0
    long = (1, 0)  # line and ordinal of the last row that was too long to look into
    for chunk in _chunks(extent, extent.reader.read(0, extent.start).count(b"\n") + 1):
        if chunk.oversized:
            long = (chunk.first_line, ordinal)
            ordinal += 1
            continue
        try:
            reads.decode(chunk.data, None)
        except InputError as error:
            place = int(error.context["ordinal"])
            return _suspicion(error.message, place_in(reads, chunk, place).line, ordinal + place)
        rows = len(borders.row_ends(chunk.data, reads.rules, final=True))
        if chunk.data.count(reads.rules.quote) % 2:
            return _suspicion(UNCLOSED, place_in(reads, chunk, rows).line, ordinal + rows)
        ordinal += rows
    return _suspicion("in a very long row, a quote is not closed or a carriage return stands alone", *long)


def _suspicion(message: str, line: int, ordinal: int) -> InputError:
    return InputError(message, hint=WAY_OUT, line_no=line, ordinal=ordinal)
