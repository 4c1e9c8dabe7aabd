"""What putting items into DynamoDB costs the process that sends them: Rowmill's writer and boto3's, side by side.

The server is a stub in a process of its own that says at once that all is written. Before that, both ways write into a
stub that keeps what it gets, and what it has is compared with what it must have.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.oracle import Differs
from benchmarks.results import Experiment, Grid, Target, median, median_ratio, spread
from benchmarks.running import payload, stamp
from rowmill.model.capacity import write_units
from rowmill.tables.dynamodb.encoding import Encoder
from rowmill.tables.dynamodb.sending import Sender
from rowmill.testing.dynamodb_stub import in_own_process
from rowmill.tracker import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.results import Bench

TABLE, KEY, REGION = "Orders", "ConfirmationId", "eu-west-1"
MOST_ROWS, CHECKED_ROWS, TOGETHER = 100_000, 5_000, 1_000
LATENCY_S = 0.01
SETTINGS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
OURS, ENCODING, THEIRS, LATE = "Rowmill", "of it the encoder", "boto3 batch_writer", "Rowmill, 10 ms latency"

Row = dict[str, str]


def run(bench: Bench) -> Experiment:
    """Measure."""
    rows = min(bench.rows, MOST_ROWS)
    source = payload(bench, rows)
    items = rows_of(source)
    for way in (ours, theirs):
        check(way, items[:CHECKED_ROWS])
    figures: dict[str, list[float]] = {name: [] for name in (OURS, ENCODING, THEIRS, LATE)}
    for _ in range(bench.runs):
        with serving(answers_only=True):
            figures[OURS].append(cpu_us(ours, items))
            figures[THEIRS].append(cpu_us(theirs, items))
        figures[ENCODING].append(cpu_us(encoded_only, items))
        with serving(answers_only=True, latency_s=LATENCY_S):
            figures[LATE].append(items_per_second(items))
        for name, found in figures.items():
            print(f"  {name}: {found[-1]:,.1f} {'items/s' if name == LATE else 'µs CPU an item'}", file=sys.stderr)
    return Experiment(
        title="Items into DynamoDB",
        about="CPU time of the sending process, all threads, for an item of 15 text attributes: encoding, signing, "
        "sending, reading the answer. The server is a stub in its own process that answers at once; there is no TLS. "
        "Both ways' items were compared with what they must be before.",
        **stamp(bench, source, rows),
        targets=(
            Target("CPU for an item", "µs", median(figures[OURS]), at_most=25.0),
            Target(
                "CPU, less than boto3's batch_writer", "x", median_ratio(figures[THEIRS], figures[OURS]), at_least=7
            ),
            Target("one process, 10 ms latency", "items/s", median(figures[LATE]), at_least=20_000),
        ),
        grid=Grid(
            ("way", "µs CPU an item: median (least to most)", "items a second"),
            (
                *((name, spread(figures[name]), "") for name in (OURS, ENCODING, THEIRS)),
                (LATE, "", spread(figures[LATE])),
            ),
        ),
        charts=(),
        raw=figures,
        meant_rows=MOST_ROWS,
    )


def rows_of(source: Path) -> list[Row]:
    """Return the orders as a function gives them back: with a confirmation, here a number, as their key."""
    with source.open(encoding="utf-8", newline="") as file:
        return [{**row, KEY: f"confirmation-{number}"} for number, row in enumerate(csv.DictReader(file))]


@contextmanager
def serving(*, answers_only: bool, latency_s: float = 0.0) -> Iterator[str]:
    """Run the stub, and let this process find it."""
    before = dict(os.environ)
    with in_own_process(answers_only=answers_only, latency_s=latency_s, table=TABLE, key={KEY: "S"}) as url:
        os.environ.update(SETTINGS, AWS_ENDPOINT_URL_DYNAMODB=url)
        try:
            yield url
        finally:
            os.environ.clear()
            os.environ.update(before)


def encoder() -> Encoder:
    return Encoder(keys=[KEY], key_types={KEY: "S"}, columns=None, types={}, null=None)


def encoded_only(items: list[Row]) -> None:
    """Make items of rows, and forget them."""
    encode = encoder().encode_sized
    for row in items:
        encode(row)


def ours(items: list[Row]) -> None:
    """Put all by Rowmill's writer.

    Raises:
        Differs: It acknowledges another number.
    """
    encode, left = encoder().encode_sized, iter(items)
    with Sender(REGION, TABLE, pace=UNLIMITED) as sender:
        while some := list(islice(left, TOGETHER)):
            found = [encode(row) for row in some]
            sender.put([(one.item_json, write_units(one.size_bytes)) for one in found])
        if (told := sender.flush()) != len(items):
            raise Differs(f"{told:,} items are acknowledged of {len(items):,}")


def theirs(items: list[Row]) -> None:
    """Put all by boto3's batch_writer."""
    table: Any = boto3.resource("dynamodb", region_name=REGION).Table(TABLE)
    with table.batch_writer() as writer:
        for row in items:
            writer.put_item(Item=row)


def check(way: Callable[[list[Row]], None], items: list[Row]) -> None:
    """Compare what a way stores with what it must store.

    Raises:
        Differs: They are not the same.
    """
    with serving(answers_only=False):
        way(items)
        pages = boto3.client("dynamodb", region_name=REGION).get_paginator("scan").paginate(TableName=TABLE)
        found = {item[KEY]["S"]: item for page in pages for item in page["Items"]}
    wanted = {row[KEY]: {name: {"S": value} for name, value in row.items()} for row in items}
    if found != wanted:
        raise Differs(f"{way.__name__}: the {len(found):,} stored items are not the {len(wanted):,} given")


def cpu_us(way: Callable[[list[Row]], None], items: list[Row]) -> float:
    """Return a way's CPU time for an item; what it makes once is paid for before."""
    way(items[: TOGETHER // 4])
    begun = time.process_time()
    way(items)
    return round((time.process_time() - begun) / len(items) * 1e6, 3)


def items_per_second(items: list[Row]) -> float:
    """Return how many items a second our writer puts."""
    ours(items[: TOGETHER // 4])
    begun = time.perf_counter()
    ours(items)
    return round(len(items) / (time.perf_counter() - begun), 1)
