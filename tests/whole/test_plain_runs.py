"""Runs without any accident: what the others are compared with is right to begin with."""

from __future__ import annotations

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
