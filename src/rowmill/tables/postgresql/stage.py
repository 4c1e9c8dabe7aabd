"""A partition's rows on their way into PostgreSQL: a temporary table of this session, and the rows that it refuses.

Nothing of another worker is locked before `commit`, and no transaction is open while the user's function works.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rowmill.errors import TransientError
from rowmill.tables import Refused
from rowmill.tables.postgresql import copying
from rowmill.tables.postgresql.connecting import ROW_ERRORS, words_of
from rowmill.tables.postgresql.names import listed, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from rowmill.tables.postgresql.table import PostgreSql

SPOOL = "pg_temp.rowmill_spool"
PLACE = "_rowmill_place bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 0 START 0)"
NEXT_PLACE = f"SELECT setval(pg_get_serial_sequence('{SPOOL}', '_rowmill_place'), {{}}, false)"
# PostgreSQL's index takes no longer key; without this it would be found when all rows are there.
KEY_BYTES = 2600
KEY_LIMIT = f"CONSTRAINT rowmill_key_length CHECK (octet_length(concat({{}})) <= {KEY_BYTES})"


class PostgreSqlStage:
    """A partition's rows in a temporary table."""

    def __init__(self, table: PostgreSql, partition: int, attempt: str) -> None:
        self._table = table
        self._partition = partition
        self._attempt = attempt
        self._names: list[str] = []  # of results
        self._columns: list[str] = []  # of the table
        self._kinds: list[str] = []
        self._copy = b""
        self._rows = 0  # in the spool, numbered from 0
        self._null = copying.null_of(table.declared.null)
        with table.database() as db:
            db.execute(f"DROP TABLE IF EXISTS {SPOOL}")
            self._session = db

    def add(self, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Take rows."""
        if not values:
            return []
        with self._table.database() as db:
            self._same_session(db)
            if not self._quickly(db, values):
                self._widen(db, values)
                refused = self._with_care(db, values)
                self._rows += len(values) - len(refused)
                return refused
        self._rows += len(values)
        return []

    def _same_session(self, db: psycopg.Connection) -> None:
        """Find out that the rows before are gone: they were in the session that had them."""
        if db is not self._session:
            raise TransientError(
                "PostgreSQL cut the connection that held a partition's rows", hint="the same command goes on"
            )

    def _quickly(self, db: psycopg.Connection, values: Sequence[Mapping[str, Any]]) -> bool:
        """Copy a chunk as one text; return False, and take nothing, if anything in it needs care."""
        names = self._names
        if not names or (self._table.declared.columns is None and set(map(len, values)) != {len(names)}):
            return False
        text = copying.whole(values, _getter(names), len(names))
        if text is None:
            return False
        try:
            self._send(db, text)
        except ROW_ERRORS:
            return False
        return True

    def _send(self, db: psycopg.Connection, text: bytes) -> None:
        with db.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.write(text)
            copy.write(b"\n")

    def _widen(self, db: psycopg.Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Give the spool the columns that these values have; the key's are there from the start, and must not be NULL.

        The order is that of the names' first appearance.
        """
        declared, fresh = self._table.declared, dict[str, None]()
        for value in values if declared.columns is None else ():
            fresh.update(dict.fromkeys(value))
        fresh.update(dict.fromkeys([*(declared.columns or ()), *declared.keys]))
        known = set(self._names)
        names = [name for name in fresh if name not in known]
        if not names:
            return
        columns = [self._table.column_of(name) for name in names]
        kinds = self._table.kinds_of(db, columns)
        keys = set(self._table.keys)
        fields = [
            f"{quoted(column)} {kind}" + (" NOT NULL" if column in keys else "")
            for column, kind in zip(columns, kinds, strict=True)
        ]
        if not known:
            limit = [KEY_LIMIT.format(listed(self._table.keys))] if keys else []
            db.execute(f"CREATE TEMPORARY TABLE rowmill_spool ({', '.join([PLACE, *fields, *limit])})".encode())
        else:
            db.execute(f"ALTER TABLE {SPOOL} {', '.join(f'ADD COLUMN {field}' for field in fields)}".encode())
        self._names += names
        self._columns += columns
        self._kinds += kinds
        self._copy = f"COPY {SPOOL} ({listed(self._columns)}) FROM STDIN (NULL {literal(self._null)})".encode()

    def _with_care(self, db: psycopg.Connection, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Copy a chunk; return the rows that are refused, in order."""
        lines: list[tuple[int, bytes]] = []
        refused: list[Refused] = []
        for place, value in enumerate(values):
            try:
                lines.append((place, self._line(value)))
            except ValueError as error:
                refused.append(Refused(place, str(error)))
        if lines:
            gone = self._bisected(db, lines, self._rows)
            db.execute(NEXT_PLACE.format(self._rows + len(lines) - len(gone)).encode())
            refused += gone
        return sorted(refused, key=lambda one: one.place)

    def _line(self, value: Mapping[str, Any]) -> bytes:
        null, keys = self._table.declared.null, self._table.keys
        if not self._names:
            raise ValueError("the row has no column")
        cells = [value.get(name) for name in self._names]
        if null is not None:
            cells = [None if cell == null else cell for cell in cells]
        for column, cell in zip(self._columns, cells, strict=True):
            if cell is None and column in keys:
                raise ValueError(f"the key {column!r} is NULL")
        return copying.line(cells, self._kinds, self._null)

    def _bisected(self, db: psycopg.Connection, lines: Sequence[tuple[int, bytes]], first: int) -> list[Refused]:
        """Copy rows, to stand from place `first` on; a half that is refused is halved again until the row is found."""
        db.execute(NEXT_PLACE.format(first).encode())  # a COPY that failed has used up places
        try:
            self._send(db, b"\n".join([text for _, text in lines]))
        except ROW_ERRORS as error:
            if len(lines) == 1:
                return [Refused(lines[0][0], _reason(error))]
        else:
            return []
        middle = len(lines) // 2
        refused = self._bisected(db, lines[:middle], first)
        return refused + self._bisected(db, lines[middle:], first + middle - len(refused))

    def commit(self) -> int:
        """Save all rows and the marker."""
        with self._table.database() as db:
            self._same_session(db)
            self._table.take(
                db, self._columns, self._kinds, self._rows, partition=self._partition, attempt=self._attempt
            )
        return self._rows


def _reason(error: psycopg.Error) -> str:
    if error.diag.constraint_name == "rowmill_key_length":
        return f"the key is longer than {KEY_BYTES:,} bytes, which PostgreSQL does not index"
    return words_of(error)


def _getter(names: Sequence[str]) -> Any:
    if len(names) == 1:
        return lambda value: (value[names[0]],)
    return itemgetter(*names)
