"""Keys that occur in several partitions, found in bounded memory.

Each partition's index is sorted by hash, and hashes are spread evenly. So the space of hashes is cut into ranges of
half a million keys each; of a range the indexes' slices are sorted together, and equal neighbours are what is sought.

Cost: the indexes are gathered in one temporary file, 32 bytes a key: 3.2 GB for 100 million keys, which are 200 ranges.
Memory: a range, about 100 bytes a key, some 50 MB. Time: 0.5 us a key, 2 us where half of all occur twice.
"""

from __future__ import annotations

import os
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from rowmill.tables.dynamodb.kept import HASH_BYTES, RECORD, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

RANGE_KEYS = 500_000
SLACK = 1.05  # slices are not of one length


class Winner(NamedTuple):
    """The row that stays of those with one key.

    Attributes:
        partition: Its place in the sequence of indexes.
        place: Where its item is in that partition's object.
        losers: Rows of other partitions with the same key.
    """

    partition: int
    place: Place
    losers: int


class Slices:
    """A sorted index in a file, handed out from its start up to a bound, again and again."""

    def __init__(self, descriptor: int, start: int, end: int, ranges: int) -> None:
        self._descriptor = descriptor
        self._at, self._end = start, end
        records = (end - start) // RECORD.size
        self._step = (int(records / ranges * SLACK) + 16) * RECORD.size
        self._held = b""

    def below(self, bound: bytes) -> bytes:
        """Return the records not yet handed out whose hash is below the bound."""
        while self._at < self._end and (not self._held or self._last() < bound):
            data = os.pread(self._descriptor, min(self._step, self._end - self._at), self._at)
            self._at += len(data)
            self._held += data
        cut = self._first_not_below(bound) * RECORD.size
        taken, self._held = self._held[:cut], self._held[cut:]
        return taken

    def _last(self) -> bytes:
        return self._held[-RECORD.size : -RECORD.size + HASH_BYTES]

    def _first_not_below(self, bound: bytes) -> int:
        low, high = 0, len(self._held) // RECORD.size
        while low < high:
            middle = (low + high) // 2
            at = middle * RECORD.size
            if self._held[at : at + HASH_BYTES] < bound:
                low = middle + 1
            else:
                high = middle
        return low


def gathered(indexes: Iterable[bytes], into: BinaryIO) -> list[tuple[int, int]]:
    """Write indexes one after the other into a file; return where each starts and ends."""
    spans = []
    for index in indexes:
        start = into.tell()
        into.write(index)
        spans.append((start, into.tell()))
    into.flush()
    return spans


def winners(
    file: BinaryIO, spans: Sequence[tuple[int, int]], *, last: bool, range_keys: int = RANGE_KEYS
) -> Iterator[Winner]:
    """Return for each key that occurs in several indexes the row that stays.

    Args:
        file: What `gathered` wrote.
        spans: What `gathered` returned, in the order of the input.
        last: The last one stays, else the first.
        range_keys: Keys that are looked at together.
    """
    total = sum(end - start for start, end in spans) // RECORD.size
    ranges = max(1, -(-total // range_keys))
    slices = [Slices(file.fileno(), start, end, ranges) for start, end in spans]
    for number in range(1, ranges + 1):
        bound = (
            b"\xff" * (HASH_BYTES + 1)
            if number == ranges
            else (number * 2 ** (8 * HASH_BYTES) // ranges).to_bytes(HASH_BYTES, "big")
        )
        yield from _of_range([one.below(bound) for one in slices], last=last)


def _of_range(slices: Sequence[bytes], *, last: bool) -> Iterator[Winner]:
    hashes = sorted(chain.from_iterable(map(_hashes, slices)))
    doubled = {one for one, other in pairwise(hashes) if one == other}
    del hashes
    if not doubled:
        return
    found: dict[bytes, Winner] = {}
    for partition, data in enumerate(slices):
        for key, *place in RECORD.iter_unpack(data):
            if key in doubled:
                before = found.get(key)
                losers = 0 if before is None else before.losers + 1
                if before is None or last:
                    found[key] = Winner(partition, Place(*place), losers)
                else:
                    found[key] = before._replace(losers=losers)
    yield from found.values()


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), RECORD.size)]
