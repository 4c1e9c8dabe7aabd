"""How an object of many pieces is made of parts: by numbers alone.

S3 takes at most 10,000 parts of 5 MiB to 5 GiB; only the last may be smaller. Source: Amazon S3 User Guide, "Multipart
upload limits".
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024 * 1024
LEAST_BYTES, MOST_BYTES, MOST_PARTS = 5 * MIB, 5 * 1024 * MIB, 10_000
COPIED_BYTES = 512 * MIB  # in one go: several are copied at once
FIRST_BYTES, GROWTH = 8 * MIB, 1.0006


class Slice(NamedTuple):
    """The bytes [start, end) of a piece."""

    piece: int
    start: int
    end: int


def part_bytes(number: int) -> int:
    """Return how long the part number `number` (from 1) of a stream of unknown length should be.

    Parts grow, from 8 MiB to 3 GiB, so that 10,000 of them hold 5 TiB and the first gigabytes need little memory.
    """
    return int(FIRST_BYTES * GROWTH ** (number - 1))


def plan(lengths: Sequence[int]) -> list[list[Slice]]:
    """Return parts that tile the pieces in order: a slice that is long enough for a part, or several gathered.

    Neighbours that are too small are gathered to max(5 MiB, a ten-thousandth of the whole); where the next piece is
    long, only as much of it is taken as the gathered part lacks.
    """
    least = max(LEAST_BYTES, -(-sum(lengths) // MOST_PARTS))
    parts: list[list[Slice]] = []
    held: list[Slice] = []
    held_bytes = 0
    for piece, length in enumerate(lengths):
        start = 0
        if held and length - (least - held_bytes) >= least:
            start = least - held_bytes
            parts.append([*held, Slice(piece, 0, start)])
            held, held_bytes = [], 0
        if not held and length - start >= least:
            parts += ([one] for one in _copies(piece, start, length, least))
        elif length:
            held.append(Slice(piece, 0, length))
            held_bytes += length
        if held_bytes >= least:
            parts.append(held)
            held, held_bytes = [], 0
    return [*parts, held] if held else parts


def _copies(piece: int, start: int, end: int, least: int) -> list[Slice]:
    """Cut a long slice into even ones, none shorter than `least`."""
    most = min(MOST_BYTES, max(COPIED_BYTES, 2 * least))
    count = -(-(end - start) // most)
    cuts = [start + (end - start) * at // count for at in range(count + 1)]
    return [Slice(piece, low, high) for low, high in pairwise(cuts)]
