"""PostgreSql joins the suites of tables."""

from __future__ import annotations

import pytest

from rowmill.testing import suites
from rowmill.testing.postgresql_server import PostgreSqlServer
from rowmill.testing.table_suite import Place


@pytest.fixture(scope="session")
def postgresql():
    with PostgreSqlServer() as server:
        yield server


@pytest.fixture
def place(postgresql):
    return Place(postgresql.fresh("suite"), lambda statement: postgresql.sql(statement, "suite"))


@pytest.mark.parametrize("check", suites.TABLES + suites.STAGED + suites.TRANSACTIONAL, ids=suites.name_of)
def test_postgresql_is_a_table(check, place):
    try:
        check(place)
    finally:
        suites.close_all()
