"""From the staging table into the user's: one row per key, in one transaction."""

# ruff: noqa: S608 - names are quoted, values are literals

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from rowmill.errors import InputError, ProcessingError
from rowmill.tables.postgresql.connecting import ROW_ERRORS, words_of
from rowmill.tables.postgresql.names import NAME_BYTES, listed, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.job import Table
    from rowmill.tables.postgresql.names import Names

OWN = ("_rowmill_partition", "_rowmill_place")
LOSERS = """
DELETE FROM {staging} s USING (SELECT s.ctid AS row, row_number() OVER (PARTITION BY {s_keys}
    ORDER BY _rowmill_partition {way}, _rowmill_place {way}) AS rank FROM {staging} s
    JOIN (SELECT {keys} FROM {staging} GROUP BY {keys} HAVING count(*) > 1) doubled ON {same}) ranked
WHERE s.ctid = ranked.row AND ranked.rank > 1
"""
TAKEN = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {}"
REFUSALS = (*ROW_ERRORS, psycopg.errors.RaiseException)  # and a trigger's


def number(db: psycopg.Connection, statement: str) -> int:
    """Return the one number that a statement gives."""
    found = db.execute(statement.encode()).fetchone()
    return int(found[0] or 0) if found else 0


def free_name(db: psycopg.Connection, schema: str, wanted: str) -> str:
    """Return a name for an index that nothing in the schema has."""
    cut = wanted.encode()[: NAME_BYTES - 4].decode(errors="ignore")
    name, count = cut, 2
    while db.execute(TAKEN.format(literal(schema), literal(name)).encode()).fetchone():
        name, count = f"{cut}_{count}", count + 1
    return name


def leave_winners(db: psycopg.Connection, names: Names, declared: Table, keys: Sequence[str], index: str) -> int:
    """Leave one row per key in the staging table, with a unique index of the keys; return how many went.

    Raises:
        InputError: A key occurs twice, and the job says `fail`.

    Cost: one sort by key; a second one only where keys do occur twice.
    """
    create = f"CREATE UNIQUE INDEX {quoted(index)} ON {names.staging} ({listed(keys)})".encode()
    try:
        with db.transaction():
            db.execute(create)
    except psycopg.errors.UniqueViolation:
        if declared.on_duplicate == "fail":
            raise InputError(
                f"a key of {declared.name!r} occurs twice in the input",
                hint="`rowmill check JOB INPUT` lists its lines; correct the input, or declare "
                "Table(on_duplicate='last') or 'first'",
            ) from None
    else:
        return 0
    losers = LOSERS.format(
        staging=names.staging,
        keys=listed(keys),
        s_keys=", ".join(f"s.{quoted(key)}" for key in keys),
        same=" AND ".join(f"s.{quoted(key)} = doubled.{quoted(key)}" for key in keys),
        way="DESC" if declared.on_duplicate == "last" else "ASC",
    )
    gone = db.execute(losers.encode()).rowcount
    db.execute(create)
    return gone


def become(db: psycopg.Connection, names: Names, keys: Sequence[str], index: str) -> None:
    """Make the staging table the live one; what was ours in it goes."""
    dropped = ", ".join(f"DROP COLUMN {column}" for column in OWN)
    db.execute(f"ALTER TABLE {names.staging} {dropped}".encode())
    if keys:
        db.execute(f"ALTER TABLE {names.staging} ADD PRIMARY KEY USING INDEX {quoted(index)}".encode())
    db.execute(f"ALTER TABLE {names.staging} RENAME TO {quoted(names.table)}".encode())


def insert(db: psycopg.Connection, names: Names, columns: Sequence[str], keys: Sequence[str]) -> None:
    """Put the staged rows into the live table; a key that is there gets the new row's columns, and keeps the others.

    The rows go in the order of the input: numbers that the table itself gives are the same whoever worked.

    Raises:
        ProcessingError: The live table refuses a row; it is named, and nothing is saved.
    """
    conflict = ""
    if keys:
        others = [f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name not in keys]
        conflict = f"ON CONFLICT ({listed(keys)}) DO "
        conflict += f"UPDATE SET {', '.join(others)}" if others else "NOTHING"

    def statement(where: str) -> bytes:
        chosen = f"SELECT {listed(columns)} FROM {names.staging} {where} ORDER BY {', '.join(OWN)}"
        return f"INSERT INTO {names.live} ({listed(columns)}) {chosen} {conflict}".encode()

    if (told := _tried(db, statement(""))) is None:
        return
    partition, place, told = _refused(db, names, statement, told)
    raise ProcessingError(
        f"the table {names.table!r} refuses row {place} of those that partition {partition} wrote, "
        f"counted from 0: {told}",
        hint="nothing was saved; change the table's constraints or the job, then run again",
        partition=partition,
    )


def _refused(
    db: psycopg.Connection, names: Names, statement: Callable[[str], bytes], told: str
) -> tuple[int, int, str]:
    """Return partition and place of the first row that is refused, and why; rows before it are inserted.

    Cost: an index of the places, and no row is inserted more than twice.
    """
    partition, place = OWN
    db.execute(f"CREATE INDEX ON {names.staging} ({partition}, {place})".encode())  # goes when all is rolled back
    query = f"SELECT {partition}, min({place}), max({place}) FROM {names.staging} GROUP BY 1 ORDER BY 1"
    parts = [(int(part), int(first), int(last)) for part, first, last in db.execute(query.encode()).fetchall()]

    def of_parts(low: int, high: int) -> bytes:
        return statement(f"WHERE {partition} BETWEEN {parts[low][0]} AND {parts[high - 1][0]}")

    at, told = _narrowed(db, of_parts, 0, len(parts), told)
    part, first, last = parts[at]

    def of_places(low: int, high: int) -> bytes:
        return statement(f"WHERE {partition} = {part} AND {place} BETWEEN {low} AND {high - 1}")

    found, told = _narrowed(db, of_places, first, last + 1, told)
    return part, found, told


def _narrowed(
    db: psycopg.Connection, statement: Callable[[int, int], bytes], low: int, high: int, told: str
) -> tuple[int, str]:
    """Return the first of a range that is refused, and why; all before it are inserted."""
    while high - low > 1:
        middle = (low + high) // 2
        words = _tried(db, statement(low, middle))
        low, high, told = (middle, high, told) if words is None else (low, middle, words)
    return low, told


def _tried(db: psycopg.Connection, statement: bytes) -> str | None:
    """Insert rows; return why they are refused, or None."""
    try:
        with db.transaction():
            db.execute(statement)
    except REFUSALS as error:
        return words_of(error)
    return None
