"""What writing into DynamoDB takes."""

from __future__ import annotations

from rowmill.model import capacity


def test_a_million_small_items_are_a_million_units_and_wait_for_the_table():
    told = capacity.writing(rows=10**6, input_bytes=120 * 10**6, columns=("id", "note"), workers=2, rate=None)
    assert (told.item_bytes, told.write_units) == (126, 10**6)
    assert (told.table_s, told.workers_s, told.bottleneck) == (250, 25, "table")
    assert told.price_usd == 0.625


def test_each_begun_kibibyte_of_an_item_is_a_unit():
    for item_bytes, units in ((1024, 1), (1025, 2), (4096, 4)):
        told = capacity.writing(rows=10, input_bytes=10 * item_bytes, columns=None, workers=1, rate=None)
        assert told.write_units == 10 * units


def test_a_rate_that_is_above_what_workers_send_makes_the_workers_the_bottleneck():
    told = capacity.writing(rows=10**6, input_bytes=10**8, columns=None, workers=1, rate=40_000)
    assert (told.table_s, told.workers_s, told.bottleneck) == (25, 50, "workers")


def test_no_rows_take_nothing():
    told = capacity.writing(rows=0, input_bytes=0, columns=None, workers=1, rate=None)
    assert (told.write_units, told.table_s, told.price_usd) == (0, 0, 0.0)
