"""What the workspace keeps of a partition's items: the items, and an index of their keys, as one object.

Shape: items one after the other; index records sorted by hash, each 16 bytes of hash, 8 of offset, 4 of length; two
numbers of 8 bytes: where the index starts, how many records it has. Numbers are big-endian.

The object's name carries what a marker says, so that one listing tells all markers of a run.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from rowmill.storage import Storage

# 128 bits, so that two keys of a hundred million never share a hash: the chance is 1 in 10^22. With 64 bits it were
# 1 in 4,000, and a number of duplicates that is wrong by one would break the first law.
HASH_BYTES = 16
RECORD = struct.Struct(f">{HASH_BYTES}sQI")
FOOTER = struct.Struct(">QQ")
PIECE_BYTES = 1024 * 1024


class Place(NamedTuple):
    """Where an item is in a partition's object."""

    offset: int
    length: int


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


def write(storage: Storage, name: str, items: BinaryIO, places: Mapping[bytes, Place]) -> None:
    """Write the object: all items, and the places of those that stand for a key."""
    size = items.tell()
    with storage.writer(name) as out:
        items.seek(0)
        while data := items.read(PIECE_BYTES):
            out.write(data)
        out.write(b"".join(RECORD.pack(key, *places[key]) for key in sorted(places)))
        out.write(FOOTER.pack(size, len(places)))


def read_index(storage: Storage, name: str) -> Iterator[bytes]:
    """Read an object's index, in pieces of whole records.

    Raises:
        IntegrityError: The object is not what its own numbers say.
    """
    stat = storage.stat(name)
    if stat is None or stat.bytes < FOOTER.size:
        raise IntegrityError(f"{name} is gone or cut short", hint="run again with --fresh")
    end = stat.bytes - FOOTER.size
    with storage.open(name) as reader:
        start, records = FOOTER.unpack(reader.read(end, stat.bytes))
        if start + records * RECORD.size != end:
            raise IntegrityError(f"{name} does not read", hint="run again with --fresh")
        step = PIECE_BYTES // RECORD.size * RECORD.size
        for low in range(start, end, step):
            yield reader.read(low, min(low + step, end))


def read_items(storage: Storage, name: str, places: Iterable[Place]) -> Iterator[bytes]:
    """Read items of an object, in the order of the places, which is best that of the offsets."""
    with storage.open(name) as reader:
        for offset, length in places:
            yield reader.read(offset, offset + length)
