"""Print one row of a SQLite table: `python -m rowmill.examples.peek rowmill.db Orders`."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path


def peek(path: str, table: str) -> list[tuple[str, object]]:
    """Return the table's first row as columns and values; nothing if it has no row."""
    name = table.replace('"', '""')
    with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as database:
        cursor = database.execute(f'SELECT * FROM "{name}" LIMIT 1')  # noqa: S608 - the name is quoted
        row = cursor.fetchone()
        return (
            [] if row is None else [(column[0], value) for column, value in zip(cursor.description, row, strict=True)]
        )


def main() -> None:
    """Print it, one column a line."""
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the file, the table
        sys.exit("give a SQLite file and a table: python -m rowmill.examples.peek rowmill.db Orders")
    try:
        row = peek(*sys.argv[1:])
    except sqlite3.Error as error:
        sys.exit(f"{sys.argv[1]}, table {sys.argv[2]}: {error}")
    sys.stdout.writelines(f"{column}: {value}\n" for column, value in row)


if __name__ == "__main__":
    main()
