"""Repaired rows put into their own places among a run's staged rows, before these are settled."""

# ruff: noqa: S608 - names are quoted, values are literals

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.errors import IntegrityError
from rowmill.tables.postgresql.names import listed, literal
from rowmill.tables.postgresql.settling import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from rowmill.tables import Woven
    from rowmill.tables.postgresql.names import Names


def weave(db: psycopg.Connection, run: Names, repair: Names, one: Woven, columns: Sequence[str]) -> None:
    """Move a partition's staged rows apart, and put those that a repair adds between them.

    Args:
        db: In a transaction.
        run: The run's tables; its staging table has the columns.
        repair: The repair's.
        one: What is added, and where.
        columns: Those of the repair.

    Raises:
        IntegrityError: The repair's rows are not there.
    """
    partition, place = OWN
    places = f"ARRAY[{', '.join(map(str, one.places))}]::bigint[]"
    # A row moves by as many as come before it: so many places are not greater than its own.
    db.execute(
        f"UPDATE {run.staging} SET {place} = {place} + width_bucket({place}, {places}) "
        f"WHERE {partition} = {one.partition}".encode()
    )
    added = db.execute(
        f"INSERT INTO {run.staging} ({listed([*columns, *OWN])}) "
        f"SELECT {listed(columns)}, {partition}, {place} + ({places})[{place} + 1] FROM {repair.staging} "
        f"WHERE {partition} = {one.partition}".encode()
    ).rowcount
    if added != len(one.places):
        raise IntegrityError(f"repair {one.repair} has staged {added:,} rows of partition {one.partition}, not all")
    db.execute(
        f"UPDATE {run.markers} SET rows = rows + {added} "
        f"WHERE run_id = {literal(run.run_id)} AND partition = {one.partition}".encode()
    )
