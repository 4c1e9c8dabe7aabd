"""What the orders job must have written, told without a line of the engine.

`python -m benchmarks.oracle INPUT OUTPUT [--table FILE.db]` ends with 1 and the first place that differs.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sqlite3
import sys
import uuid
from contextlib import closing
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB, KEY = "orders", "Order ID"
# Written out again, not imported: this page is the promise, and the engine has to keep it.
NAMESPACE = uuid.UUID("6f0f5b1e-5d0c-5c0e-9f43-7a1f2f6d3b10")
BLOCK_BYTES, PIECE_BYTES = 8 * 1024 * 1024, 256 * 1024


class Differs(Exception):  # noqa: N818 - it is a verdict
    """The output or the table is not what it must be; with the place, never with the row."""


def input_digest(path: Path) -> str:
    """Return SHA-256 over blocks of SHA-256 over pieces."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            pieces = (block[at : at + PIECE_BYTES] for at in range(0, len(block), PIECE_BYTES))
            whole.update(hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).digest())
    return whole.hexdigest()


def expected(path: Path) -> Iterator[tuple[str, str]]:
    """Give each row's order id and confirmation, in the order of the input."""
    namespace = uuid.uuid5(NAMESPACE, f"{len(JOB)}:{JOB}{input_digest(path)}")
    for ordinal, order_id in enumerate(order_ids(path)):
        yield order_id, str(uuid.uuid5(namespace, f"{ordinal}/"))


@lru_cache(maxsize=4)
def expected_digest(path: Path) -> str:
    """Return the SHA-256 of the output that an input must give."""
    digest = hashlib.sha256()
    for order_id, confirmation in expected(path):
        digest.update(f"{order_id},{confirmation}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=2)
def winners(path: Path) -> dict[str, str]:
    """Return the confirmation of each key: the last row's."""
    return dict(expected(path))


def order_ids(path: Path) -> Iterator[str]:
    """Give the order ids of an input, in order."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        column = next(rows).index(KEY)
        for row in rows:
            if row:
                yield row[column]


def written(path: Path) -> Iterator[tuple[str, ...]]:
    """Give the rows of an output."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from map(tuple, csv.reader(file))


def check_output(source: Path, output: Path) -> None:
    """Compare an output with what must be there.

    Raises:
        Differs: At the first row that is another, missing, or one too many.

    Cost: the input is gone through once; later outputs of the same input are told by their digest.
    """
    with output.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == expected_digest(source):
            return
    for row, (wanted, found) in enumerate(zip_longest(expected(source), written(output)), 1):
        if wanted != found:
            what = "is missing" if found is None else "is one too many" if wanted is None else "differs"
            raise Differs(f"row {row:,} of the output {what}")
    raise Differs("the output has the right rows, and other bytes around them")


def check_order(source: Path, output: Path) -> None:
    """Compare only the order ids, as the loop's own confirmations are dice.

    Raises:
        Differs: At the first row that is another, missing, or one too many.
    """
    for row, (wanted, found) in enumerate(zip_longest(order_ids(source), written(output)), 1):
        if found is None or wanted != found[0]:
            raise Differs(f"row {row:,} of the output is not that of the input")


def check_table(source: Path, database: Path) -> None:
    """Find the last row of each key in the table; other inputs' rows may stand beside them.

    Raises:
        Differs: A key is missing, doubled, or has another confirmation.
    """
    wanted, found = winners(source), 0
    with closing(sqlite3.connect(database)) as connection:
        for key, confirmation in connection.execute(f'SELECT "{KEY}", "ConfirmationId" FROM "Orders"'):
            if key in wanted:
                found += 1
                if wanted[key] != confirmation:
                    raise Differs(f"the confirmation of row {found:,} of the table differs")
    if found != len(wanted):
        raise Differs(f"the table holds {found:,} rows for the input's {len(wanted):,} keys")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare what a run of the orders job left with what it must be.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--table", type=Path, help="SQLite file that the run saved into")
    given = parser.parse_args()
    try:
        check_output(given.input, given.output)
        if given.table is not None:
            check_table(given.input, given.table)
    except Differs as difference:
        sys.exit(str(difference))
    print("as it must be")


if __name__ == "__main__":
    main()
