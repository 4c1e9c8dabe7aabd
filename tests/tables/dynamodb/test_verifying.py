"""A run into DynamoDB verifies, whatever its values are; and a changed, missing or emptied table is found."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rowmill import api
from rowmill.steps.proof.winners import same, same_text

JOB = """
import datetime as dt
from decimal import Decimal

from rowmill import Csv, Job, Jsonl, Table

job = Job(
    "values",
    writes={writes},
    table=Table("Orders", key="id", types={{"n": "N", "yes": "BOOL", "raw": "B"}}, null="-"),
)


@job.process
def give(row: dict, ctx) -> dict:
    number = int(row["id"])
    plain = {{"id": row["id"], "ID": "other letters", "n": "1.50", "yes": "true", "raw": "é"}}
    plain |= {{"nothing": "-", "empty": ""}}
    day = dt.datetime(2026, 1, 2, 3, 4, 5, number, dt.UTC)
    return plain | {{"float": number / 3, "exact": Decimal("2.50"), "big": 2**70, "bool": number % 2 == 0, "day": day,
                     {more}}}
"""
INSIDE = '"inside": {"list": [1, 0.1, None, True, {"x": Decimal("1.0")}], "set": {1, 2}}'


@pytest.fixture(params=["Csv()", "Jsonl()"])
def finished(request, tmp_path, stub):
    """A run of 40 rows, some keys twice, in partitions of 10."""
    del stub  # it is where the table is
    (tmp_path / "values.py").write_text(JOB.format(writes=request.param, more=INSIDE if "J" in request.param else ""))
    (tmp_path / "in.csv").write_text("\n".join(["id", *map(str, range(35)), "3", "14", "34", "0", "0", ""]))
    report = api.run(
        f"{tmp_path}/values.py",
        f"{tmp_path}/in.csv",
        output=f"{tmp_path}/out",
        workspace=f"{tmp_path}/work",
        table="dynamodb://eu-west-1/Orders",
        create_table=True,
        on="inline",
        rows_per_partition=10,
    )
    assert (report.counts.written, report.counts.duplicates, report.table_rows) == (40, 5, 35)
    return report


def failed(folder):
    found = api.verify(workspace=f"{folder}/work", table=True, replay=True)
    return {check.name: check.detail for check in found.checks if check.ok is not True}


@pytest.mark.usefixtures("finished")
def test_a_run_into_dynamodb_verifies(tmp_path):
    assert failed(tmp_path) == {}


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", {"N": "1.51"}),
        ("yes", {"BOOL": False}),
        ("raw", {"B": "AAAA"}),
        ("ID", {"S": "Other letters"}),
        ("nothing", {"S": "-"}),
        ("float", {"N": "0.333"}),
        ("day", {"S": "2026-01-02T03:04:05+00:00"}),
        ("empty", None),
    ],
)
def test_a_changed_attribute_is_found(tmp_path, stub, name, value):
    item = next(item for key, item in stub.items("Orders").items() if key == ("1",))
    assert item.pop(name) != value
    item.update({name: value} if value else {})
    assert set(failed(tmp_path)) == {"table", "replay table"}


@pytest.mark.usefixtures("finished")
def test_a_missing_row_and_an_emptied_table_are_found(tmp_path, stub):
    del stub.items("Orders")[("7",)]
    assert set(failed(tmp_path)) == {"table", "replay table"}
    stub.items("Orders").clear()
    assert set(failed(tmp_path).values()) == {"the table is gone, or holds nothing of this run"}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (Decimal("1.5"), "1.50"),
        (Decimal("1.5"), 1.5),
        (True, "1"),
        (False, "FALSE"),
        (b"ab", "ab"),
        (b"ab", b"ab"),
        (b"ab", "YWI="),
        ({"a": [Decimal(1)]}, {"a": [1.0]}),
        ({Decimal(1), Decimal(2)}, [2, 1]),
        ({"x"}, {"x"}),
        ([], ()),
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05", "2026-01-02 03:04:05"),
        (None, None),
    ],
)
def test_what_a_cell_says_may_be_spelled_otherwise(cell, value):
    assert same(cell, value)
    assert same_text(cell, str(value) if isinstance(cell, (dict, list, set)) else value)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (Decimal("1.5"), "1.51"),
        (True, "0"),
        (True, "maybe"),
        (b"ab", "abc"),
        (b"ab", 1),
        ({"a": 1}, {"a": 1, "b": 1}),
        ({"a": 1}, "{'a': open('x')}"),
        ({1, 2}, [1, 3]),
        ({1, 2}, [1, 1]),
        ([1, 2], [2, 1]),
        ([1], "[1"),
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:06Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("aTb", "a b"),
        ("007", "7"),
        (None, 0),
        (0, None),
    ],
)
def test_a_cell_that_says_something_else_is_not_the_same(cell, value):
    assert not same(cell, value)
    assert not same_text(cell, str(value) if isinstance(cell, (dict, list, set)) else value)
