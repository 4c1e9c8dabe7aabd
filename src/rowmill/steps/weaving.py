"""Rows put into their own places among those that a partition has written."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import IntegrityError
from rowmill.formats import borders
from rowmill.steps.output import opened, rules_of_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.formats import Format
    from rowmill.model.receipt import DataObject
    from rowmill.storage import Storage


class Added(NamedTuple):
    """A row that a partition writes after all.

    Attributes:
        place: How many of the partition's written rows stand before it.
        data: Its bytes in the output.
    """

    place: int
    data: bytes


def written_bytes(workspace: Storage, data: DataObject, *, compressed: bool) -> bytes:
    """Return a partition's written rows as they were before compression.

    Raises:
        IntegrityError: They are not what the receipt says.

    Cost: memory for the partition's rows.
    """
    held = b"".join(opened(workspace, data).pieces)
    if hashlib.sha256(held).hexdigest() != data.sha256:
        raise IntegrityError(f"{data.name} is not what its receipt says", hint="give the run's command again first")
    return zlib.decompress(held, wbits=31) if compressed and held else held


def woven(data: bytes, writes: Format, rows: int, added: Sequence[Added]) -> Iterator[bytes]:
    """Give the rows of a partition with those that are added, each in its own place.

    Args:
        data: The rows that were written.
        writes: Their format.
        rows: How many they are.
        added: What is added, in the order of the input.

    Raises:
        IntegrityError: They are another number of rows.
    """
    ends = [0, *borders.row_ends(data, rules_of_output(writes), final=True)]
    if len(ends) - 1 != rows:
        raise IntegrityError(f"a partition's data holds {len(ends) - 1:,} rows, {rows:,} were written")
    at = 0
    for one in added:
        yield data[at : ends[one.place]]
        yield one.data
        at = ends[one.place]
    yield data[at:]
