"""What writing into DynamoDB takes: write units, time, price; by numbers alone."""

from __future__ import annotations

import msgspec

UNIT_BYTES = 1024
WORKER_ITEMS_PER_S = 20_000  # what one worker process sends, measured: docs/benchmarks
PRICE_PER_MILLION_UNITS = 0.625  # US dollars, on demand, us-east-1
PRICED = "2026-11, us-east-1, on demand"
PAID_BY_HOUR = "the table's provisioned capacity is paid by the hour, used or not"


class Takes(msgspec.Struct, frozen=True):
    """What a table takes.

    Attributes:
        units_per_s: Write units a second.
        told: Where that figure is from.
        indexes: Global secondary indexes, each of which takes the units of an item once more.
        paid_by_hour: Whether the capacity is provisioned.
    """

    units_per_s: int
    told: str
    indexes: int = 0
    paid_by_hour: bool = False


# Source: Amazon DynamoDB Developer Guide, "On-demand capacity mode".
NEW_TABLE = Takes(4_000, "a new on-demand table")


def unasked(why: str) -> Takes:
    """Return what is assumed of a table that cannot be asked."""
    return msgspec.structs.replace(NEW_TABLE, told=f"{NEW_TABLE.told}: the live one was not asked, {why}")


def write_units(size_bytes: int) -> int:
    """Return the write units of an item: one for each begun KiB."""
    return max(1, -(-size_bytes // UNIT_BYTES))


class Writing(msgspec.Struct, frozen=True):
    """What a run writes into a DynamoDB table, and how long the table and the workers take for it.

    Attributes:
        item_bytes: Bytes of an item, guessed as those of a row and of its columns' names.
        write_units: One for each KiB, or part of it, of each item, and as many for each index.
        units_per_s: What the table takes, or the user allows.
        told: Where that figure is from.
        table_s: Seconds at that rate.
        workers_s: Seconds that the workers need to send the items.
        price_usd: At the price of `priced`.
        bottleneck: `table` or `workers`.
    """

    rows: int
    item_bytes: int
    write_units: int
    units_per_s: int
    told: str
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
    table: Takes = NEW_TABLE,
) -> Writing:
    """Return what writing an input's rows takes, if each item is as wide as its row.

    Args:
        rows: Rows of the input.
        input_bytes: Its length.
        columns: Its columns' names, which every item carries.
        workers: Processes that send.
        rate: Write units a second that the user allows, or None.
        table: What the table takes.
    """
    item_bytes = -(-input_bytes // max(rows, 1)) + sum(len(name.encode()) for name in columns or ())
    units = rows * write_units(item_bytes) * (1 + table.indexes)
    allowed = rate is not None and rate <= table.units_per_s
    per_s = rate if rate is not None and allowed else table.units_per_s
    table_s, workers_s = -(-units // per_s), -(-rows // (WORKER_ITEMS_PER_S * workers))
    return Writing(
        rows=rows,
        item_bytes=item_bytes,
        write_units=units,
        units_per_s=per_s,
        told="the write rate" if allowed else table.told,
        table_s=table_s,
        workers_s=workers_s,
        price_usd=0.0 if table.paid_by_hour else round(units / 1e6 * PRICE_PER_MILLION_UNITS, 4),
        priced=PAID_BY_HOUR if table.paid_by_hour else PRICED,
        bottleneck="table" if table_s >= workers_s else "workers",
    )
