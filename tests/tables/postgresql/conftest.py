"""A PostgreSQL of these tests' own, that may be killed."""

from __future__ import annotations

import pytest

from rowmill.testing.postgresql_server import PostgreSqlServer
from rowmill.testing.table_suite import Place, close_all


@pytest.fixture(scope="module")
def server():
    with PostgreSqlServer() as made:
        yield made


@pytest.fixture
def place(server):
    yield Place(server.fresh("own"), lambda statement: server.sql(statement, "own"))
    close_all()
