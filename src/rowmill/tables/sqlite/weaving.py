"""Repaired rows put into their own places among a run's staged rows, before these are settled."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from rowmill.errors import IntegrityError
from rowmill.tables.sqlite.names import number, quoted, rowid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from rowmill.tables import Woven

MARKER = "SELECT first, rows FROM _rowmill_markers WHERE run_id = ? AND partition = ?"


def weave(db: apsw.Connection, run_id: str, one: Woven, columns: Sequence[str]) -> None:
    """Write a partition's staged rows once more, with those that a repair adds, each in its own place.

    Args:
        db: In a transaction.
        run_id: The run; it has the columns.
        one: What is added, and where.
        columns: Those of the repair.

    Raises:
        IntegrityError: The repair's rows are not there.
    """
    repair_id = f"{run_id}_{one.repair}"
    run, repair = quoted(f"_rowmill_{run_id}"), quoted(f"_rowmill_{repair_id}")
    own = [row[1] for row in db.execute(f"PRAGMA table_info({run})")]
    place, fresh = rowid_of(own), rowid_of(columns)
    first, rows = _marker(db, run_id, one.partition)
    added = _marker(db, repair_id, one.partition)
    base = number(db, f"SELECT coalesce(max({place}), 0) + 1 FROM {run}")
    names = ", ".join(map(quoted, own))
    cuts = [0, *one.places, rows]
    # Between the rows that are added, the old ones stay together: each stretch moves by as many as come before it.
    stretches = [
        (base - first + count, first + low, first + high - 1) for count, (low, high) in enumerate(pairwise(cuts))
    ]
    db.executemany(
        f"INSERT INTO {run} ({place}, {names}) SELECT {place} + ?, {names} FROM {run} WHERE {place} BETWEEN ? AND ?",
        stretches,
    )
    names = ", ".join(map(quoted, columns))
    before = db.total_changes()
    db.executemany(
        f"INSERT INTO {run} ({place}, {names}) SELECT ?, {names} FROM {repair} WHERE {fresh} = ?",
        [(base + at + count, added[0] + count) for count, at in enumerate(one.places)],
    )
    if (came := db.total_changes() - before) != len(one.places):
        raise IntegrityError(f"repair {one.repair} has staged {came:,} rows of partition {one.partition}, not all")
    db.execute(f"DELETE FROM {run} WHERE {place} BETWEEN ? AND ?", (first, first + rows - 1))
    db.execute(
        "UPDATE _rowmill_markers SET first = ?, rows = ? WHERE run_id = ? AND partition = ?",
        (base, rows + len(one.places), run_id, one.partition),
    )


def _marker(db: apsw.Connection, run_id: str, partition: int) -> tuple[int, int]:
    found = db.execute(MARKER, (run_id, partition)).fetchall()
    if not found:
        raise IntegrityError(f"the table knows nothing of partition {partition}", partition=partition)
    first, rows = found[0]
    return int(str(first)), int(str(rows))
