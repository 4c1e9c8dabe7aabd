"""Sizes by numbers alone."""

from __future__ import annotations

import pytest

from rowmill.model import policy


@pytest.mark.parametrize(
    ("rows", "workers", "expected"),
    [(0, 2, 1_000), (1_000_000, 2, 62_500), (100, 8, 1_000), (10**9, 2, 200_000), (4 * 10**9, 2, 400_000)],
)
def test_auto_is_an_eighth_of_a_workers_share_within_limits(rows, workers, expected):
    assert policy.rows_per_partition(None, rows=rows, workers=workers) == expected


def test_a_number_that_gives_too_many_partitions_is_raised():
    assert policy.rows_per_partition(1, rows=25_000, workers=1) == 3
    assert policy.rows_per_partition(7, rows=25_000, workers=1) == 7


def test_a_partition_ends_at_64_mib_unless_one_is_asked_for():
    mib = 1024 * 1024
    assert policy.partition_bytes(None, size=100 * mib) == 64 * mib
    assert policy.partition_bytes(30_000, size=100 * mib) == 64 * mib
    assert policy.partition_bytes(policy.WHOLE_ROWS, size=100 * mib) > 100 * mib
    assert policy.partition_bytes(None, size=1_000_000 * mib) == 100 * mib


@pytest.mark.parametrize(
    ("text", "rows", "allowed"), [("stop", 10, 0), ("3", 10, 3), ("50%", 9, 4), ("0.5%", 1000, 5), ("100%", 7, 7)]
)
def test_a_budget_is_none_a_number_or_a_share(text, rows, allowed):
    assert policy.parse_budget(text).allowed(rows) == allowed


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "%", "many", "5 %"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(policy.ConfigurationError):
        policy.parse_budget(text)
