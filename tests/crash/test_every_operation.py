"""A small run, killed before and after everything it does, comes to the same end each time."""

from __future__ import annotations

import gzip

import pytest

from rowmill import ConfigurationError, Job
from rowmill.testing import crash

PLAIN = """
from rowmill import Job, Lines

job = Job("plain", reads=Lines())

@job.process
def keep(line: str):
    return line
"""

ORDERS = """
from rowmill import Context, Csv, Job, Reject, Skip, Table

job = Job("crashing", reads=Csv(), writes=Csv(columns=["id", "note", "uuid", "dice"]), table=Table("Orders", key="id"),
          totals=["amount"])

@job.process
def confirm(row: dict, ctx: Context):
    if row["note"] == "reject":
        raise Reject("not wanted")
    if row["note"] == "skip":
        return Skip("on purpose")
    return row | {"uuid": ctx.stable_id(), "dice": str(ctx.random.random()), "now": str(ctx.now)}
"""


def write_input(path, rows=40):
    notes = {3: "reject", 17: "reject", 20: "skip", 38: "reject"}
    lines = [f'{number % 37},"{notes.get(number, f"note, {number}")}",{number}.10' for number in range(rows)]
    path.write_text("\n".join(["id,note,amount", *lines]) + "\n")


@pytest.fixture
def orders(tmp_path):
    (tmp_path / "orders.py").write_text(ORDERS)
    write_input(tmp_path / "orders.csv")
    return str(tmp_path / "orders.py"), str(tmp_path / "orders.csv")


def test_a_run_killed_at_any_operation_goes_on_to_the_same_end(orders):
    survived = crash.survive(*orders, rows_per_partition=10, rejects="10")
    assert survived.kills == 2 * len(survived.operations)
    done = " ".join(survived.operations)
    for operation in ("table.stage", "stage.add", "stage.commit", "table.settle", "writer.write", "storage.join"):
        assert operation in done
    assert done.count("workspace.create(runs") >= 4 + 1 + 1 + 1  # receipts, manifest, attempt, report


def test_a_run_killed_at_any_change_of_a_file_goes_on_to_the_same_end(orders, tmp_path):
    write_input(tmp_path / "orders.csv", rows=20)
    survived = crash.survive_files(*orders, rows_per_partition=10, rejects="10")
    assert survived.kills == len(survived.operations)
    done = " ".join(survived.operations)
    for change in ("os.link", "os.rename", "os.remove", "os.mkdir", "open"):
        assert f"{change}(" in done


def test_a_compressed_copied_input_and_no_table_survive_too(tmp_path):
    (tmp_path / "lines.py").write_text(PLAIN)
    with gzip.open(tmp_path / "lines.gz", "wb") as out:
        out.write(b"".join(b"line %d\n" % number for number in range(12)))
    survived = crash.survive(f"{tmp_path}/lines.py", f"{tmp_path}/lines.gz", rows_per_partition=6)
    assert any("writer begins" in operation for operation in survived.operations[:6])  # the copy


def test_a_job_that_does_not_repeat_is_told_with_the_operation(tmp_path):
    (tmp_path / "lines.py").write_text(PLAIN.replace("return line", "return str(__import__('uuid').uuid4())"))
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    with pytest.raises(AssertionError, match=r"killed before operation 0, .*output bytes"):
        crash.survive(f"{tmp_path}/lines.py", f"{tmp_path}/lines.txt")


def test_a_job_that_fails_uninterrupted_is_told_so(tmp_path):
    (tmp_path / "lines.py").write_text(PLAIN.replace("return line", "return 1 / 0"))
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    with pytest.raises(AssertionError, match="the uninterrupted run fails: ProcessingError"):
        crash.survive(f"{tmp_path}/lines.py", f"{tmp_path}/lines.txt")


def test_a_job_that_only_this_process_has_cannot_be_crashed(tmp_path):
    with pytest.raises(ConfigurationError, match="another process"):
        crash.survive(Job("local"), str(tmp_path / "x"))
