"""One row per key: which of the rows that share one stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from rowmill.errors import InputError
from rowmill.tables.sqlite.names import quoted, rowid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.job import Table

# Which partition a staged row belongs to decides before its place in it: workers commit in any order.
LOSERS = """
WITH doubled AS (SELECT {keys} FROM {staging} GROUP BY {keys} HAVING count(*) > 1),
placed AS (SELECT s.{rowid} AS place, {s_keys}, (SELECT m.partition FROM _rowmill_markers m
    WHERE m.run_id = ?1 AND m.rows > 0 AND m.first <= s.{rowid} ORDER BY m.first DESC LIMIT 1) AS part
    FROM {staging} s JOIN doubled d ON {join}),
ranked AS (SELECT place, row_number() OVER (PARTITION BY {keys} ORDER BY part {way}, place {way}) AS rank FROM placed)
DELETE FROM {staging} WHERE {rowid} IN (SELECT place FROM ranked WHERE rank > 1)
"""


def leave_winners(
    db: apsw.Connection, staging: str, declared: Table, keys: Sequence[str], index: str, run_id: str
) -> int:
    """Leave one row per key in the staging table, with an index of the keys; return how many went.

    Args:
        db: In a transaction.
        staging: The staging table's quoted name.
        declared: What the job says of duplicates.
        keys: The table's key columns.
        index: The index's name.
        run_id: Whose markers say which partition a row belongs to.

    Raises:
        InputError: A key occurs twice, and the job says `fail`.

    Cost: one sort by key; a second one only where keys do occur twice.
    """
    names = ", ".join(map(quoted, keys))
    create = f"CREATE UNIQUE INDEX {quoted(index)} ON {staging} ({names})"
    try:
        db.execute(create)
    except apsw.ConstraintError:
        if declared.on_duplicate == "fail":
            raise InputError(
                f"a key of {declared.name!r} occurs twice in the input",
                hint="`rowmill check JOB INPUT` lists its lines; correct the input, or declare "
                "Table(on_duplicate='last') or 'first'",
            ) from None
    else:
        return 0
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({staging})")]
    db.execute(
        LOSERS.format(
            keys=names,
            staging=staging,
            rowid=rowid_of(columns),
            s_keys=", ".join(f"s.{quoted(key)}" for key in keys),
            join=" AND ".join(f"s.{quoted(key)} = d.{quoted(key)}" for key in keys),
            way="DESC" if declared.on_duplicate == "last" else "ASC",
        ),
        (run_id,),
    )
    gone = db.changes()
    db.execute(create)
    return gone
