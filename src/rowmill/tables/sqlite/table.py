"""SQLite: staging in the user's own database file, settled in one transaction.

A partition's rows gather in a temporary table, outside of any lock, and move as whole records into the run's staging
table together with their marker, so that many workers share one file: the lock is held for 0.4 us a row.
Source: SQLite's transfer optimisation (insert.c, xferOptimization); docs/decisions/0003-sqlite.md.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from rowmill.errors import ConfigurationError, ProcessingError
from rowmill.tables import Marker, Settlement, Woven
from rowmill.tables.sqlite.names import folded, free_name, number, quoted, rowid_of, translated
from rowmill.tables.sqlite.stage import SqliteStage
from rowmill.tables.sqlite.weaving import weave
from rowmill.tables.sqlite.winners import leave_winners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rowmill.job import Table

BUSY_S = 120  # how long another writer is waited for
CACHE_KIB = 32 * 1024
PAGE_BYTES = 16 * 1024  # a third less time to move and to index rows than with 4 KiB
STRICT_TYPES = {"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"}
BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS _rowmill_markers (run_id TEXT, partition INTEGER, attempt TEXT, first INTEGER, rows INTEGER,
    PRIMARY KEY (run_id, partition));
CREATE TABLE IF NOT EXISTS _rowmill_runs (run_id TEXT PRIMARY KEY, live TEXT, rows INTEGER, duplicates INTEGER);
"""


