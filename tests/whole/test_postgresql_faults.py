"""PostgreSQL that dies and comes back, or cuts connections: retried inside, or 75 and the same command goes on."""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

from rowmill.testing.postgresql_server import PostgreSqlServer
from rowmill.testing.proxy import TcpProxy

from .kit import ended, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kit import Campaign

NUMBERS = itertools.count(1)
SLOWLY = {"PAUSE_S": "0.02"}
BOTH = pytest.mark.parametrize("on", ["inline", "processes"])


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSqlServer]:
    with PostgreSqlServer() as server:
        yield server


@pytest.fixture
def run(local: Campaign, postgresql: PostgreSqlServer) -> Campaign:
    """Give a run from files into a fresh database."""
    direct = local.words["table"] = postgresql.fresh(f"campaign{next(NUMBERS)}")

    def rows() -> list[dict]:
        with psycopg.connect(direct, row_factory=dict_row) as db:
            return db.execute('SELECT * FROM "Orders"').fetchall()

    local.rows_of_table = rows
    return local


def killed_and_back(server: PostgreSqlServer, seed: int) -> None:
    """Kill the server, and start it again after a while."""
    server.kill()
    time.sleep(random.Random(seed).uniform(0, 0.5))
    server.start()


@BOTH
def test_a_run_into_postgresql_gives_what_the_oracle_gives(run: Campaign, on: str) -> None:
    assert run.ends_right(on=on)["attempts"] == 1
    assert run.give(on=on).report["status"] == "repeated"


@pytest.mark.parametrize(("on", "moments"), [("inline", (4,)), ("processes", (2, 6))])
def test_postgresql_that_is_killed_in_mid_run_and_comes_back_changes_nothing(
    run: Campaign, postgresql: PostgreSqlServer, on: str, moments: tuple[int, ...]
) -> None:
    process = run.start(SLOWLY, on=on)
    for receipts in moments:
        wait_until(lambda least=receipts: run.receipts() >= least, process)
        time.sleep(random.Random(receipts).uniform(0, 0.2))
        killed_and_back(postgresql, receipts)
    done = ended(process)
    assert done.code in (0, 75), done.err
    if done.code == 75:
        assert "the same command goes on" in done.err
        assert run.output() is None
        done = run.give(on=on)
    run.agrees(done.report)


def test_connections_to_postgresql_that_are_cut_lose_nothing(run: Campaign) -> None:
    address = run.words["table"]
    upstream = address.partition("@")[2].partition("/")[0]
    with TcpProxy(upstream, most_bytes=16_000, seed=1) as proxy:
        run.words["table"] = address.replace(upstream, f"127.0.0.1:{proxy.port}")
        report = run.ends_right_after(12, 75, on="processes")
    assert report["attempts"] > 1
