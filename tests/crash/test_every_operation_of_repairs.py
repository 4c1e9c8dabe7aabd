"""A run and its repairs, killed before and after everything they do, come to the same end each time."""

from __future__ import annotations

import csv

import pytest

from rowmill.testing import crash

JOB = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job("mended", reads=Csv(), table=Table("Orders", key="id"), totals=["amount"])

@job.process
def check(row: dict):
    if row["note"] == "bad":
        raise Reject("not wanted")
    return Skip("on purpose") if row["note"] == "skip" else row
"""
INPUT = "id,note,amount\n1,a,1.5\n2,bad,2.5\n3\n4,b,4\n2,skip,5\n4,bad,6\n"
FIRST = {1: "2,good,2.5", 2: "3,bad,3"}  # the second one is bad again
SECOND = {2: "1,good,3", 5: "4,last,6"}  # keys that other rows have: one before, one after


@pytest.fixture
def held(tmp_path):
    """Give the job, an input with three bad rows, and two files that correct them."""
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.csv").write_text(INPUT)
    for name, texts in (("first.csv", FIRST), ("second.csv", SECOND)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("ordinal", "row"), *texts.items()])
    return (
        str(tmp_path / "job.py"),
        str(tmp_path / "in.csv"),
        [str(tmp_path / "first.csv"), str(tmp_path / "second.csv")],
    )


@pytest.mark.parametrize("rejects", ["hold", "3"])
def test_repairs_killed_at_any_operation_go_on_to_the_same_end(held, rejects):
    job, given, fixes = held
    mine = fixes if rejects == "hold" else fixes[1:]
    survived = crash.survive_repairs(job, given, mine, rows_per_partition=3, rejects=rejects)
    assert survived.kills == 2 * len(survived.operations)
    done = " ".join(survived.operations)
    for operation in ("table of repair 1.discard", "stage.commit", "table.settle", "storage.joining"):
        assert operation in done
    assert f"repairs/0000{len(mine)}.json)" in done
