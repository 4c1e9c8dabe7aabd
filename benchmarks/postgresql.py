"""How many rows a second one process stages in PostgreSQL, and how quickly they are settled.

The server is of this benchmark's own, on loopback, and does not wait for its disk. After each run the live table is
compared with the rows that were given.
"""

from __future__ import annotations

import csv
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.oracle import Differs
from benchmarks.results import Experiment, Grid, Target, median, spread
from benchmarks.running import payload, stamp
from rowmill.job import Table
from rowmill.tables import open_table
from rowmill.testing.postgresql_server import PostgreSqlServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.results import Bench
    from rowmill.tables import OpenTable

MOST_ROWS, PARTITION_ROWS, TOGETHER = 500_000, 50_000, 1_000
KEY = "ConfirmationId"
STAGED, NEW, JOINED = "staged", "settled as a new table", "settled into a table that has all keys"

Row = dict[str, str]


def run(bench: Bench) -> Experiment:
    """Measure."""
    rows = min(bench.rows, MOST_ROWS)
    source = payload(bench, rows)
    orders = rows_of(source)
    figures: dict[str, list[float]] = {name: [] for name in (STAGED, NEW, JOINED)}
    with PostgreSqlServer() as server:
        for _ in range(bench.runs):
            url = server.fresh("bench")
            for run_id, name in (("new", NEW), ("joined", JOINED)):
                table = open_table(url, Table("Orders", key=KEY), run_id=run_id)
                table.check(list(orders[0]))
                staged_s, settled_s = saved(table, orders)
                check(table, orders)
                table.close()
                figures[STAGED].append(rows / staged_s)
                figures[name].append(rows / settled_s)
            told = ", ".join(f"{name} {found[-1]:,.0f}" for name, found in figures.items())
            print(f"  rows a second: {told}", file=sys.stderr)
    return Experiment(
        title="Rows into PostgreSQL",
        about=f"One process, one connection, orders of {len(orders[0])} text columns, chunks of {TOGETHER:,} rows and "
        f"partitions of {PARTITION_ROWS:,}. *Staged* is from rows to committed partitions with their markers. The "
        "server is on the same machine, with fsync off, and shares its processors.",
        **stamp(bench, source, rows),
        targets=(Target("rows staged in PostgreSQL", "rows/s", median(figures[STAGED]), at_least=100_000),),
        grid=Grid(
            ("what", "rows a second: median (least to most)"),
            tuple((name, spread(found)) for name, found in figures.items()),
        ),
        charts=(),
        raw=figures,
        meant_rows=MOST_ROWS,
    )


def rows_of(source: Path) -> list[Row]:
    """Return the orders as a function gives them back: with a confirmation, here a number, as their key."""
    with source.open(encoding="utf-8", newline="") as file:
        return [{**row, KEY: f"confirmation-{number}"} for number, row in enumerate(csv.DictReader(file))]


def saved(table: OpenTable, orders: Sequence[Row]) -> tuple[float, float]:
    """Stage rows partition by partition, and settle them; return the seconds of both."""
    begun = time.perf_counter()
    partitions = range(0, len(orders), PARTITION_ROWS)
    for index, first in enumerate(partitions):
        stage = table.stage(index, "once")
        last = min(first + PARTITION_ROWS, len(orders))
        for at in range(first, last, TOGETHER):
            if stage.add(orders[at : min(at + TOGETHER, last)]):
                raise Differs("PostgreSQL refuses a row")
        stage.commit()
    staged = time.perf_counter()
    table.settle(range(len(partitions)))
    return staged - begun, time.perf_counter() - staged


def check(table: OpenTable, orders: Sequence[Row]) -> None:
    """Compare the live table with the rows.

    Raises:
        Differs: A row is missing, another, or one too many.
    """
    if table.count() != len(orders):
        raise Differs(f"the table holds {table.count():,} rows for {len(orders):,}")
    for number, (row, live) in enumerate(zip(orders, table.rows((row[KEY],) for row in orders), strict=True), 1):
        if live != row:
            raise Differs(f"row {number:,} of the table differs")
