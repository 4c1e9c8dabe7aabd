"""PostgreSQL: rows of a partition go into the run's staging table, and from there into the user's in one transaction.

A partition gathers in a temporary table, which locks nothing of others, and moves with its marker in one durable
transaction. Names are quoted and values are literals or COPY data, never parts of a statement by concatenation.
"""

# ruff: noqa: S608 - names are quoted, values are literals

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from rowmill.errors import ConfigurationError, IntegrityError, TransientError
from rowmill.tables import Marker, Settlement, Woven
from rowmill.tables.postgresql import checking, settling, weaving
from rowmill.tables.postgresql.connecting import check_url, connect, is_alive, translated
from rowmill.tables.postgresql.looking import live_rows
from rowmill.tables.postgresql.names import Names, listed, literal, quoted, split_name
from rowmill.tables.postgresql.stage import SPOOL, PostgreSqlStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rowmill.job import Table
from rowmill.tables.postgresql.names import Column

ASKED_TOGETHER = 500


class PostgreSql:
    """A table in PostgreSQL: `postgresql://[user@]host[:port]/database`, as libpq reads it."""

    def __init__(self, url: str, declared: Table, *, run_id: str) -> None:
        check_url(url)
        self._schema, self._table = split_name(declared.name)
        if self._table.startswith("_rowmill"):
            raise ConfigurationError(f"the name {declared.name!r} is reserved", hint="give the table another name")
        self._url = url
        self._run_id = run_id
        self._declared = declared
        self._connection: psycopg.Connection | None = None
        self._names: Names | None = None
        self._keys = [self.column_of(key) for key in declared.keys]

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    @property
    def declared(self) -> Table:
        """What the job declares."""
        return self._declared

    def column_of(self, name: str) -> str:
        """Return the table's column for a result's."""
        return (self._declared.columns or {}).get(name, name)

    @property
    def keys(self) -> list[str]:
        """The table's key columns."""
        return self._keys

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """Give the connection of this process; its errors come out translated, and a broken one is given up."""
        try:
            if self._connection is None or not is_alive(self._connection):
                self.close()
                self._connection = connect(self._url)
            yield self._connection
        except psycopg.Error as error:
            if self._connection is not None and self._connection.broken:
                self.close()
            raise translated(error, self._url) from None

    @contextmanager
    def _transaction(self) -> Iterator[tuple[psycopg.Connection, Names]]:
        with self.database() as db, db.transaction():
            self._book(db)
            yield db, self._named(db)

    def _named(self, db: psycopg.Connection) -> Names:
        """Return the run's tables; without a schema of their own they are where new tables go.

        Raises:
            ConfigurationError: There is no such schema.
        """
        if self._names is None:
            query = f"SELECT nspname FROM pg_namespace WHERE nspname = {literal(self._schema)}"
            found = db.execute((query if self._schema else "SELECT current_schema()").encode()).fetchone()
            if found is None or found[0] is None:
                raise ConfigurationError(
                    f"the database has no schema {self._schema or 'in its search_path'!r}",
                    hint="CREATE SCHEMA …; a table that has a dot in its name is written Table('\"a.b\"')",
                    url=self._url,
                )
            self._names = Names(found[0], self._table, self._run_id)
        return self._names

    def check(self, columns: Sequence[str] | None) -> None:
        """Compare the declaration with the live table."""
        with self.database() as db:
            try:
                self._check(db, columns)
            except ConfigurationError as error:
                raise error.at(url=self._url) from None

    def _check(self, db: psycopg.Connection, columns: Sequence[str] | None) -> None:
        live = self._live(db)
        for name in [*self._keys, *map(self.column_of, columns or ())]:
            quoted(name)
        for kind in self._declared.types.values():
            checking.check_type(db, kind)
        checking.check_rights(db, live)
        with db.transaction():
            self._book(db)
        if live.columns:
            mapped = self._declared.columns
            checking.check_live(db, live, self._keys, columns if mapped is None else mapped.values())

    def _live(self, db: psycopg.Connection) -> checking.Live:
        return checking.live_table(db, self._named(db), self._keys)

    def _columns(self, db: psycopg.Connection, relation: str) -> list[Column]:
        return [column for column in checking.columns_of(db, relation) if column.name not in settling.OWN]

    def kinds_of(self, db: psycopg.Connection, columns: Sequence[str]) -> list[str]:
        """Return the columns' types: the live table's, else the declared ones, else text.

        Raises:
            ConfigurationError: The live table cannot take such a column.
        """
        live = self._live(db)
        checking.check_columns(live, columns)
        types = {self.column_of(name): kind for name, kind in self._declared.types.items()}
        types |= {column.name: column.kind for column in live.columns.values()}
        return [types.get(column, "text") for column in columns]

    def stage(self, partition: int, attempt: str) -> PostgreSqlStage:
        """Begin a partition."""
        return PostgreSqlStage(self, partition, attempt)

    def _book(self, db: psycopg.Connection) -> None:
        """Make Rowmill's own tables, one worker at a time: two that do it at once would fail."""
        names = self._named(db)
        if not self._columns(db, names.runs) or not self._columns(db, names.markers):
            self._lock(db, f"{names.schema} bookkeeping")
            db.execute(names.bookkeeping.encode())

    def _lock(self, db: psycopg.Connection, what: str, *, shared: bool = False) -> None:
        """Wait for others that do the same; until the transaction ends."""
        kind = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        db.execute(f"SELECT {kind}(hashtextextended({literal(f'rowmill {what}')}, 0))".encode())

    def take(
        self,
        db: psycopg.Connection,
        columns: Sequence[str],
        kinds: Sequence[str],
        rows: int,
        *,
        partition: int,
        attempt: str,
    ) -> None:
        """Move the spool into the staging table, with its marker, in one durable transaction."""
        for alone in (False, True):  # workers move side by side, unless one has to change the staging table
            with db.transaction():
                names = self._named(db)
                self._book(db)
                self._lock(db, f"run {self._run_id}", shared=not alone)
                if self._settled(db, names) is not None:  # a worker that was thought dead; its rows are there
                    return
                if self._is_narrow(db, names, columns):
                    if not alone:
                        continue
                    self._widen_staging(db, names, columns, kinds)
                self._forget(db, names, partition)
                self._take(db, names, columns, rows, partition=partition)
                marker = f"({literal(self._run_id)}, {partition}, {literal(attempt)}, {rows})"
                db.execute(
                    f"INSERT INTO {names.markers} VALUES {marker} ON CONFLICT (run_id, partition) "
                    "DO UPDATE SET attempt = excluded.attempt, rows = excluded.rows".encode()
                )
                return

    def _take(self, db: psycopg.Connection, names: Names, columns: Sequence[str], rows: int, *, partition: int) -> None:
        if not rows:
            return
        chosen = f"SELECT {listed(columns)}, {partition}, _rowmill_place FROM {SPOOL}"
        insert = f"INSERT INTO {names.staging} ({listed([*columns, *settling.OWN])}) {chosen}"
        moved = db.execute(insert.encode()).rowcount
        if moved != rows:
            raise IntegrityError(
                f"PostgreSQL was given {rows:,} rows of a partition and holds {moved:,} of them",
                hint="nothing was saved of it; if a pooler is in between, give it sessions and not transactions",
                partition=partition,
            )

    def _is_narrow(self, db: psycopg.Connection, names: Names, columns: Sequence[str]) -> bool:
        """Tell whether the staging table lacks columns, or is not there."""
        return not set(columns) <= {column.name for column in self._columns(db, names.staging)}

    def _widen_staging(
        self, db: psycopg.Connection, names: Names, columns: Sequence[str], kinds: Sequence[str]
    ) -> None:
        """Make the staging table, or give it more columns; nobody else uses it now."""
        known = [column.name for column in self._columns(db, names.staging)]
        fields = [f"{quoted(name)} {kind}" for name, kind in zip(columns, kinds, strict=True) if name not in known]
        if known:
            added = ", ".join(f"ADD COLUMN {field}" for field in fields)
            db.execute(f"ALTER TABLE {names.staging} {added}".encode())
            return
        own = (f"{settling.OWN[0]} bigint NOT NULL", f"{settling.OWN[1]} bigint NOT NULL")
        db.execute(f"CREATE TABLE {names.staging} ({', '.join([*fields, *own])})".encode())
        # Markers that speak of a staging table which is gone count no more.
        db.execute(f"DELETE FROM {names.markers} WHERE run_id = {literal(self._run_id)} AND rows > 0".encode())

    def _forget(self, db: psycopg.Connection, names: Names, partition: int) -> None:
        """Remove what an earlier attempt staged, and that the run was settled."""
        run = f"run_id = {literal(self._run_id)}"
        db.execute(f"DELETE FROM {names.runs} WHERE {run}".encode())
        before = f"SELECT 1 FROM {names.markers} WHERE {run} AND partition = {partition} AND rows > 0"
        if self._columns(db, names.staging) and db.execute(before.encode()).fetchone():
            db.execute(f"DELETE FROM {names.staging} WHERE {settling.OWN[0]} = {partition}".encode())

    def markers(self) -> dict[int, Marker]:
        """Return which partitions the staging table holds."""
        with self.database() as db:
            names = self._named(db)
            if not self._columns(db, names.markers):
                return {}
            staged = bool(self._columns(db, names.staging))
            query = f"SELECT partition, attempt, rows FROM {names.markers} WHERE run_id = {literal(self._run_id)}"
            found = db.execute(query.encode()).fetchall()
            return {int(part): Marker(attempt, int(rows)) for part, attempt, rows in found if staged or not rows}

    def settled(self) -> Settlement | None:
        """Return what settling came to; None if the table has gone, or was emptied."""
        with self.database() as db:
            return self._settled(db, self._named(db))

    def _settled(self, db: psycopg.Connection, names: Names) -> Settlement | None:
        if not self._columns(db, names.runs):
            return None
        query = f"SELECT rows, duplicates FROM {names.runs} WHERE run_id = {literal(self._run_id)}"
        found = db.execute(query.encode()).fetchone()
        if found is None or (found[0] and not self._any(db, names)):
            return None
        return Settlement(int(found[0]), int(found[1]))

    def _any(self, db: psycopg.Connection, names: Names) -> bool:
        if not self._columns(db, names.live):
            return False
        return db.execute(f"SELECT 1 FROM {names.live} LIMIT 1".encode()).fetchone() is not None

    def settle(
        self,
        partitions: Sequence[int],
        *,
        confirm: Callable[[], object] = lambda: None,
        woven: Sequence[Woven] = (),
    ) -> Settlement:
        """Put the staged rows into the table: by rename where it is new, else row by row in order."""
        with self._transaction() as (db, names):
            db.execute(b"SET CONSTRAINTS ALL IMMEDIATE")  # what is refused is told before `confirm`
            self._lock(db, f"run {self._run_id}")
            self._lock(db, f"table {names.live}")  # two runs that settle into one table wait for each other
            if (done := self._settled(db, names)) is not None:
                return done
            self._weave(db, names, woven)
            staged = self._leave(db, names, partitions)
            columns = [column.name for column in self._columns(db, names.staging)]
            done = self._moved(db, names, columns, staged) if columns else Settlement(0, 0)
            db.execute(f"DELETE FROM {names.markers} WHERE run_id = {literal(self._run_id)}".encode())
            record = f"({literal(self._run_id)}, {literal(names.table)}, {done.rows}, {done.duplicates})"
            db.execute(
                f"INSERT INTO {names.runs} VALUES {record} ON CONFLICT (run_id) "
                "DO UPDATE SET rows = excluded.rows, duplicates = excluded.duplicates".encode()
            )
            confirm()
        return done

    def _weave(self, db: psycopg.Connection, names: Names, woven: Sequence[Woven]) -> None:
        for one in woven:
            repair = names._replace(run_id=f"{self._run_id}_{one.repair}")
            columns = self._columns(db, repair.staging)
            own = [column.name for column in columns]
            if self._is_narrow(db, names, own):
                self._widen_staging(db, names, own, [column.kind for column in columns])
            weaving.weave(db, names, repair, one, own)
        for number in sorted({one.repair for one in woven}):
            repair = names._replace(run_id=f"{self._run_id}_{number}")
            db.execute(f"DROP TABLE {repair.staging}".encode())
            db.execute(f"DELETE FROM {names.markers} WHERE run_id = {literal(repair.run_id)}".encode())

    def _leave(self, db: psycopg.Connection, names: Names, partitions: Sequence[int]) -> int:
        """Leave only the staged rows of these partitions, whose numbers are their order; return how many there are.

        Raises:
            TransientError: The staging table has gone, with the rows that its markers speak of.
            IntegrityError: It does not hold what its markers say.
        """
        run = f"FROM {names.markers} WHERE run_id = {literal(self._run_id)} AND rows > 0"
        found = db.execute(f"SELECT partition, rows {run}".encode()).fetchall()
        staged = {int(partition): int(rows) for partition, rows in found}
        if not self._columns(db, names.staging):
            if staged:
                raise TransientError(
                    f"the staging table {names.staging} has gone",
                    hint="the same command stages its rows anew",
                    url=self._url,
                )
            return 0
        if strangers := set(staged) - set(partitions):
            listing = ", ".join(map(str, strangers))
            db.execute(f"DELETE FROM {names.staging} WHERE {settling.OWN[0]} IN ({listing})".encode())
        wanted = sum(rows for partition, rows in staged.items() if partition not in strangers)
        there = settling.number(db, f"SELECT count(*) FROM {names.staging}")
        if there != wanted:
            raise IntegrityError(
                f"the staging table {names.staging} holds {there:,} rows, and its markers say {wanted:,}",
                hint="someone changed it; `rowmill run --fresh` stages all rows anew",
                url=self._url,
            )
        return there

    def _moved(self, db: psycopg.Connection, names: Names, columns: Sequence[str], staged: int) -> Settlement:
        """Move the staged rows into the live table; return what that came to."""
        duplicates = 0
        index = settling.free_name(db, names.schema, f"{names.table}_key")
        if self._keys:
            duplicates = settling.leave_winners(db, names, self._declared, self._keys, index)
        done = Settlement(staged - duplicates, duplicates)
        live = self._live(db)
        if not live.columns:
            settling.become(db, names, self._keys, index)
            return done
        fresh = [name for name in columns if name not in live.columns]
        for name, kind in zip(fresh, self.kinds_of(db, fresh), strict=True):
            db.execute(f"ALTER TABLE {names.live} ADD COLUMN {quoted(name)} {kind}".encode())
        if self._keys and not live.has_key:
            own = quoted(settling.free_name(db, names.schema, f"{names.table}_key"))
            db.execute(f"CREATE UNIQUE INDEX {own} ON {names.live} ({listed(self._keys)})".encode())
        settling.insert(db, names, columns, self._keys)
        db.execute(f"DROP TABLE {names.staging}".encode())
        return done

    def discard(self) -> None:
        """Forget all that the run staged, and that it was settled."""
        with self._transaction() as (db, names):
            self._lock(db, f"run {self._run_id}")
            db.execute(f"DROP TABLE IF EXISTS {names.staging}".encode())
            for table in (names.markers, names.runs):
                db.execute(f"DELETE FROM {table} WHERE run_id = {literal(self._run_id)}".encode())

    def of_repair(self, number: int) -> PostgreSql:
        """Return the same table as a repair of the run uses it."""
        return PostgreSql(self._url, self._declared, run_id=f"{self._run_id}_{number}")

    def rows(self, keys: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any] | None]:
        """Return the live row of each key."""
        held: list[tuple[Any, ...]] = []
        for key in keys:
            held.append(key)
            if len(held) == ASKED_TOGETHER:
                yield from self._asked(held)
                held = []
        if held:
            yield from self._asked(held)

    def _asked(self, keys: Sequence[tuple[Any, ...]]) -> list[dict[str, Any] | None]:
        with self.database() as db:
            names = self._named(db)
            return live_rows(db, names, self._columns(db, names.live), self._keys, keys)

    def count(self) -> int:
        """Return the number of rows in the live table."""
        with self.database() as db:
            names = self._named(db)
            return settling.number(db, f"SELECT count(*) FROM {names.live}") if self._columns(db, names.live) else 0

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
