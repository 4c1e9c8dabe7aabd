"""A partition's rows on their way into SQLite: a temporary table, and the rows that it refuses."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import apsw

from rowmill.tables import Refused
from rowmill.tables.sqlite.names import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.tables.sqlite.table import Sqlite

# What is wrong with a row, and not with the database.
ROW_ERRORS = (
    TypeError,
    OverflowError,
    UnicodeEncodeError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
)


class SqliteStage:
    """A partition's rows in a temporary table of this process."""

    def __init__(self, table: Sqlite, partition: int, attempt: str) -> None:
        self._table = table
        self._partition = partition
        self._attempt = attempt
        self._names: list[str] = []  # of results
        self._columns: list[str] = []  # of the table
        self._insert = ""
        self._rows = 0  # in the spool, numbered from 1
        with table.database() as db:
            if db.in_transaction:
                db.execute("ROLLBACK")
            db.execute("DROP TABLE IF EXISTS temp.spool")

    def add(self, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Take rows."""
        if not values:
            return []
        with self._table.database() as db:
            rows = self._cells(db, values)
            if not db.in_transaction:
                db.execute("BEGIN")  # one for the whole partition: to begin and end one takes as long as 40 rows
            refused: list[Refused] = []
            try:
                db.executemany(self._insert, rows)
            except ROW_ERRORS:
                db.execute("DELETE FROM temp.spool WHERE rowid > ?", (self._rows,))
                self._bisect(db, rows, 0, refused)
            self._rows += len(rows) - len(refused)
            return refused

    def _cells(self, db: apsw.Connection, values: Sequence[Mapping[str, Any]]) -> Sequence[tuple[Any, ...]]:
        """Return the rows as tuples in the spool's order; the spool grows where a new name appears."""
        declared = self._table.declared
        if not self._names or set(map(len, values)) != {len(self._names)} or declared.columns is not None:
            self._widen(db, values)
        try:
            rows = list(map(_getter(self._names), values))
        except KeyError:
            self._widen(db, values)
            rows = [tuple(value.get(name) for name in self._names) for value in values]
        if declared.null is not None:
            rows = [tuple(None if cell == declared.null else cell for cell in row) for row in rows]
        return rows

    def _widen(self, db: apsw.Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Give the spool the columns of these values; the key's are there from the start, and must not be NULL.

        The spool's transaction ends before: it must never read the user's file, and so hold a lock on it.
        """
        end_transaction(db)
        declared, table = self._table.declared, self._table
        fresh: dict[str, None] = {}
        for value in values:
            fresh.update(dict.fromkeys(declared.columns if declared.columns is not None else value))
        fresh.update(dict.fromkeys(declared.keys))
        names = [name for name in fresh if name not in self._names]
        columns = [(declared.columns or {}).get(name, name) for name in names]
        if not self._names:
            db.execute(table.ddl(db, "temp.spool", columns, required=table.keys))
        else:
            for column in columns:
                db.execute(f"ALTER TABLE temp.spool ADD COLUMN {quoted(column)} {table.column_type(column)}")
        self._names += names
        self._columns += columns
        marks = ",".join("?" * len(self._columns))
        self._insert = f"INSERT INTO temp.spool VALUES({marks})"  # short: it is looked up for every row

    def _bisect(self, db: apsw.Connection, rows: Sequence[tuple[Any, ...]], at: int, refused: list[Refused]) -> None:
        """Insert rows; a half that is refused is halved again until the row is found."""
        db.execute("SAVEPOINT half")
        try:
            db.executemany(self._insert, (tuple(map(bound, row)) for row in rows))
        except ROW_ERRORS as error:
            db.execute("ROLLBACK TO half")
            db.execute("RELEASE half")
            if len(rows) == 1:
                refused.append(Refused(at, reason_of(error)))
                return
            middle = len(rows) // 2
            self._bisect(db, rows[:middle], at, refused)
            self._bisect(db, rows[middle:], at + middle, refused)
        else:
            db.execute("RELEASE half")

    def commit(self) -> int:
        """Save all rows and the marker."""
        with self._table.database() as db:
            end_transaction(db)
        return self._table.take(self._columns, partition=self._partition, attempt=self._attempt)


def end_transaction(db: apsw.Connection) -> None:
    """Commit what is in the spool, which only this process sees."""
    if db.in_transaction:
        db.execute("COMMIT")


def _getter(names: Sequence[str]) -> Any:
    if len(names) == 1:
        return lambda value: (value[names[0]],)
    return itemgetter(*names)


def reason_of(error: Exception) -> str:
    """Return why a row is refused; what must not be NULL in the spool is the key."""
    text = str(error)
    key = text.removeprefix("NOT NULL constraint failed: spool.")
    return text if key == text else f"the key {key!r} is NULL"


def bound(value: Any) -> Any:
    """Return a value as SQLite takes it; numbers that it cannot hold exactly, and dates, as text."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    if isinstance(value, (list, dict, set, tuple)):
        raise TypeError(f"a column cannot hold a {type(value).__name__}")
    return str(value)
