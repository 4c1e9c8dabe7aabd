"""Whether a declaration and the live table fit, told before row 1."""

# ruff: noqa: S608 - names are quoted, values are literals

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from rowmill.errors import ConfigurationError
from rowmill.tables.postgresql.names import Column, listed, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rowmill.tables.postgresql.names import Names

COLUMNS = """
SELECT a.attname,
    format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation IN (0, t.typcollation) THEN ''
        ELSE ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END,
    a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '' OR a.attidentity = 'a'
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE a.attrelid = to_regclass({relation}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
# Of the indexes that ON CONFLICT may go by, the columns, and whether it can: a deferrable one it finds, and then fails.
UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY a.attname), bool_and(i.indimmediate) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = to_regclass({relation}) AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid"""
RELATION = """
SELECT c.relkind::text, pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = to_regclass({relation})"""
KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "i": "index", "S": "sequence", "c": "type"}
NOT_OURS = "only its owner may {what}"


class Live(NamedTuple):
    """The user's table as it stands.

    Attributes:
        names: What it and Rowmill's own tables are called.
        columns: By name; none if there is no table.
        owned: It is the run's user's, who may alter it.
        has_key: An index guards the key.
    """

    names: Names
    columns: dict[str, Column]
    owned: bool
    has_key: bool


def columns_of(db: psycopg.Connection, relation: str) -> list[Column]:
    """Return a table's columns; none if there is no table."""
    found = db.execute(COLUMNS.format(relation=literal(relation)).encode())
    return [Column(*row) for row in found]


def live_table(db: psycopg.Connection, names: Names, keys: Sequence[str]) -> Live:
    """Return the live table.

    Raises:
        ConfigurationError: It is something else.
    """
    found = db.execute(RELATION.format(relation=literal(names.live)).encode()).fetchone()
    if found is None:
        return Live(names, {}, owned=True, has_key=False)
    kind, owned = found
    if kind not in ("r", "p"):
        told = KINDS.get(kind, "thing of another kind")
        raise ConfigurationError(f"{names.table!r} is a {told}, not a table", hint="give the table another name")
    sets = db.execute(UNIQUE.format(relation=literal(names.live)).encode()).fetchall()
    same = [immediate for columns, immediate in sets if sorted(columns) == sorted(keys)]
    if keys and not all(same):
        raise ConfigurationError(
            f"the key of the table {names.table!r} has a DEFERRABLE constraint, by which PostgreSQL replaces no row",
            hint="make it NOT DEFERRABLE, or declare no key",
        )
    return Live(names, {column.name: column for column in columns_of(db, names.live)}, owned=owned, has_key=bool(same))


def check_type(db: psycopg.Connection, kind: str) -> None:
    """Have the server read a type.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        found: Any = None if "--" in kind or "/*" in kind else db.execute("SELECT to_regtype(%s)", (kind,)).fetchone()
        if found is not None and found[0] is not None:
            db.execute(f"SELECT NULL::{kind}".encode())
            return
    except (psycopg.ProgrammingError, psycopg.DataError):
        pass
    raise ConfigurationError(f"Table(types=…): {kind!r} is no SQL type of this server", hint="correct the job")


def check_rights(db: psycopg.Connection, live: Live) -> None:
    """Find out what the run's user may not do.

    Raises:
        ConfigurationError: Which right is missing, and on what.
    """
    names = live.names
    wanted = [
        (f"has_schema_privilege({literal(names.schema)}, 'CREATE')", "CREATE", f"the schema {names.schema!r}"),
        ("has_database_privilege(current_database(), 'TEMPORARY')", "TEMPORARY", "the database"),
    ]
    for relation, rights in (
        (names.live if live.columns else "", ("SELECT", "INSERT", "UPDATE")),
        (names.markers, ("SELECT", "INSERT", "UPDATE", "DELETE")),
        (names.runs, ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ):
        asked = f"has_table_privilege(to_regclass({literal(relation)}), {{}})"
        wanted += [(asked.format(literal(right)), right, f"the table {relation}") for right in rights if relation]
    found: Any = db.execute(f"SELECT {', '.join(question for question, _, _ in wanted)}".encode()).fetchone()
    for answer, (_, right, where) in zip(found, wanted, strict=True):
        if answer is False:  # of a table that is not there it is NULL
            raise ConfigurationError(
                f"the run's user has no {right} right on {where}", hint=f"GRANT {right} ON … TO the run's user"
            )


def check_live(db: psycopg.Connection, live: Live, keys: Sequence[str], given: Iterable[str] | None) -> None:
    """Compare the live table with what the job gives.

    Args:
        db: To ask.
        live: The table.
        keys: The key's columns.
        given: All columns that the job gives; None if they are not declared.

    Raises:
        ConfigurationError: They do not fit, and why.
    """
    table = live.names.table
    for key in keys:
        if key not in live.columns:
            raise ConfigurationError(f"the table {table!r} has no column {key!r}, the job's key", hint="correct either")
    if given is not None:
        named = {*given, *keys}
        for column in live.columns.values():
            if column.required and column.name not in named:
                raise ConfigurationError(
                    f"the table's column {column.name!r} must not be NULL, and the job gives no value for it",
                    hint="give it a default, or let the job give a value",
                )
        check_columns(live, named)
    if not keys or live.has_key:
        return
    doubled = f"SELECT 1 FROM {live.names.live} GROUP BY {listed(keys)} HAVING count(*) > 1 LIMIT 1"
    if db.execute(doubled.encode()).fetchone():
        raise ConfigurationError(
            f"the table {table!r} holds a key twice, so the job's key cannot tell its rows apart",
            hint="remove the doubled rows, or declare another key",
        )
    if not live.owned:
        raise ConfigurationError(
            f"the table {table!r} has no unique index of the job's key, and {NOT_OURS.format(what='make one')}",
            hint=f"have the owner CREATE UNIQUE INDEX ON {live.names.live} ({listed(keys)})",
        )


def check_columns(live: Live, given: Iterable[str]) -> None:
    """Find a column that the live table cannot take from us.

    Raises:
        ConfigurationError: Which.
    """
    for name in given:
        column = live.columns.get(name)
        if column is not None and column.made:
            raise ConfigurationError(
                f"the table {live.names.table!r} makes the values of its column {name!r} by itself, "
                "and takes none from the job",
                hint="leave it out: Table(columns={…})",
            )
        if column is None and live.columns and not live.owned:
            raise ConfigurationError(
                f"the table {live.names.table!r} has no column {name!r}, and {NOT_OURS.format(what='add one')}",
                hint="have the owner add it, or leave it out: Table(columns={…})",
            )
