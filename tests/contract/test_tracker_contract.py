"""Every tracker joins the tracker suite: in memory, by a server that is there, and by one that is not."""

from __future__ import annotations

import pytest

from rowmill.testing import suites


@pytest.mark.parametrize("check", suites.TRACKERS, ids=suites.name_of)
def test_memory_is_a_tracker(check):
    check("")


@pytest.mark.parametrize("check", suites.TRACKERS, ids=suites.name_of)
def test_valkey_is_a_tracker(check, rowmill_devcloud):
    check(rowmill_devcloud.tracker_url)


@pytest.mark.parametrize("check", suites.TRACKERS, ids=suites.name_of)
def test_a_valkey_that_is_not_there_is_a_tracker(check):
    check("redis://127.0.0.1:1/0")
