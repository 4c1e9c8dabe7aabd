"""A rate that is kept on the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.tracker import UNLIMITED, open_pace
from rowmill.tracker.pace import BURST_S, Bucket, draw

DRAWS = st.lists(st.tuples(st.integers(1, 400), st.floats(0, 0.5)), min_size=1, max_size=60)


@given(DRAWS, st.integers(1, 10_000))
def test_never_more_than_the_rate_and_one_burst_is_sent(draws, rate):
    bucket, now_s, sent = Bucket(0.0, 0.0), 0.0, 0
    for units, pause_s in draws:
        now_s += pause_s
        bucket, wait_s = draw(bucket, units=units, rate=rate, now_s=now_s)
        now_s += wait_s
        sent += units
        assert sent <= rate * (now_s + BURST_S) * (1 + 1e-9) + 1e-6


@given(DRAWS, st.integers(1, 10_000))
def test_whoever_always_has_something_to_send_gets_the_rate(draws, rate):
    bucket, now_s = Bucket(0.0, 0.0), 0.0
    for units, _ in draws:
        bucket, wait_s = draw(bucket, units=units, rate=rate, now_s=now_s)
        now_s += wait_s
    assert now_s == pytest.approx(sum(units for units, _ in draws) / rate)


@given(st.floats(-100, 100), st.integers(1, 100), st.integers(1, 10_000), st.floats(0, 1e6))
def test_a_clock_that_steps_back_gives_no_units_and_stops_nobody(level, units, rate, back_s):
    bucket, wait_s = draw(Bucket(level, 1e6), units=units, rate=rate, now_s=1e6 - back_s)
    assert bucket.level == min(rate * BURST_S, level) - units
    _, still_s = draw(bucket, units=0, rate=rate, now_s=bucket.at_s + wait_s)
    assert still_s == pytest.approx(0.0, abs=1e-6)


def test_without_a_rate_nobody_waits():
    assert open_pace("", "run", None, 3) is UNLIMITED
    assert UNLIMITED.reserve(10**9) == 0.0


def test_without_a_tracker_each_worker_has_its_part():
    pace = open_pace("", "run", 100, 4)
    assert pace.reserve(50) == pytest.approx(2.0, abs=0.3)
