"""What is checked before row 1, how a table is made, and how rows are read back."""

from __future__ import annotations

import datetime as dt
import resource
from decimal import Decimal
from threading import Thread

import pytest

from rowmill import api
from rowmill.errors import ConfigurationError, TransientError
from rowmill.model.capacity import NEW_TABLE
from rowmill.tables import Settlement
from rowmill.tables.dynamodb.connecting import client
from rowmill.tables.dynamodb.describing import takes
from rowmill.testing.dynamodb_stub import Faults
from rowmill.testing.table_suite import notes, orders, save

DENIED = "AccessDeniedException"


@pytest.mark.parametrize(
    "url", ["dynamodb://", "dynamodb://eu-west-1/", "dynamodb://eu-west-1/a/b", "dynamodb://x/no name"]
)
def test_a_url_without_a_table_s_name_is_told(table, url):
    with pytest.raises(ConfigurationError, match="names no table"):
        table(url=url)


@pytest.mark.parametrize("key", [None, ["a", "b", "c"]])
def test_a_key_has_one_column_or_two(table, key):
    with pytest.raises(ConfigurationError, match="one or two columns"):
        table(key=key)


def test_the_region_may_come_from_the_environment(table, stub):
    one = table(url="dynamodb://Orders")
    one.check(None)
    save(one, 0, orders(1))
    assert len(stub.items("Orders")) == 1
    assert one.url == "dynamodb://Orders"


def test_a_missing_table_is_told_and_how_to_have_it_made(table):
    with pytest.raises(ConfigurationError, match="no table 'Orders'") as told:
        table(create=False).check(None)
    assert "--create-table" in told.value.hint


def test_a_table_is_made_with_the_job_s_key(table, stub):
    table(key=["Order ID", "n"], columns={"Order ID": "id", "n": "line"}, types={"n": "N"}).check(None)
    one = table(create=False, key=["id", "line"], types={"line": "N"})
    one.check(None)
    save(one, 0, [{"id": "a", "line": "1.0"}, {"id": "a", "line": "2"}, {"id": "a", "line": "1"}])
    assert one.settle([0]) == Settlement(2, 1)
    assert sorted(stub.items("Orders")) == [("a", Decimal(1)), ("a", Decimal(2))]


def test_a_table_that_is_there_needs_no_right_to_make_one(table, stub):
    stub.create("Orders", {"id": "S"})
    stub.faults = Faults(refuse=DENIED, refused=("CreateTable",))
    table().check(None)


