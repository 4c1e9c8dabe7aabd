"""What is deleted or spoilt between two commands is noticed and made again; what was there is kept as evidence."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

ROWS, SIZE = 400, 100


@pytest.fixture
def run(runs):
    return runs(ROWS, SIZE)


def delete(run, kind):
    run.one(kind, 1).unlink()


def cut(run, kind):
    path = run.one(kind, 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(run, kind):
    path = run.one(kind, 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def sql(run, *statements):
    with closing(sqlite3.connect(run.folder / "table.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def unfinished(run):
    """Leave three partitions done, and the fourth not."""
    code, _, error = run.give({"FAIL_AT": "399"}, on="inline")
    assert (code, json.loads(error)["ordinal"]) == (4, 399)
    assert len(run.files("receipts")) == 3


def undamaged(run):
    """Return what a run without any accident comes to."""
    words = {"output": f"{run.folder}/other.csv", "workspace": f"{run.folder}/other"}
    assert run.give(**words, table=f"sqlite:///{run.folder}/other.db")[0] == 0
    return (run.folder / "other.csv").read_bytes()


def ended_well(run):
    code, _, error = run.give()
    assert (code, error) == (0, "")
    output, rows = run.ending()
    assert [f"{row[0]},{row[3]}" for row in rows] == output.decode().splitlines()[1:]
    assert output == undamaged(run)


@pytest.mark.parametrize(
    ("damage", "kind", "aside", "redone"),
    [
        (delete, "receipts", 0, {1, 3}),
        (cut, "receipts", 1, {1, 3}),
        (delete, "data", 1, {1, 3}),
        (cut, "data", 1, {1, 3}),
        (spoil, "data", 1, {1, 3}),
    ],
)
def test_a_damaged_object_of_an_unfinished_run_is_made_again(run, damage, kind, aside, redone):
    unfinished(run)
    before = run.files("receipts")
    damage(run, kind)
    ended_well(run)
    after = run.files("receipts")
    assert {index for index, name in enumerate(sorted(after)) if before.get(name) != after[name]} == redone
    assert len(run.files("aside")) == aside


@pytest.mark.parametrize("damage", [delete, cut, spoil])
def test_damaged_data_is_made_again_after_the_table_was_settled(run, damage):
    assert run.give()[0] == 0
    damage(run, "data")
    (run.folder / "out.csv").unlink()
    ended_well(run)
    assert len(run.files("aside")) == 1


def test_a_receipt_of_no_meaning_is_kept_as_evidence(run):
    unfinished(run)
    run.one("receipts", 1).write_bytes(b'{"partition": ')
    ended_well(run)
    assert list(run.files("aside").values()) == [b'{"partition": ']


def test_a_deleted_database_of_an_unfinished_run_is_made_again(run):
    unfinished(run)
    (run.folder / "table.db").unlink()
    ended_well(run)
    assert len(run.files("aside")) == 3


def test_a_dropped_staging_table_is_made_again(run):
    unfinished(run)
    with closing(sqlite3.connect(run.folder / "table.db")) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name GLOB '_rowmill_*'")]
    (staging,) = set(names) - {"_rowmill_markers", "_rowmill_runs"}
    sql(run, f'DROP TABLE "{staging}"')
    ended_well(run)


@pytest.mark.parametrize("statements", [['DROP TABLE "Orders"'], ['DELETE FROM "Orders"']])
def test_a_deleted_or_emptied_table_of_a_finished_run_is_made_again(run, statements):
    assert run.give()[0] == 0
    sql(run, *statements)
    ended_well(run)


def test_a_deleted_database_of_a_finished_run_is_made_again(run):
    assert run.give()[0] == 0
    (run.folder / "table.db").unlink()
    ended_well(run)


def test_a_deleted_output_is_published_again_without_doing_any_row(run):
    assert run.give()[0] == 0
    before = run.files("receipts")
    (run.folder / "out.csv").unlink()
    ended_well(run)
    assert run.files("receipts") == before


def test_damaged_rejects_are_not_published(runs):
    run = runs(ROWS, SIZE)
    words = {"rejects": "10"}
    source = run.folder / "in.csv"
    source.write_text(source.read_text().replace("\n150,", "\n150,one too many,"))
    assert run.give({"FAIL_AT": "399"}, on="inline", **words)[0] == 4
    spoil_only = run.one("rejects")
    good = spoil_only.read_bytes()
    spoil_only.write_bytes(good.replace(b"150", b"151"))
    assert run.give(**words)[0] == 0
    assert (run.folder / "out.csv_Rejects").read_bytes() == good
    assert len(run.files("aside")) == 1


def test_a_fresh_run_that_failed_goes_on_without_being_asked_to_overwrite(run):
    assert run.give()[0] == 0
    change_code(run)
    assert run.give({"FAIL_AT": "0"}, fresh=True)[0] == 4
    assert run.files("receipts") == {}
    ended_well(run)


def test_a_fresh_run_killed_while_it_forgets_never_mixes_old_and_new(runs, tmp_path):
    """Whatever the next command without `--fresh` makes of it, output and table are of the same code."""
    run = runs(20, 10)
    assert run.give()[0] == 0
    change_code(run)
    shutil.copytree(tmp_path, tmp_path.parent / "before")
    objects = sum(len(run.files(kind)) for kind in ("attempts", "data", "receipts", "reports"))
    forgetting = objects + 3  # the table, the report, the manifest
    for operation in range(1, forgetting + 2):
        shutil.rmtree(tmp_path)
        shutil.copytree(tmp_path.parent / "before", tmp_path)
        assert run.give({"DIE_BEFORE": str(operation)}, fresh=True)[0] == -signal.SIGKILL
        code, _, error = run.give()
        assert code == 0 or "code changed" in error
        if code == 0:
            output, rows = run.ending()
            assert [f"{row[0]},{row[3]}" for row in rows] == output.decode().splitlines()[1:]


def change_code(run):
    job = run.folder / "job.py"
    job.write_text(job.read_text().replace("ctx.stable_id()", 'ctx.stable_id("new")'))
