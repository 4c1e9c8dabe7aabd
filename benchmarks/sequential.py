"""The baseline: the loop that most people write first, as plain as it comes.

`python benchmarks/sequential.py INPUT OUTPUT [--table FILE.db]`
"""

from __future__ import annotations

import argparse
import csv
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

ROWS_PER_BATCH = 25
KEY, MADE = "Order ID", "ConfirmationId"


def without_table(source: TextIO, target: TextIO) -> None:
    """Give each order a confirmation, and write both ids."""
    writer = csv.writer(target)
    for row in csv.DictReader(source):
        row[MADE] = str(uuid.uuid4())
        writer.writerow((row[KEY], row[MADE]))


def with_table(source: TextIO, target: TextIO, database: sqlite3.Connection) -> None:
    """Give each order a confirmation, write both ids, and save the order; a table that is there is added to."""
    writer = csv.writer(target)
    rows = csv.DictReader(source)
    columns = [*(rows.fieldnames or ()), MADE]
    declared = ", ".join(f'"{column}" TEXT' for column in columns)
    database.execute(f'CREATE TABLE IF NOT EXISTS "Orders" ({declared}, PRIMARY KEY ("{KEY}"))')
    insert = f'INSERT OR REPLACE INTO "Orders" VALUES ({", ".join("?" * len(columns))})'
    batch = []
    for row in rows:
        row[MADE] = str(uuid.uuid4())
        writer.writerow((row[KEY], row[MADE]))
        batch.append(tuple(row.values()))
        if len(batch) == ROWS_PER_BATCH:
            database.executemany(insert, batch)
            batch.clear()
    database.executemany(insert, batch)
    database.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description="A plain loop over orders.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--table", type=Path, help="SQLite file to save into; without it no table is kept")
    given = parser.parse_args()
    with given.input.open(newline="", encoding="utf-8") as source, given.output.open("w", newline="") as target:
        if given.table is None:
            without_table(source, target)
            return
        with closing(sqlite3.connect(given.table)) as database:
            with_table(source, target, database)


if __name__ == "__main__":
    main()
