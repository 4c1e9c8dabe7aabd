"""DynamoDB that throttles, forgets half, breaks, cuts or is slow: every item arrives, and none is counted before."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from rowmill.testing.dynamodb_stub import DynamoStub, Faults

from .kit import ended, wait_until
from .places import rows_of_dynamodb

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "throttled": Faults(throttle=0.3, seed=1),
    "half_unprocessed": Faults(unprocessed=0.5, seed=2),
    "broken_or_answers_lost": Faults(error_500=0.15, reset=0.15, seed=3),
}
ALL = {"throttle": 0.3, "unprocessed": 0.5, "error_500": 0.1, "reset": 0.1}
LATENCY_S = 0.05
IN_FOUR = {"rows_per_partition": "500", "on": "processes"}
# The command line, but it gives up when nothing has succeeded for one second, and not for two minutes.
IMPATIENT = """
import sys
from rowmill.tables.dynamodb.sending import Sender
Sender.__init__.__kwdefaults__["budget_s"] = 1.0
from rowmill.cli import main
sys.argv[0] = "rowmill"
main()
"""


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_dynamodb_fails(aws, orders, stub: DynamoStub, kind: str) -> None:
    run = aws(orders, stub)
    stub.faults = KINDS[kind]
    run.ends_right(on="processes")
    counts = stub.counts
    assert counts.throttled + counts.unprocessed + counts.errors + counts.resets > 50, counts
    assert counts.most_puts <= 25


def test_nothing_is_lost_when_dynamodb_is_slow(aws, orders) -> None:
    with DynamoStub(latency_s=LATENCY_S) as stub:
        stub.create("Orders", {"Order ID": "S"})
        aws(orders, stub).ends_right(on="inline")


def test_nothing_is_lost_when_dynamodb_fails_in_every_way_and_is_slow(aws, few_orders) -> None:
    with DynamoStub(Faults(**ALL, seed=6), latency_s=LATENCY_S) as stub:
        stub.create("Orders", {"Order ID": "S"})
        aws(few_orders, stub).ends_right(rows_per_partition="1000", on="processes")
        counts = stub.counts
    assert min(counts.throttled, counts.unprocessed, counts.errors, counts.resets) > 3, counts


def held_run(run, tmp_path: Path, **words: str):
    """Start a run that waits at a row after half of its partitions; return it, and what lets it go on."""
    hold = tmp_path / "hold"
    hold.touch()
    process = run.start({"HOLD": str(hold), "HOLD_FROM": "1200"}, **words)
    wait_until(lambda: run.receipts() >= 2, process)
    return process, hold.unlink


def test_a_right_that_is_taken_away_in_mid_run_is_exit_2_and_the_same_command_goes_on(
    aws, few_orders, stub: DynamoStub, tmp_path: Path
) -> None:
    run = aws(few_orders, stub)
    process, go_on = held_run(run, tmp_path, **IN_FOUR)
    stub.faults = Faults(refuse="AccessDeniedException")
    go_on()
    failed = ended(process)
    assert (failed.code, failed.out) == (2, ""), failed.err
    assert run.output() is None
    stub.faults = Faults()
    assert run.ends_right(**IN_FOUR)["attempts"] == 2


def test_dynamodb_that_stays_throttled_is_exit_75_and_the_same_command_goes_on(
    aws, few_orders, stub: DynamoStub, tmp_path: Path
) -> None:
    run = aws(few_orders, stub)
    run.cli = [sys.executable, "-c", IMPATIENT]
    process, go_on = held_run(run, tmp_path, rows_per_partition="500", on="inline")
    stub.faults = Faults(throttle=1.0)
    go_on()
    failed = ended(process)
    assert (failed.code, failed.out) == (75, ""), failed.err
    assert "the same command" in failed.err
    assert run.output() is None
    stub.faults = Faults()
    assert run.ends_right(on="inline")["attempts"] == 2


def test_a_table_that_is_not_there_is_exit_2_before_row_1_and_made_when_asked_for(aws, few_orders) -> None:
    with DynamoStub() as stub:
        run = aws(few_orders, stub)
        missing = run.give()
        assert (missing.code, missing.out) == (2, "")
        assert "--create-table" in missing.err
        assert run.receipts() == 0
        run.ends_right(create_table="")


def test_a_run_on_the_dynamodb_of_the_local_aws_gives_what_the_oracle_gives(aws, few_orders, stub, dynamodb) -> None:
    run = aws(few_orders, stub)
    del run.env["AWS_ENDPOINT_URL_DYNAMODB"]
    with suppress(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.delete_table(TableName="Orders")  # other tests of this session may have made it
    run.rows_of_table = partial(rows_of_dynamodb, dynamodb, "Orders")
    run.ends_right(create_table="", **IN_FOUR)
