"""What only PostgreSQL has: schemas, types, rights, passwords, and a server that dies."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from rowmill.errors import ConfigurationError, ProcessingError, TransientError
from rowmill.job import Table
from rowmill.tables import Settlement, open_table
from rowmill.tables.postgresql import connecting
from rowmill.testing.postgresql_server import PostgreSqlServer
from rowmill.testing.table_suite import notes, opened, orders, save


def test_a_name_with_a_known_schema_is_a_table_in_it(place):
    place.sql("CREATE SCHEMA sales")
    table = opened(place, name="sales.orders")
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)
    assert place.sql("SELECT id, note FROM sales.orders") == [("1", "new")]
    assert place.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_new_table_has_its_key_and_its_types(place):
    table = opened(place, types={"id": "integer", "n": "numeric(6,2)"})
    refused = save(table, 0, [{"id": "1", "n": "12.345"}, {"id": "x", "n": "1"}, {"id": "3", "n": "1234567"}])
    assert [one.place for one in refused] == [1, 2]
    table.settle([0])
    assert [tuple(map(str, row)) for row in place.sql('SELECT * FROM "Orders"')] == [("1", "12.35")]
    constraint = place.sql("SELECT contype FROM pg_constraint WHERE conrelid = '\"Orders\"'::regclass")
    assert constraint in ([("p",)], [("p",), ("n",)])


def test_a_reason_shows_no_value_of_a_row(place):
    place.sql('CREATE TABLE "Orders" (id integer PRIMARY KEY, note date)')
    table = opened(place)
    refused = save(table, 0, [{"id": "4111111111111111", "note": None}, {"id": "1", "note": "secret"}])
    assert [one.place for one in refused] == [0, 1]
    for one in refused:
        assert "4111" not in one.reason
        assert "secret" not in one.reason
        assert "integer" in one.reason or "date" in one.reason


def test_json_columns_take_lists_and_dicts(place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, note jsonb)')
    table = opened(place)
    assert save(table, 0, [{"id": "1", "note": {"a": [1, None]}}, {"id": "2", "note": ["é"]}]) == []
    table.settle([0])
    assert place.sql('SELECT note FROM "Orders" ORDER BY id') == [({"a": [1, None]},), (["é"],)]


def test_values_of_python_come_out_as_they_are(place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, b boolean, n numeric, f double precision, y bytea, t text)')
    table = opened(place)
    row = {"id": "1", "b": True, "n": 2**80, "f": 0.1, "y": b"\x00\xff", "t": False}
    assert save(table, 0, [row, {"id": "2", "t": "a\x00b"}]) != []
    table.settle([0])
    assert place.sql('SELECT b, n, f, y, t FROM "Orders"') == [(True, 2**80, 0.1, b"\x00\xff", "False")]


def test_columns_that_the_job_does_not_give_stay(place):
    place.sql("CREATE TABLE \"Orders\" (id text PRIMARY KEY, note text, own text DEFAULT 'kept')")
    place.sql("INSERT INTO \"Orders\" VALUES ('1', 'old', 'touched by hand')")
    table = opened(place, columns={"id": "id", "note": "note"})
    save(table, 0, orders(1, 2))
    table.settle([0])
    assert place.sql('SELECT * FROM "Orders" ORDER BY id') == [("1", "new", "touched by hand"), ("2", "new", "kept")]


@pytest.mark.parametrize("kind", ["integer); DROP TABLE x", "no_such_type", ""])
def test_a_type_that_is_none_is_told_before_row_1(place, kind):
    with pytest.raises(ConfigurationError, match="SQL type"):
        opened(place, types={"n": kind})


def test_a_missing_right_is_told_before_row_1(server, place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, note text)')
    server.sql("DROP ROLE IF EXISTS guest")
    server.sql("CREATE ROLE guest LOGIN")
    guest = place._replace(url=place.url.replace("tester", "guest"))
    with pytest.raises(ConfigurationError, match="CREATE right on the schema"):
        opened(guest)
    place.sql("GRANT CREATE ON SCHEMA public TO guest")
    with pytest.raises(ConfigurationError, match="SELECT"):
        opened(guest)


def test_a_name_that_postgresql_would_cut_is_told(place):
    table = opened(place)
    with pytest.raises(ConfigurationError, match="63"):
        save(table, 0, [{"id": "1", "n" * 64: "x"}])


@pytest.mark.parametrize("query", ["?password=secret", "?sslmode=prefer&password=secret"])
def test_a_password_in_the_address_is_refused_and_not_shown(query):
    with pytest.raises(ConfigurationError) as told:
        open_table(f"postgresql://host/db{query}", Table("Orders"), run_id="run-1")
    assert "secret" not in f"{told.value} {told.value.hint} {told.value.context}"


def test_a_password_comes_from_its_file(tmp_path, monkeypatch):
    with PostgreSqlServer(method="scram-sha-256", password="swordfish") as guarded:  # noqa: S106
        monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
        with pytest.raises(ConfigurationError, match=r"password|fe_sendauth") as told:
            connecting.connect(guarded.url)
        (tmp_path / "pgpass").write_text("*:*:*:*:wrong\n")
        (tmp_path / "pgpass").chmod(0o600)
        with pytest.raises(ConfigurationError) as told:
            connecting.connect(guarded.url)
        assert "wrong" not in f"{told.value} {told.value.hint}"
        (tmp_path / "pgpass").write_text("*:*:*:*:swordfish\n")
        connecting.connect(guarded.url).close()


def test_an_unknown_database_is_the_user_s_to_correct(server):
    with pytest.raises(ConfigurationError, match="does not exist"):
        connecting.connect(server.url.replace("/postgres", "/nowhere"))


def test_a_server_that_is_away_is_waited_for(place, server):
    server.kill()
    timer = threading.Timer(1.0, server.start)
    timer.start()
    table = opened(place)
    timer.join()
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)


def test_a_server_that_does_not_come_is_transient(monkeypatch):
    monkeypatch.setattr(connecting, "PATIENCE_S", 0.0)
    with pytest.raises(TransientError) as told:
        connecting.connect("postgresql://127.0.0.1:1/db")
    assert told.value.hint


def test_a_server_that_dies_between_partitions_has_kept_what_was_committed(place, server):
    table = opened(place)
    save(table, 0, orders(1, 2))
    server.kill()
    server.start()
    assert set(table.markers()) == {0}
    save(table, 1, orders(3))
    assert table.settle([0, 1]) == Settlement(3, 0)
    assert notes(table, 1, 2, 3) == ["new"] * 3


def test_a_server_that_dies_in_a_partition_has_kept_nothing_of_it(place, server):
    table = opened(place)
    stage = table.stage(0, "dead")
    stage.add(orders(1, 2))
    server.kill()
    server.start()
    with pytest.raises(TransientError):
        stage.commit()
    assert table.markers() == {}
    save(table, 0, orders(1), "again")
    assert table.settle([0]) == Settlement(1, 0)


def test_a_server_that_dies_while_it_settles_has_settled_nothing(place, server):
    table = opened(place)
    save(table, 0, orders(1, 2))

    def die():
        server.kill()
        server.start()

    with pytest.raises(TransientError):
        table.settle([0], confirm=die)
    assert table.settled() is None
    assert table.settle([0]) == Settlement(2, 0)


def staged(url, partitions):
    table = open_table(url, Table("Orders", key="id"), run_id="run-1")
    for partition in partitions:
        rows = [{"id": f"{partition}-{number}", f"c{partition % 3}": "x"} for number in range(50)]
        save(table, partition, rows)
    table.close()


def test_workers_stage_side_by_side_with_columns_of_their_own(place):
    opened(place)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=staged, args=(place.url, range(number, 24, 4))) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    table = opened(place)
    assert set(table.markers()) == set(range(24))
    assert table.settle(range(24)) == Settlement(1200, 0)


def test_two_that_settle_at_once_settle_once(place):
    table, other = opened(place), opened(place)
    save(table, 0, orders(1, 1, 2))
    results = []
    thread = threading.Thread(target=lambda: results.append(other.settle([0])))
    table.settle([0], confirm=lambda: (thread.start(), time.sleep(0.2)))
    thread.join()
    assert results == [Settlement(2, 1)]


def test_a_reserved_name_is_told(place):
    with pytest.raises(ConfigurationError, match="reserved"):
        opened(place, name="_rowmill_x")


def test_a_refused_row_names_the_constraint_and_not_the_value(place):
    place.sql("CREATE TABLE \"Orders\" (id text PRIMARY KEY, note text CONSTRAINT fine CHECK (note <> 'secret'))")
    table = opened(place)
    save(table, 0, [*orders(1, 2), {"id": "3", "note": "secret"}])
    with pytest.raises(ProcessingError, match="fine") as told:
        table.settle([0])
    assert "secret" not in str(told.value)
    assert "row 2 " in str(told.value)
