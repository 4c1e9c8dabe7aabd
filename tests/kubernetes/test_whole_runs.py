"""A run in a cluster gives what the oracle gives."""

from __future__ import annotations


def test_20_000_orders_in_40_partitions_give_what_the_oracle_gives(make, orders) -> None:
    run = make(orders, rows_per_partition="500")
    report = run.ends_right(run.start())
    assert (report["status"], report["partitions"], report["attempts"]) == ("succeeded", 40, 1)
    assert run.give().report["status"] == "repeated"
