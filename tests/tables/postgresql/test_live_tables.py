"""Live tables as people have them: collations, generated columns, triggers, deferred constraints, other owners."""

from __future__ import annotations

import pytest

from rowmill.errors import ConfigurationError, IntegrityError, ProcessingError, TransientError
from rowmill.tables import Settlement
from rowmill.tables.postgresql.names import split_name
from rowmill.testing.table_suite import notes, opened, orders, save


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("orders", ("", "orders")),
        ("sales.orders", ("sales", "orders")),
        ("Été.orders_2", ("Été", "orders_2")),
        ('"my shop"."a.b"', ("my shop", "a.b")),
        ('"sales.orders"', ("", "sales.orders")),
        ('"a ""b"""', ("", 'a "b"')),
        ("a.b[c]", ("", "a.b[c]")),
        ("a.b.c", ("", "a.b.c")),
        (".a", ("", ".a")),
    ],
)
def test_a_dot_between_two_words_separates_schema_and_table(name, parts):
    assert split_name(name) == parts


def test_a_schema_that_is_not_there_is_told_before_row_1(place):
    with pytest.raises(ConfigurationError, match="no schema 'sales'") as told:
        opened(place, name="sales.orders")
    assert told.value.hint


def test_a_name_in_quotes_is_one_table(place):
    table = opened(place, name='"sales.orders"')
    save(table, 0, orders(1))
    table.settle([0])
    assert place.sql('SELECT id FROM "sales.orders"') == [("1",)]


@pytest.mark.parametrize("kind", ["varchar(-1)", "numeric(2000)", "integer -- x", "integer /* x", "serial"])
def test_a_type_that_no_column_can_have_is_told_before_row_1(place, kind):
    with pytest.raises(ConfigurationError, match="SQL type"):
        opened(place, types={"n": kind})


def test_keys_that_the_live_table_takes_for_one_are_duplicates(place):
    place.sql("CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    place.sql('CREATE TABLE "Orders" (id text COLLATE careless PRIMARY KEY, note text)')
    table = opened(place)
    save(table, 0, [{"id": "A", "note": "x"}, {"id": "a", "note": "y"}])
    assert table.settle([0]) == Settlement(1, 1)
    assert place.sql('SELECT id, note FROM "Orders"') == [("a", "y")]


def test_numbers_that_the_table_gives_follow_the_input(place):
    place.sql('CREATE TABLE "Orders" (number bigserial, id text PRIMARY KEY, note text)')
    table = opened(place)
    for part in (2, 0, 1):
        save(table, part, orders(part * 2, part * 2 + 1))
    table.settle([0, 1, 2])
    assert place.sql('SELECT id FROM "Orders" ORDER BY number') == [(str(number),) for number in range(6)]


@pytest.mark.parametrize("made", ["GENERATED ALWAYS AS IDENTITY", "GENERATED ALWAYS AS (7) STORED"])
def test_a_column_that_the_server_fills_takes_nothing_from_the_job(place, made):
    place.sql(f'CREATE TABLE "Orders" (id text PRIMARY KEY, note text, own integer {made})')
    table = opened(place)
    with pytest.raises(ConfigurationError, match="'own'"):
        table.check(["id", "note", "own"])
    with pytest.raises(ConfigurationError, match="'own'"):
        save(table, 0, [{"id": "1", "own": "2"}])
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)


def test_a_constraint_that_is_checked_at_the_end_is_checked_before_the_run_is_confirmed(place):
    place.sql("CREATE TABLE shops (name text PRIMARY KEY)")
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, note text REFERENCES shops DEFERRABLE INITIALLY DEFERRED)')
    table = opened(place)
    save(table, 0, orders(1, 2))
    confirmed = []
    with pytest.raises(ProcessingError, match=r"row 0 .*foreign key"):
        table.settle([0], confirm=lambda: confirmed.append(1))
    assert confirmed == []
    assert table.count() == 0


def test_what_a_trigger_says_is_not_shown(place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, note text)')
    place.sql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.note = 'secret' THEN RAISE EXCEPTION 'not %', NEW.note; END IF; RETURN NEW; END $$"
    )
    place.sql('CREATE TRIGGER no BEFORE INSERT ON "Orders" FOR EACH ROW EXECUTE FUNCTION no()')
    table = opened(place)
    save(table, 0, orders(1))
    save(table, 4, [*orders(2, 3), {"id": "4", "note": "secret"}])
    with pytest.raises(ProcessingError, match="row 2 of those that partition 4 wrote") as told:
        table.settle([0, 4])
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "index",
    [
        'CREATE UNIQUE INDEX by_id ON "Orders" (id) INCLUDE (note)',
        "CREATE UNIQUE INDEX by_id ON \"Orders\" (id) WHERE note = 'x'",
        'CREATE UNIQUE INDEX by_id ON "Orders" (lower(id))',
    ],
)
def test_an_index_that_cannot_tell_the_key_is_not_taken_for_one(place, index):
    place.sql('CREATE TABLE "Orders" (id text NOT NULL, note text)')
    place.sql(index)
    place.sql("INSERT INTO \"Orders\" VALUES ('1', 'old')")
    table = opened(place)
    save(table, 0, orders(1, 2))
    assert table.settle([0]) == Settlement(2, 0)
    assert notes(table, 1, 2) == ["new", "new"]


