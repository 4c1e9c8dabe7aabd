"""Live rows looked up by their keys."""

# ruff: noqa: S608 - names are quoted, values are literals

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.tables.postgresql.copying import text_of
from rowmill.tables.postgresql.names import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from rowmill.tables.postgresql.names import Column, Names


def live_rows(
    db: psycopg.Connection,
    names: Names,
    columns: Sequence[Column],
    keys: Sequence[str],
    wanted: Sequence[tuple[Any, ...]],
) -> list[dict[str, Any] | None]:
    """Return the live row of each key that is wanted, None where there is none."""
    kinds = {column.name: column.kind for column in columns}
    lists = ", ".join(f"ARRAY[{', '.join(map(_asked_for, cells))}]::text[]" for cells in zip(*wanted, strict=True))
    asked = ", ".join(f"k{index}" for index in range(len(keys)))
    same = " AND ".join(f"t.{quoted(key)} = asked.k{index}::{kinds[key]}" for index, key in enumerate(keys))
    shown = ", ".join(f"t.{quoted(column.name)}" for column in columns)
    found = db.execute(
        f"SELECT t.ctid IS NOT NULL, {shown} FROM unnest({lists}) WITH ORDINALITY AS asked({asked}, place) "
        f"LEFT JOIN {names.live} t ON {same} ORDER BY asked.place".encode()
    ).fetchall()
    labels = [column.name for column in columns]
    return [dict(zip(labels, row[1:], strict=True)) if row[0] else None for row in found]


def _asked_for(cell: Any) -> str:
    text = text_of(cell, "bytea")
    return "NULL" if text is None else literal(text)
