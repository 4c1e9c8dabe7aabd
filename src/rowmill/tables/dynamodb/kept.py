"""What the workspace keeps of a partition's items: the items, and an index of their keys, as one object.

Shape: items one after the other; index records sorted by hash, each 16 bytes of hash, 8 of offset, 4 of length, 4 of
the item's CRC-32; a footer: where the index starts and how many records it has, 8 bytes each, and 16 bytes of the
index's BLAKE2b. Numbers are big-endian.

The object's name carries what a marker says, so that one listing tells all markers of a run.
"""

from __future__ import annotations

import errno
import hashlib
import struct
import tempfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import InputError, IntegrityError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from rowmill.storage import OpenObject, Storage

# 128 bits, so that two keys of a hundred million never share a hash: the chance is 1 in 10^22. With 64 bits it were
# 1 in 4,000, and a number of duplicates that is wrong by one would break the first law.
HASH_BYTES = 16
RECORD = struct.Struct(f">{HASH_BYTES}sQII")
FOOTER = struct.Struct(f">QQ{HASH_BYTES}s")
PIECE_BYTES = 1024 * 1024
SPAN_BYTES, GAP_BYTES = 4 * 1024 * 1024, 64 * 1024  # a request to S3 takes as long as reading some 100 KB
AGAIN = "give the same command again: it goes on where it stopped"
FRESH = "check what holds the workspace, and keep a copy of it; then --fresh does the run anew"


class Place(NamedTuple):
    """Where an item is in a partition's object, and its CRC-32."""

    offset: int
    length: int
    crc: int


class Kept(NamedTuple):
    """A partition's object, by its name.

    Attributes:
        rows: Rows that the table acknowledged; more than its keys, where keys occur twice.
    """

    name: str
    partition: int
    attempt: str
    rows: int


def hash_of(key: bytes) -> bytes:
    """Return what an index knows a key by."""
    return hashlib.blake2b(key, digest_size=HASH_BYTES).digest()


def name_of(folder: str, partition: int, attempt: str, rows: int) -> str:
    """Return the object's name."""
    return f"{folder}/{partition:05d}.{rows}.{attempt}"


def kept_of(storage: Storage, folder: str) -> Iterator[Kept]:
    """Return all partitions' objects of a run, by partition."""
    for name in storage.list(folder):
        partition, rows, attempt = name.rpartition("/")[2].split(".", 2)
        yield Kept(name, int(partition), attempt, int(rows))


@contextmanager
def room() -> Iterator[None]:
    """Let a full disk under temporary files come out as our error.

    Raises:
        TransientError: It is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise TransientError(
            f"no space left for temporary files in {tempfile.gettempdir()}",
            hint="make room, or name another folder with TMPDIR; then give the same command again",
        ) from None


def write(storage: Storage, name: str, items: BinaryIO, places: Mapping[bytes, Place]) -> None:
    """Write the object: all items, and the places of those that stand for a key."""
    size = items.tell()
    index = b"".join([RECORD.pack(key, *places[key]) for key in sorted(places)])
    with storage.writer(name) as out:
        items.seek(0)
        while data := items.read(PIECE_BYTES):
            out.write(data)
        out.write(index)
        out.write(FOOTER.pack(size, len(places), hash_of(index)))


def read_index(storage: Storage, name: str) -> bytes:
    """Read an object's index.

    Raises:
        TransientError: The object is gone.
        IntegrityError: It is not what was written.
    """
    with _opened(storage, name) as reader:
        size = reader.stat.bytes
        end = size - FOOTER.size
        if end >= 0:
            start, records, digest = FOOTER.unpack(reader.read(end, size))
            if start + records * RECORD.size == end:
                index = reader.read(start, end)
                if hash_of(index) == digest:
                    return index
    raise IntegrityError(f"{name} is not what was written", hint=FRESH)


def spans(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Group places, which come in the order of their offsets, by what is best read at once."""
    span: list[Place] = []
    for place in places:
        if span:
            end = span[-1].offset + span[-1].length
            if place.offset - end > GAP_BYTES or place.offset + place.length - span[0].offset > SPAN_BYTES:
                yield span
                span = []
        span.append(place)
    if span:
        yield span


def read_items(storage: Storage, name: str, places: Iterable[Place]) -> Iterator[bytes]:
    """Read items of an object.

    Args:
        storage: Where it is.
        name: Its name.
        places: Of the items, in the order of their offsets.

    Raises:
        TransientError: The object is gone.
        IntegrityError: An item is not what was written.
    """
    with _opened(storage, name) as reader:
        for span in spans(places):
            first = span[0].offset
            data = reader.read(first, span[-1].offset + span[-1].length)
            for offset, length, crc in span:
                item = data[offset - first : offset - first + length]
                if zlib.crc32(item) != crc:
                    raise IntegrityError(f"{name} is not what was written", hint=FRESH)
                yield item


@contextmanager
def _opened(storage: Storage, name: str) -> Iterator[OpenObject]:
    """Open an object that a late worker may replace at any time, since its partition was done twice.

    Raises:
        TransientError: It is gone.
    """
    try:
        with storage.open(name) as reader:
            yield reader
    except InputError:
        raise TransientError(f"{name} was replaced while the table settled", hint=AGAIN) from None
