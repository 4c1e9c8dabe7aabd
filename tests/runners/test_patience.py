"""A partition whose place failed is tried again, unless that is no use."""

from __future__ import annotations

import pytest

from rowmill.errors import TransientError
from rowmill.runners import inline


@pytest.fixture
def tried(monkeypatch):
    monkeypatch.setattr(inline, "FIRST_PAUSE_S", 0.0)

    def tries_of(error, *, fails):
        told = []

        def work():
            told.append("work")
            if told.count("work") <= fails:
                raise error
            return "done"

        try:
            assert inline.patiently(work, lambda: told.append("again")) == "done"
        except TransientError:
            told.append("raised")
        return told

    return tries_of


def test_a_place_that_comes_back_is_tried_again(tried):
    assert tried(TransientError("away"), fails=2) == ["work", "again", "work", "again", "work"]


def test_a_place_that_stays_away_ends_the_run(tried):
    assert tried(TransientError("away"), fails=9)[-2:] == ["work", "raised"]


def test_a_place_whose_budget_is_spent_is_not_tried_again(tried):
    error = TransientError("throttled")
    error.spent = True
    assert tried(error, fails=9) == ["work", "raised"]


def test_a_row_that_has_had_its_tries_is_not_tried_again(tried):
    assert tried(TransientError("busy", ordinal=3), fails=9) == ["work", "raised"]