def test_processes_that_make_a_table_at_once_all_find_it(table):
    tables = [table(f"run-{number}") for number in range(6)]
    threads = [Thread(target=one.check, args=(None,)) for one in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in tables:
        one.check(None)


@pytest.mark.parametrize("live", [{"other": "S"}, {"id": "S", "line": "S"}, {"line": "S", "id": "S"}])
def test_a_live_table_with_another_key_is_told_with_both(table, stub, live):
    stub.create("Orders", live)
    with pytest.raises(ConfigurationError, match=", ".join(live)) as told:
        table().check(None)
    assert "the job's is id" in str(told.value)


@pytest.mark.parametrize("kind", ["INTEGER", "SS", ""])
def test_a_type_that_dynamodb_has_not_is_told(table, kind):
    with pytest.raises(ConfigurationError, match="not one of DynamoDB"):
        table(types={"note": kind}).check(None)


def test_text_is_another_word_for_s(table):
    one = table(types={"note": "TEXT", "id": "text"})
    one.check(None)
    save(one, 0, orders(1))
    assert notes(one, 1) == ["new"]


def test_a_key_that_is_true_or_false_cannot_be_made(table):
    with pytest.raises(ConfigurationError, match="BOOL"):
        table(types={"id": "BOOL"}).check(None)


@pytest.mark.parametrize("operation", ["DescribeTable", "BatchWriteItem", "BatchGetItem", "Scan"])
@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_a_missing_right_is_told_before_row_1(table, stub, operation, kind):
    stub.create("Orders", {"id": kind})
    stub.faults = Faults(refuse=DENIED, refused=(operation,))
    with pytest.raises(ConfigurationError, match=DENIED) as told:
        table().check(None)
    assert "rowmill policy" in told.value.hint


def test_checking_changes_no_row(table, stub):
    stub.create("Orders", {"id": "S", "line": "N"})
    table(key=["id", "line"]).check(None)
    assert (stub.items("Orders"), stub.counts.puts) == ({}, 0)


def test_a_table_that_is_busy_may_be_written(table, stub):
    stub.create("Orders", {"id": "S"})
    stub.faults = Faults(refuse="ReplicatedWriteConflictException", refused=("BatchWriteItem",))
    table().check(None)


def test_keys_take_the_live_table_s_types(table, stub):
    stub.create("Orders", {"id": "N"})
    one = table()
    one.check(None)
    refused = save(one, 0, [{"id": "007", "note": "a"}, {"id": "x", "note": "b"}, {"id": "7.0", "note": "c"}])
    assert [row.place for row in refused] == [1]
    assert one.settle([0]) == Settlement(1, 1)
    assert [row and row["note"] for row in one.rows([("7",), (7,), (Decimal("7.00"),), ("8",)])] == [
        "c",
        "c",
        "c",
        None,
    ]


def test_values_come_back_in_python_s_types(table, stub):
    stub.create("Orders", {"id": "B"})
    one = table(types={"n": "N", "yes": "BOOL", "raw": "B"})
    one.check(None)
    values = {
        "n": "12.50",
        "yes": "true",
        "raw": b"\x00\xff",
        "nothing": None,
        "inside": {"list": [1, 2.5, "x", None], "bytes": b"y"},
        "numbers": {1, 2},
        "day": dt.date(2026, 1, 2),
    }
    assert save(one, 0, [{"id": b"\x01", **values}]) == []
    (row,) = one.rows([(b"\x01",)])
    assert row == {
        **values,
        "id": b"\x01",
        "n": Decimal("12.5"),
        "yes": True,
        "inside": {"list": [1, Decimal("2.5"), "x", None], "bytes": b"y"},
        "day": "2026-01-02",
    }
    assert type(row["raw"]) is bytes


def test_what_no_row_can_have_as_a_key_is_not_found_and_no_error(table):
    one = table()
    one.check(None)
    save(one, 0, orders(1))
    keys = [(None,), ("",), ("1",), ("x" * 3_000,), ("\ud800",), (b"1",), ("1",)]
    assert [row is not None for row in one.rows(keys)] == [False, False, True, False, False, False, True]


def test_many_rows_are_found_though_a_part_of_each_answer_is_missing(table, stub):
    one = table()
    one.check(None)
    save(one, 0, orders(*range(350)))
    stub.faults = Faults(unprocessed=0.6)
    assert notes(one, *range(351)) == ["new"] * 350 + [None]
    assert one.count() == 350


def test_rows_are_counted_over_all_pages(table):
    one = table()
    one.check(None)
    save(one, 0, orders(*range(2_345)))
    assert one.count() == 2_345


def test_a_key_twice_in_a_partition_is_sent_by_the_rule_and_never_twice_at_once(table, stub):
    for rule, note, puts in (("last", "d", 3), ("first", "a", 2), ("fail", "a", 2)):
        stub.create("Orders", {"id": "S"})
        one = table(rule, on_duplicate=rule)
        one.check(None)
        before = stub.counts.puts
        save(one, 0, [*orders(1, note="a"), *orders(1, 1, note="b"), *orders(2, note="c"), *orders(1, note="d")])
        assert (notes(one, 1, 2), stub.counts.puts - before) == ([note, "c"], puts)
        one.discard()


def test_a_stage_that_is_given_up_sends_no_more(table, stub):
    one = table()
    one.check(None)
    stub.faults = Faults(throttle=1.0)
    one.stage(0, "dead").add(orders(*range(100)))
    stage = one.stage(0, "again")
    stub.faults = Faults()
    stage.add(orders(200))
    assert stage.commit() == 1
    one.close()
    assert [key for (key,) in stub.items("Orders")] == ["200"]


@pytest.fixture
def no_large_files():
    """Let no file grow beyond 1 MB; give what lets them grow again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_for_temporary_files_the_run_may_be_tried_again(table, no_large_files):
    one = table()
    one.check(None)
    stage = one.stage(0, "first")
    with pytest.raises(TransientError, match="temporary files") as told:
        stage.add(orders(*range(300), note="x" * 10_000))
    assert "TMPDIR" in told.value.hint
    no_large_files()
    save(one, 0, orders(1), "second")
    assert one.settle([0]) == Settlement(1, 0)


KEY = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
INDEX = {"IndexName": "by-id", "KeySchema": KEY["KeySchema"], "Projection": {"ProjectionType": "ALL"}}
HELD = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 700}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"BillingMode": "PAY_PER_REQUEST"}, (4_000, 0, False)),
        ({"BillingMode": "PROVISIONED", "ProvisionedThroughput": HELD}, (700, 0, True)),
        (
            {"BillingMode": "PAY_PER_REQUEST", "WarmThroughput": {"WriteUnitsPerSecond": 40_000}},
            (40_000, 0, False),
        ),
        (
            {
                "BillingMode": "PAY_PER_REQUEST",
                "OnDemandThroughput": {"MaxWriteRequestUnits": 900},
                "GlobalSecondaryIndexes": [INDEX],
            },
            (900, 1, False),
        ),
    ],
)
@pytest.mark.usefixtures("stub")
def test_a_plan_asks_the_live_table_what_it_takes(made, told):
    client(None).create_table(TableName="Asked", **KEY, **made)
    found = takes(None, "Asked")
    assert (found.units_per_s, found.indexes, found.paid_by_hour) == told


@pytest.mark.usefixtures("stub")
def test_a_plan_for_a_table_that_is_not_there_is_for_a_new_one():
    assert takes(None, "Nowhere") == NEW_TABLE


def test_a_plan_is_made_where_no_table_can_be_asked(monkeypatch, tmp_path):
    """Without credentials or a network a plan says what it assumes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "in.csv").write_text("Order ID\n1\n2\n")
    manifest = api.plan("rowmill.examples.orders", str(tmp_path / "in.csv"))
    told = api.writing("rowmill.examples.orders", manifest, table="dynamodb://eu-west-1/Orders")
    assert told.units_per_s == NEW_TABLE.units_per_s
    assert "the live one was not asked, there are no AWS credentials" in told.told
