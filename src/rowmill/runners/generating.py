"""Files of made-up orders, to try and to measure with."""

from __future__ import annotations

import msgspec

from rowmill.errors import ConfigurationError, StateError
from rowmill.model import orders
from rowmill.storage import open_storage, place_of

ROWS_TOGETHER = 10_000  # made and written at once


class Generated(msgspec.Struct, frozen=True):
    """A file of made-up orders."""

    url: str
    rows: int
    bytes: int
    seed: int
    schema: str = "rowmill.generate/1"


def orders_file(rows: int, url: str, *, seed: int, overwrite: bool) -> Generated:
    """Write a CSV file of made-up orders, whole or not at all; row i is a pure function of the seed and i.

    Raises:
        ConfigurationError: The number of rows is none, or the place cannot be written.
        StateError: There is such a file, and it is not to be replaced.
    """
    if not 0 <= rows <= orders.MAX_ROWS:
        raise ConfigurationError(f"{rows:,} rows", hint=f"give a number from 0 to {orders.MAX_ROWS:,}")
    folder, name = place_of(url)
    storage = open_storage(folder)
    if not overwrite and storage.stat(name) is not None:
        raise StateError(f"{url} exists", hint="give --overwrite to replace it, or another name", url=url)
    made, written = orders.row_maker(seed), 0
    with storage.writer(name) as out:
        for low in range(0, max(rows, 1), ROWS_TOGETHER):
            head = "" if low else orders.HEADER
            data = (head + made(low, min(low + ROWS_TOGETHER, rows))).encode()
            out.write(data)
            written += len(data)
    return Generated(url, rows, written, seed)
