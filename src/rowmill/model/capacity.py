"""What writing into DynamoDB takes: write units, time, price; by numbers alone."""

from __future__ import annotations

import msgspec

UNIT_BYTES = 1024
NEW_TABLE_UNITS_PER_S = 4_000  # what a new on-demand table takes at first
WORKER_ITEMS_PER_S = 20_000  # what one worker process sends, measured: docs/benchmarks
PRICE_PER_MILLION_UNITS = 0.625  # US dollars, on demand, us-east-1
PRICED = "2026-11, us-east-1, on demand"


def write_units(size_bytes: int) -> int:
    """Return the write units of an item: one for each begun KiB."""
    return max(1, -(-size_bytes // UNIT_BYTES))


class Writing(msgspec.Struct, frozen=True):
    """What a run writes into a DynamoDB table, and how long the table and the workers take for it.

    Attributes:
        item_bytes: Bytes of an item, guessed as those of a row and of its columns' names.
        write_units: One for each KiB, or part of it, of each item.
        units_per_s: What the table takes: the write rate asked for, or that of a new on-demand table.
        table_s: Seconds at that rate.
        workers_s: Seconds that the workers need to send the items.
        price_usd: At the price of `priced`.
        bottleneck: `table` or `workers`.
    """

    rows: int
    item_bytes: int
    write_units: int
    units_per_s: int
    table_s: int
    workers_s: int
    price_usd: float
    priced: str
    bottleneck: str


def writing(
    *,
    rows: int,
    input_bytes: int,
    columns: tuple[str, ...] | None,
    workers: int,
    rate: int | None,
) -> Writing:
    """Return what writing an input's rows takes, if each item is as wide as its row.

    Args:
        rows: Rows of the input.
        input_bytes: Its length.
        columns: Its columns' names, which every item carries.
        workers: Processes that send.
        rate: Write units a second that the user allows, or None.
    """
    item_bytes = -(-input_bytes // max(rows, 1)) + sum(len(name.encode()) for name in columns or ())
    units = rows * write_units(item_bytes)
    per_s = rate or NEW_TABLE_UNITS_PER_S
    table_s, workers_s = -(-units // per_s), -(-rows // (WORKER_ITEMS_PER_S * workers))
    return Writing(
        rows=rows,
        item_bytes=item_bytes,
        write_units=units,
        units_per_s=per_s,
        table_s=table_s,
        workers_s=workers_s,
        price_usd=round(units / 1e6 * PRICE_PER_MILLION_UNITS, 4),
        priced=PRICED,
        bottleneck="table" if table_s >= workers_s else "workers",
    )