class Sqlite:
    """A table in a SQLite file: `sqlite:///relative.db` or `sqlite:////absolute.db`."""

    def __init__(self, url: str, declared: Table, *, run_id: str) -> None:
        path = url.removeprefix("sqlite:///")
        if path == url or not path:
            raise ConfigurationError(f"{url} names no file", hint="write sqlite:///file.db", url=url)
        if declared.name.lower().startswith(("_rowmill", "sqlite_")):
            raise ConfigurationError(f"the name {declared.name!r} is reserved", hint="give the table another name")
        self._url = url
        self._path = Path(path).absolute()
        self._run_id = run_id
        self._declared = declared
        self._live = quoted(declared.name)
        self._staging = quoted(f"_rowmill_{run_id}")
        mapping = declared.columns or {}
        self._keys = [mapping.get(key, key) for key in declared.keys]
        self._connection: apsw.Connection | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    @property
    def declared(self) -> Table:
        """What the job declares."""
        return self._declared

    @property
    def keys(self) -> list[str]:
        """The table's key columns."""
        return self._keys

    @contextmanager
    def database(self) -> Iterator[apsw.Connection]:
        """Give the connection of this process; SQLite's errors come out translated."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except apsw.Error as error:
            raise translated(error, self._path) from error

    def _connect(self) -> apsw.Connection:
        if not self._path.parent.is_dir():
            raise ConfigurationError(f"there is no folder {self._path.parent}", hint="make it, or give another --table")
        connection = apsw.Connection(str(self._path))
        connection.set_busy_handler(_wait)
        for setting in (apsw.SQLITE_DBCONFIG_DQS_DML, apsw.SQLITE_DBCONFIG_DQS_DDL):
            connection.config(setting, 0)  # a column that is not there is an error, not a text
        connection.execute("PRAGMA legacy_alter_table = ON")  # a rename does not look into the user's views
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file; another stays as it is
        connection.execute(f"PRAGMA temp.page_size = {PAGE_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA temp.cache_size = -{CACHE_KIB // 2}")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self.database() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def check(self, columns: Sequence[str] | None) -> None:
        """Compare the declaration with the live table."""
        for kind in self._declared.types.values():
            if not re.fullmatch(r"[A-Za-z][A-Za-z ]{0,40}(\([0-9, ]{1,10}\))?", kind):
                raise ConfigurationError(f"Table(types=…): {kind!r} is no SQL type")
        with self._transaction() as db:
            db.execute(BOOKKEEPING)
            same = "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE"
            for (found,) in db.execute(same, (self._declared.name,)).fetchall():
                if found != "table":
                    raise ConfigurationError(f"{self._declared.name!r} is a {found}, not a table", url=self._url)
                self._check_live(db, columns)

    def _check_live(self, db: apsw.Connection, columns: Sequence[str] | None) -> None:
        known = {folded(row[1]): row for row in db.execute(f"PRAGMA table_info({self._live})")}
        missing = [key for key in self._keys if folded(key) not in known]
        if missing:
            raise ConfigurationError(
                f"the table {self._declared.name!r} has no column {missing[0]!r}, the job's key", url=self._url
            )
        if columns is not None or self._declared.columns is not None:
            named = set(map(folded, self.columns_of(columns or ())))
            for name, row in known.items():
                if row[3] and row[4] is None and not row[5] and name not in named:
                    raise ConfigurationError(
                        f"the table's column {row[1]!r} must not be NULL, and the job gives no value for it",
                        url=self._url,
                    )
        if self._keys and not self._has_key(db):
            names = ", ".join(map(quoted, self._keys))
            doubled = db.execute(f"SELECT 1 FROM {self._live} GROUP BY {names} HAVING count(*) > 1 LIMIT 1").fetchall()
            if doubled:
                raise ConfigurationError(
                    f"the table {self._declared.name!r} holds a key twice, so the job's key cannot tell its rows apart",
                    hint="remove the doubled rows, or declare another key",
                    url=self._url,
                )

    def _has_key(self, db: apsw.Connection) -> bool:
        indexes = [row[1] for row in db.execute(f"PRAGMA index_list({self._live})") if row[2] and not row[4]]
        sets = [[row[2] for row in db.execute(f"PRAGMA index_info({quoted(name)})")] for name in indexes]
        primary = [row[1] for row in db.execute(f"PRAGMA table_info({self._live})") if row[5]]
        wanted = sorted(map(folded, self._keys))
        return any(sorted(folded(str(name)) for name in names) == wanted for names in [*sets, primary])

    def columns_of(self, names: Iterable[str]) -> list[str]:
        """Return the table's columns for a result's."""
        mapping = self._declared.columns
        return list(names) if mapping is None else list(mapping.values())

    def stage(self, partition: int, attempt: str) -> SqliteStage:
        """Begin a partition."""
        return SqliteStage(self, partition, attempt)

    def ddl(self, db: apsw.Connection, table: str, columns: Iterable[str], *, required: Sequence[str] = ()) -> str:
        """Return how a table of these columns is made; `required` ones must not be NULL."""
        types = {(self._declared.columns or {}).get(name, name): kind for name, kind in self._declared.types.items()}
        strict = bool(types) and all(kind.upper() in STRICT_TYPES for kind in types.values())
        if not strict:
            types = self._live_keys(db) | types
        fields = ", ".join(
            f"{quoted(name)} {types.get(name, 'TEXT')}" + (" NOT NULL" if name in required else "") for name in columns
        )
        return f"CREATE TABLE {table} ({fields})" + (" STRICT" if strict else "")

    def _live_keys(self, db: apsw.Connection) -> dict[str, str]:
        """Return how the live table compares its keys, so that what it takes for one key is one from the start."""
        known = set(map(folded, self._columns(db, self._live)))
        found = {
            key: db.column_metadata("main", self._declared.name, key)[:2] for key in self._keys if folded(key) in known
        }
        return {key: f"{kind or ''} COLLATE {quoted(collation)}" for key, (kind, collation) in found.items()}

    def column_type(self, column: str) -> str:
        """Return the SQL type of a table column."""
        mapping = self._declared.columns or {}
        return next((kind for name, kind in self._declared.types.items() if mapping.get(name, name) == column), "TEXT")

    def take(self, columns: Sequence[str], *, partition: int, attempt: str) -> int:
        """Move the spool into the staging table, with its marker; return the rows acknowledged."""
        with self._transaction() as db:
            db.execute(BOOKKEEPING)
            if self.settled() is not None:  # a worker that was thought dead; its rows are there
                return number(db, "SELECT count(*) FROM temp.spool") if columns else 0
            self._forget(db, partition)
            first, moved = 1, 0
            if columns:
                self._add_columns(db, self._staging, columns)
                first = self._next_place(db)
                db.execute(self._move(db, columns))
                moved = db.changes()
            db.execute(
                "INSERT OR REPLACE INTO _rowmill_markers VALUES (?, ?, ?, ?, ?)",
                (self._run_id, partition, attempt, first, moved),
            )
        return moved

    def _forget(self, db: apsw.Connection, partition: int) -> None:
        """Remove what an earlier attempt staged; where the staging table is gone, all markers that spoke of it."""
        db.execute("DELETE FROM _rowmill_runs WHERE run_id = ?", (self._run_id,))
        columns = self._columns(db, self._staging)
        if not columns:
            db.execute("DELETE FROM _rowmill_markers WHERE run_id = ? AND rows > 0", (self._run_id,))
        for first, rows in self._places(db, partition):
            rowid = rowid_of(columns)
            db.execute(f"DELETE FROM {self._staging} WHERE {rowid} BETWEEN ? AND ?", (first, first + rows - 1))

    def _places(self, db: apsw.Connection, partition: int) -> list[tuple[int, int]]:
        """Return where a partition's rows are staged: the first place, and how many."""
        found = db.execute(
            "SELECT first, rows FROM _rowmill_markers WHERE run_id = ? AND partition = ? AND rows > 0",
            (self._run_id, partition),
        )
        return [(int(first), int(rows)) for first, rows in found]

    def _next_place(self, db: apsw.Connection) -> int:
        rowid = rowid_of(self._columns(db, self._staging))
        return number(db, f"SELECT coalesce(max({rowid}), 0) + 1 FROM {self._staging}")

    def _move(self, db: apsw.Connection, columns: Sequence[str]) -> str:
        if self._columns(db, self._staging) == list(columns):
            return f"INSERT INTO {self._staging} SELECT * FROM temp.spool"  # SQLite moves whole records
        names = ", ".join(map(quoted, columns))
        return f"INSERT INTO {self._staging} ({names}) SELECT {names} FROM temp.spool ORDER BY {rowid_of(columns)}"

    def _columns(self, db: apsw.Connection, table: str) -> list[str]:
        return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]

    def _add_columns(self, db: apsw.Connection, table: str, columns: Sequence[str]) -> None:
        known = self._columns(db, table)
        if not known:
            db.execute(self.ddl(db, table, columns))
        for name in columns:
            if known and folded(name) not in map(folded, known):
                db.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {self.column_type(name)}")

    def markers(self) -> dict[int, Marker]:
        """Return which partitions the staging table holds."""
        with self.database() as db:
            if not self._columns(db, "_rowmill_markers"):
                return {}
            staged = bool(self._columns(db, self._staging))
            found = db.execute(
                "SELECT partition, attempt, rows FROM _rowmill_markers WHERE run_id = ?", (self._run_id,)
            )
            return {part: Marker(attempt, rows) for part, attempt, rows in found if staged or not rows}

    def settled(self) -> Settlement | None:
        """Return what settling came to; None if the table has gone, or was emptied."""
        with self.database() as db:
            if not self._columns(db, "_rowmill_runs"):
                return None
            wanted = "SELECT rows, duplicates FROM _rowmill_runs WHERE run_id = ?"
            found: Any = db.execute(wanted, (self._run_id,)).fetchall()
            if not found or (found[0][0] and not self._any(db)):
                return None
            return Settlement(*found[0])

    def _any(self, db: apsw.Connection) -> bool:
        return bool(self._columns(db, self._live)) and bool(
            db.execute(f"SELECT 1 FROM {self._live} LIMIT 1").fetchall()
        )

    def settle(
        self,
        partitions: Sequence[int],
        *,
        confirm: Callable[[], object] = lambda: None,
        woven: Sequence[Woven] = (),
    ) -> Settlement:
        """Put the staged rows into the table: by rename where it is new, else row by row in order."""
        with self._transaction() as db:
            db.execute(BOOKKEEPING)
            if (done := self.settled()) is not None:
                return done
            self._weave(db, woven)
            columns = self._columns(db, self._staging)
            known = self._columns(db, self._live)
            index = free_name(db, f"{self._declared.name}_key" if not known else f"_rowmill_{self._run_id}_key")
            duplicates = 0
            if columns and self._keys:
                duplicates = leave_winners(db, self._staging, self._declared, self._keys, index, self._run_id)
            # Counted by the key's index where there is one: reading the rows themselves would take a second a gigabyte.
            rows = number(db, f"SELECT count(*) FROM {self._staging}") if columns else 0
            if columns and not known:
                db.execute(f"ALTER TABLE {self._staging} RENAME TO {self._live}")
            elif columns:
                self._add_columns(db, self._live, columns)
                self._insert(db, columns, partitions)
                db.execute(f"DROP TABLE {self._staging}")
            db.execute("DELETE FROM _rowmill_markers WHERE run_id = ?", (self._run_id,))
            done = Settlement(rows, duplicates)
            db.execute(
                "INSERT OR REPLACE INTO _rowmill_runs VALUES (?, ?, ?, ?)",
                (self._run_id, self._declared.name, done.rows, done.duplicates),
            )
            confirm()
        return done

    def _weave(self, db: apsw.Connection, woven: Sequence[Woven]) -> None:
        for one in woven:
            columns = self._columns(db, quoted(f"_rowmill_{self._run_id}_{one.repair}"))
            self._add_columns(db, self._staging, columns)
            weave(db, self._run_id, one, columns)
        for number_ in sorted({one.repair for one in woven}):
            db.execute(f"DROP TABLE {quoted(f'_rowmill_{self._run_id}_{number_}')}")
            db.execute("DELETE FROM _rowmill_markers WHERE run_id = ?", (f"{self._run_id}_{number_}",))

    def _insert(self, db: apsw.Connection, columns: Sequence[str], partitions: Sequence[int]) -> None:
        names = ", ".join(map(quoted, columns))
        conflict = ""
        if self._keys:
            keys, own = ", ".join(map(quoted, self._keys)), set(map(folded, self._keys))
            if not self._has_key(db):
                index = quoted(free_name(db, f"{self._declared.name}_key"))
                db.execute(f"CREATE UNIQUE INDEX {index} ON {self._live} ({keys})")
            others = [f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if folded(name) not in own]
            conflict = f"ON CONFLICT ({keys}) DO " + (f"UPDATE SET {', '.join(others)}" if others else "NOTHING")
        rowid = rowid_of(columns)
        insert = (
            f"INSERT INTO {self._live} ({names}) SELECT {names} FROM {self._staging} "
            f"WHERE {rowid} BETWEEN ? AND ? ORDER BY {rowid} {conflict}"
        )
        for partition in partitions:
            for first, rows in self._places(db, partition):
                try:
                    db.execute(insert, (first, first + rows - 1))
                except apsw.ConstraintError as error:
                    place = refused_place(db, insert, first, rows)
                    raise ProcessingError(
                        f"the table {self._declared.name!r} refuses row {place} of those that partition {partition} "
                        f"wrote, counted from 0: {error}",
                        hint="nothing was saved; change the table's constraints or the job, then run again",
                        partition=partition,
                    ) from None

    def discard(self) -> None:
        """Forget all that the run staged, and that it was settled."""
        with self._transaction() as db:
            db.execute(BOOKKEEPING)
            db.execute(f"DROP TABLE IF EXISTS {self._staging}")
            db.execute("DELETE FROM _rowmill_markers WHERE run_id = ?", (self._run_id,))
            db.execute("DELETE FROM _rowmill_runs WHERE run_id = ?", (self._run_id,))

    def of_repair(self, number: int) -> Sqlite:
        """Return the same table as a repair of the run uses it."""
        return Sqlite(self._url, self._declared, run_id=f"{self._run_id}_{number}")

    def rows(self, keys: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any] | None]:
        """Return the live row of each key."""
        with self.database() as db:
            columns = self._columns(db, self._live)
            where = " AND ".join(f"{quoted(key)} = ?" for key in self._keys)
            for key in keys:
                found = db.execute(f"SELECT * FROM {self._live} WHERE {where}", key).fetchall()
                yield dict(zip(columns, found[0], strict=True)) if found else None

    def count(self) -> int:
        """Return the number of rows in the live table."""
        with self.database() as db:
            if not self._columns(db, self._live):
                return 0
            return number(db, f"SELECT count(*) FROM {self._live}")

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def refused_place(db: apsw.Connection, insert: str, first: int, rows: int) -> int:
    """Return which of the rows from `first` on is the one that is refused; those before it are inserted."""
    low, high = first, first + rows
    while high - low > 1:
        middle = (low + high) // 2
        try:
            db.execute(insert, (low, middle - 1))
        except apsw.ConstraintError:
            high = middle
        else:
            low = middle
    return low - first


def _wait(tries: int) -> bool:
    time.sleep(0.002)
    return tries < BUSY_S / 0.002
