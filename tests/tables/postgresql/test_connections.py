"""Connections that end, and errors whose turn it is."""

from __future__ import annotations

import psycopg
import pytest

from rowmill.errors import ConfigurationError, ProcessingError, TransientError
from rowmill.job import Table
from rowmill.tables import Settlement, open_table
from rowmill.tables.postgresql import connecting
from rowmill.testing.table_suite import opened, orders, save

CUT = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'tester'"
)


def test_a_connection_that_was_cut_between_partitions_is_made_anew(place):
    table = opened(place)
    save(table, 0, orders(1))
    place.sql(CUT)
    save(table, 1, orders(2))
    place.sql(CUT)
    assert table.settle([0, 1]) == Settlement(2, 0)


@pytest.mark.parametrize("looked", [True, False])
def test_rows_that_went_with_their_connection_are_not_taken_for_saved(place, looked):
    table = opened(place)
    stage = table.stage(0, "try-1")
    stage.add(orders(1))
    place.sql(CUT)
    if looked:
        assert table.markers() == {}
    with pytest.raises(TransientError):
        stage.add(orders(2))
    with pytest.raises(TransientError):
        stage.commit()
    assert table.markers() == {}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40P01", TransientError),  # deadlock
        ("40001", TransientError),  # serialization
        ("53300", TransientError),  # too many connections
        ("53100", TransientError),  # disk full
        ("57P01", TransientError),  # shut down
        ("57014", TransientError),  # statement_timeout
        ("25P03", TransientError),  # idle in transaction
        ("55P03", TransientError),  # lock_timeout
        ("55000", ProcessingError),
        ("25006", ConfigurationError),  # read only
        ("42501", ConfigurationError),  # no right
        ("42P01", ConfigurationError),  # no table
        ("3D000", ConfigurationError),  # no database
        ("54000", ProcessingError),  # a limit of the program
        ("23505", ProcessingError),
    ],
)
def test_an_error_says_whose_turn_it_is(state, kind):
    told = connecting.translated(psycopg.errors.lookup(state)("words"), "postgresql://host/db")
    assert type(told) is kind
    assert told.hint
    assert told.context["url"] == "postgresql://host/db"


@pytest.mark.parametrize("words", ["sslmode=nonsense", "sslmode=require", "service=nowhere", "nonsense=1", "port=x"])
def test_an_address_that_no_waiting_mends_is_told_at_once(place, words):
    def never(_):
        raise AssertionError("it waits")

    with pytest.raises(ConfigurationError):
        connecting.connect(f"{place.url}?{words}", pause=never)


def test_a_server_that_takes_no_more_connections_is_waited_for_and_then_transient(server, place, monkeypatch):
    monkeypatch.setattr(connecting, "PATIENCE_S", 0.0)
    server.sql("DROP ROLE IF EXISTS crowd")
    server.sql("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    with pytest.raises(TransientError, match="too many connections"):
        connecting.connect(place.url.replace("tester", "crowd"))


def test_a_server_that_only_reads_is_the_user_s_to_correct(place, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with pytest.raises(ConfigurationError, match="read-only") as told:
        opened(place)
    assert "primary" in told.value.hint


@pytest.mark.parametrize("query", ["sslpassword=secret", "%70assword=secret", "password=", "scram_client_key=secret"])
def test_no_secret_of_any_kind_is_taken_from_an_address(query):
    with pytest.raises(ConfigurationError, match="password") as told:
        open_table(f"postgresql://host/db?{query}", Table("Orders"), run_id="run-1")
    assert "secret" not in f"{told.value} {told.value.hint} {told.value.context}"


def test_settings_of_the_user_are_heeded(place, tmp_path, monkeypatch):
    where = place.url.partition("@")[2]
    host, _, port = where.partition("/")[0].partition(":")
    (tmp_path / "services").write_text(f"[orders]\nhost={host}\nport={port}\ndbname=own\nuser=tester\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    table = opened(place._replace(url="postgresql:///?service=orders&application_name=mine"))
    assert ("mine",) in place.sql("SELECT application_name FROM pg_stat_activity")
    save(table, 0, [{"id": "1", "note": "行"}])
    table.settle([0])
    assert place.sql('SELECT note FROM "Orders"') == [("行",)]
    assert table.url == "postgresql:///?service=orders&application_name=mine"