def test_a_key_that_is_checked_at_the_end_is_told_before_row_1(place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY DEFERRABLE, note text)')
    with pytest.raises(ConfigurationError, match="DEFERRABLE"):
        opened(place)
    assert opened(place, key=None).count() == 0


def test_a_partitioned_table_is_a_table(place):
    place.sql('CREATE TABLE "Orders" (id text PRIMARY KEY, note text) PARTITION BY HASH (id)')
    for number in range(2):
        place.sql(f'CREATE TABLE o{number} PARTITION OF "Orders" FOR VALUES WITH (MODULUS 2, REMAINDER {number})')
    table = opened(place)
    save(table, 0, orders(1, 2, 3))
    assert table.settle([0]) == Settlement(3, 0)
    assert notes(table, 1, 2, 3) == ["new"] * 3


def test_what_only_the_owner_may_do_is_told_before_row_1(server, place):
    server.sql("DROP ROLE IF EXISTS visitor")
    server.sql("CREATE ROLE visitor LOGIN")
    place.sql("GRANT CREATE ON SCHEMA public TO visitor")
    place.sql('CREATE TABLE "Orders" (id text, note text)')
    place.sql('GRANT SELECT, INSERT, UPDATE ON "Orders" TO visitor')
    visitor = place._replace(url=place.url.replace("tester", "visitor"))
    with pytest.raises(ConfigurationError, match="unique index") as told:
        opened(visitor)
    assert "CREATE UNIQUE INDEX" in told.value.hint
    place.sql('CREATE UNIQUE INDEX ON "Orders" (id)')
    table = opened(visitor)
    with pytest.raises(ConfigurationError, match="no column 'late'"):
        table.check(["id", "late"])
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)


def test_bookkeeping_of_another_user_is_told_before_row_1(server, place):
    server.sql("DROP ROLE IF EXISTS stranger")
    server.sql("CREATE ROLE stranger LOGIN")
    place.sql("GRANT CREATE ON SCHEMA public TO stranger")
    opened(place)
    with pytest.raises(ConfigurationError, match="_rowmill_markers"):
        opened(place._replace(url=place.url.replace("tester", "stranger")), name="Others")


def test_a_key_that_no_index_takes_is_a_refusal_of_its_row(place):
    table = opened(place, key=["id", "note"])
    rows = [{"id": "1", "note": "é" * 1200}, {"id": "2", "note": "é" * 1400}]
    refused = save(table, 0, rows)
    assert [one.place for one in refused] == [1]
    assert "longer than 2,600 bytes" in refused[0].reason
    assert table.settle([0]) == Settlement(1, 0)


def test_a_value_with_quotes_in_it_is_not_shown(place):
    table = opened(place, types={"note": "integer"})
    refused = save(table, 0, [{"id": "1", "note": 'a" secret "b\nsecret'}])
    assert "integer" in refused[0].reason
    assert "secret" not in refused[0].reason


def test_a_row_that_is_named_is_counted_among_those_that_were_written(place):
    place.sql("CREATE TABLE \"Orders\" (id integer PRIMARY KEY, note text CHECK (note <> 'bad'))")
    table = opened(place)
    stage = table.stage(3, "try-1")
    assert [one.place for one in stage.add(orders(1, 2))] == []
    assert [one.place for one in stage.add([{"id": "x"}, *orders(3), {"id": None}, *orders(4), {"id": "y"}])] == [
        0,
        2,
        4,
    ]
    assert stage.add([*orders(5), {"id": "6", "note": "bad"}, *orders(7)]) == []
    assert stage.commit() == 7
    with pytest.raises(ProcessingError, match="row 5 of those that partition 3 wrote"):
        table.settle([3])


def test_only_the_partitions_of_the_manifest_are_settled(place):
    table = opened(place)
    for part in range(3):
        save(table, part, orders(part))
    assert table.settle([0, 2]) == Settlement(2, 0)
    assert notes(table, 0, 1, 2) == ["new", None, "new"]


def test_rows_that_someone_took_out_of_the_staging_table_are_noticed(place):
    table = opened(place)
    save(table, 0, orders(1, 2))
    place.sql("DELETE FROM \"_rowmill_run-1\" WHERE id = '2'")
    with pytest.raises(IntegrityError, match="holds 1 rows, and its markers say 2"):
        table.settle([0])
    place.sql('DROP TABLE "_rowmill_run-1"')
    with pytest.raises(TransientError, match="has gone"):
        table.settle([0])
    assert table.settled() is None
