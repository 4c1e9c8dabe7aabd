"""Winners in the order in which their items are best read: partition by partition, each from its start to its end.

Winners are found by hash, which is no order of places. They are sorted some at a time, and these lots are merged as
they are read back.

Cost: 20 bytes a winner in a temporary file; 50 million winners are 1 GB in 100 lots. Memory: a lot while it is made,
some 50 MB; then a piece of each lot.
"""

from __future__ import annotations

import heapq
import os
import struct
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rowmill.tables.dynamodb.kept import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from rowmill.tables.dynamodb.duplicates import Winner

CHOSEN = struct.Struct(">IQII")  # big-endian, so that sorting bytes sorts numbers
LOT_WINNERS = 500_000
PIECE_BYTES = CHOSEN.size * 4096


class Chosen(NamedTuple):
    """Winners in a file.

    Attributes:
        losers: Rows that these took over.
        lots: Where each sorted lot starts and ends.
    """

    losers: int
    lots: Sequence[tuple[int, int]]


def chosen(found: Iterable[Winner], into: BinaryIO, *, lot_winners: int = LOT_WINNERS) -> Chosen:
    """Write winners into a file, lot by lot."""
    lots, losers, left = [], 0, iter(found)

    def packed(winner: Winner) -> bytes:
        nonlocal losers
        losers += winner.losers
        return CHOSEN.pack(winner.partition, *winner.place)

    while lot := sorted(map(packed, islice(left, lot_winners))):
        start = into.tell()
        into.writelines(lot)
        lots.append((start, into.tell()))
    into.flush()
    return Chosen(losers, lots)


def by_place(file: BinaryIO, lots: Sequence[tuple[int, int]]) -> Iterator[tuple[int, Place]]:
    """Return each winner's partition and place, in that order."""
    for partition, *place in heapq.merge(*(_lot(file.fileno(), start, end) for start, end in lots)):
        yield partition, Place(*place)


def _lot(descriptor: int, start: int, end: int) -> Iterator[tuple[int, ...]]:
    for at in range(start, end, PIECE_BYTES):
        yield from CHOSEN.iter_unpack(os.pread(descriptor, min(PIECE_BYTES, end - at), at))
