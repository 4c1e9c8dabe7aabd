"""Where a row stands in the input of a run: found by ordinal, by line or by key, and no more is read than must be."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import wire
from rowmill.errors import ConfigurationError, InputError
from rowmill.steps.process import decode_chunk
from rowmill.steps.reading import Chunk, chunks, places
from rowmill.steps.source import decoded, in_utf8
from rowmill.storage import open_storage, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest, Partition
    from rowmill.steps import Run
    from rowmill.storage import Reader, Storage

READ_BYTES = 1024 * 1024


class Located(NamedTuple):
    """A row as it stands in the input.

    Attributes:
        partition: Which one it belongs to.
        ordinal: Its place.
        chunk: Its bytes, line and offset.
    """

    partition: Partition
    ordinal: int
    chunk: Chunk


class Held(NamedTuple):
    """A part of a stream that cannot be sought, in memory."""

    start: int
    data: bytes

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        return self.data[start - self.start : end - self.start]


def by_ordinal(run: Run, manifest: Manifest, ordinal: int, *, moved_to: str = "") -> Located:
    """Return the row with an ordinal.

    Args:
        run: The run.
        manifest: Its manifest.
        ordinal: From 0.
        moved_to: Where the input is now, if not where it was.

    Raises:
        InputError: There is none, or the input is not what the run read.
    """
    if not 0 <= ordinal < manifest.rows:
        raise InputError(
            f"there is no row {ordinal + 1:,}", hint=f"the input has {manifest.rows:,} rows, ordinals begin at 0"
        )
    firsts = [part.first_ordinal for part in manifest.partitions]
    part = manifest.partitions[bisect_right(firsts, ordinal) - 1]  # of those that begin there, empty ones come first
    return next(iter(_found(run, manifest, [part], lambda row: row.ordinal == ordinal, moved_to)))


def by_line(run: Run, manifest: Manifest, line: int, *, moved_to: str = "") -> Located:
    """Return the row that stands on a physical line, which may be one of several that it spans.

    Raises:
        InputError: None does, or the input is not what the run read.
    """

    def is_there(row: Located) -> bool:
        first = row.chunk.first_line
        return first <= line < first + max(1, row.chunk.data.count(b"\n"))

    at = bisect_right([part.first_line for part in manifest.partitions], line) - 1
    found = _found(run, manifest, manifest.partitions[at : at + 1], is_there, moved_to) if at >= 0 else []
    if not found:
        raise InputError(
            f"no row of the input stands on line {line:,}", hint="it is the header, blank, or after the end"
        )
    return found[0]


def by_key(run: Run, manifest: Manifest, key: Sequence[str], *, moved_to: str = "") -> list[Located]:
    """Return all rows whose key's columns hold these values.

    Raises:
        ConfigurationError: Rows have no key, or not in the input.
        InputError: There is none, or the input is not what the run read.

    Cost: the whole input is read.
    """
    names = () if run.job.table is None else run.job.table.keys
    if not names or len(names) != len(key):
        wanted = f"give --key for each of {', '.join(names)}" if names else "give --line or --ordinal"
        raise ConfigurationError(f"the job's table has {len(names)} key columns, {len(key)} are given", hint=wanted)
    missing = [name for name in names if name not in (manifest.columns or ())]
    if missing:
        raise ConfigurationError(f"the key {missing[0]!r} is no column of the input", hint="give --line or --ordinal")
    rare = max(key, key=len).encode()
    reads = in_utf8(run.job.reads)

    def has_key(row: Located) -> bool:
        if rare not in row.chunk.data and b'"' not in rare and rare.isascii():
            return False
        values = values_of(reads, manifest, row)
        return [str(values.get(name)) for name in names] == list(key)

    found = _found(run, manifest, manifest.partitions, has_key, moved_to)
    if not found:
        raise InputError("no row of the input has this key", hint="look at how it is written in the input")
    return found


def values_of(reads: Format, manifest: Manifest, row: Located) -> dict[str, Any]:
    """Return what the function was given, by column, or the whole under an empty name; empty if it does not read."""
    decoded_row = decode_chunk(reads, manifest.columns, row.chunk, row.ordinal)
    if not decoded_row.rows:
        return {}
    (values,) = decoded_row.rows
    return values if isinstance(values, dict) else {"": values}


def _found(
    run: Run, manifest: Manifest, parts: Sequence[Partition], wanted: Callable[[Located], bool], moved_to: str
) -> list[Located]:
    reads = in_utf8(run.job.reads)
    found = []
    with _readers(run, manifest, parts, moved_to) as readers:
        for part, reader in zip(parts, readers, strict=True):
            found += [row for row in _rows(reads, reader, part) if wanted(row)]
    return found


def _rows(reads: Format, reader: Reader, part: Partition) -> Iterator[Located]:
    """Give a partition's rows; it is read to its end, where its digest is compared."""
    ordinal = part.first_ordinal
    read = chunks(reads, reader, part.start, part.end, first_line=part.first_line, expect_digest=part.digest)
    for chunk in read:
        for line, offset, raw in places(reads, chunk):
            yield Located(part, ordinal, Chunk(raw, offset, line, chunk.oversized))
            ordinal += 1


@contextmanager
def _readers(run: Run, manifest: Manifest, parts: Sequence[Partition], moved_to: str) -> Iterator[Iterator[Reader]]:
    """Give for each partition, in order, what reads it."""
    storage, name = run.workspace, run.name(wire.SPOOL)
    copied = manifest.input.spooled and storage.stat(name) is not None
    if not copied:
        url = moved_to or run.record.input
        if url == "-":
            raise InputError("standard input is not kept, so that no row of it can be shown", hint="run from a file")
        folder, name = place_of(url)
        storage = open_storage(folder)
        if storage.stat(name) is None:
            raise InputError(f"the input is no longer at {url}", hint="say where it is now: --input", url=url)
    if manifest.input.spooled and not copied:
        yield _held(decoded(_stream(storage, name), run.job.reads.encoding), parts)
    else:
        with storage.open(name) as reader:
            yield (reader for _ in parts)


def _stream(storage: Storage, name: str) -> Iterator[bytes]:
    with storage.open(name) as reader:
        at = 0
        while data := reader.read(at, at + READ_BYTES):
            yield data
            at += len(data)


def _held(stream: Iterator[bytes], parts: Sequence[Partition]) -> Iterator[Reader]:
    """Give each partition's bytes as they come by; a partition is as much as is held."""
    at, held = 0, bytearray()
    for part in parts:
        while at + len(held) < part.end and (data := next(stream, b"")):
            held += data
            passed = min(len(held), max(0, part.start - at))
            del held[:passed]
            at += passed
        low = max(0, part.start - at)
        yield Held(part.start, bytes(held[low : part.end - at]))
