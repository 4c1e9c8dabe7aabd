"""What writing into DynamoDB takes."""

from __future__ import annotations

from rowmill.model import capacity
from rowmill.model.capacity import Takes


def test_a_million_small_items_are_a_million_units_and_wait_for_the_table():
    told = capacity.writing(rows=10**6, input_bytes=120 * 10**6, columns=("id", "note"), workers=2, rate=None)
    assert (told.item_bytes, told.write_units) == (126, 10**6)
    assert (told.table_s, told.workers_s, told.bottleneck) == (250, 25, "table")
    assert told.price_usd == 0.625


def test_each_begun_kibibyte_of_an_item_is_a_unit():
    for item_bytes, units in ((1024, 1), (1025, 2), (4096, 4)):
        told = capacity.writing(rows=10, input_bytes=10 * item_bytes, columns=None, workers=1, rate=None)
        assert told.write_units == 10 * units


def test_a_table_that_takes_more_than_workers_send_makes_the_workers_the_bottleneck():
    warm = Takes(40_000, "on demand, as it is now")
    told = capacity.writing(rows=10**6, input_bytes=10**8, columns=None, workers=1, rate=None, table=warm)
    assert (told.table_s, told.workers_s, told.bottleneck, told.told) == (25, 50, "workers", warm.told)


def test_a_rate_holds_a_table_back_and_makes_none_quicker():
    for rate, per_s, why in ((1_000, 1_000, "the write rate"), (9_000, 4_000, "a new on-demand table")):
        told = capacity.writing(rows=10**6, input_bytes=10**8, columns=None, workers=1, rate=rate)
        assert (told.units_per_s, told.told) == (per_s, why)


def test_each_index_takes_the_units_once_more():
    told = capacity.writing(rows=10, input_bytes=100, columns=None, workers=1, rate=None, table=Takes(9, "x", 2))
    assert told.write_units == 30


def test_provisioned_capacity_is_paid_anyway():
    table = Takes(9, "provisioned", paid_by_hour=True)
    told = capacity.writing(rows=10, input_bytes=100, columns=None, workers=1, rate=None, table=table)
    assert (told.price_usd, told.priced) == (0.0, capacity.PAID_BY_HOUR)


def test_no_rows_take_nothing():
    told = capacity.writing(rows=0, input_bytes=0, columns=None, workers=1, rate=None)
    assert (told.write_units, told.table_s, told.price_usd) == (0, 0, 0.0)
