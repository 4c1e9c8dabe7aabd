"""Runs without any accident: what the others are compared with is right to begin with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .kit import Campaign

BOTH = pytest.mark.parametrize("on", ["inline", "processes"])


@BOTH
def test_a_run_from_files_into_sqlite_gives_what_the_oracle_gives(local: Campaign, on: str) -> None:
    assert local.ends_right(on=on)["attempts"] == 1
    assert local.give(on=on).report["status"] == "repeated"


@BOTH
def test_a_run_from_s3_into_dynamodb_gives_what_the_oracle_gives(aws, orders, stub, on: str) -> None:
    run = aws(orders, stub)
    assert run.ends_right(on=on)["attempts"] == 1
    assert stub.counts.most_puts <= 25
    assert run.give(on=on).report["status"] == "repeated"
    assert run.bucket.uploads() == []


def noticed(run: Campaign, report: dict) -> None:
    with pytest.raises(AssertionError):
        run.agrees(report)


def test_the_comparison_notices_one_row_and_one_byte(local: Campaign) -> None:
    report = local.ends_right()
    output, table = local.folder / "out.csv", local.folder / "table.db"
    right = output.read_bytes()
    output.write_bytes(right.replace(b"1", b"2", 1))
    noticed(local, report)
    output.write_bytes(right)
    with closing(sqlite3.connect(table)) as db, db:
        db.execute("""UPDATE "Orders" SET "Region" = 'Atlantis' WHERE rowid = 12345""")
    noticed(local, report)
    noticed(local, {**report, "table_rows": 1})
