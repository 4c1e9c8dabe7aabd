"""Each kind of damage to a finished run is found, by the level that can see it, and an undamaged run verifies."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from contextlib import closing

import pytest

from rowmill import api
from rowmill.errors import StateError

JOB = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job("orders", table=Table("Orders", key="key"), rejects="100%", writes=Csv(columns=["key", "value", "id"]))


@job.process
def judge(row: dict, ctx) -> dict:
    if row["key"] == "skip":
        return Skip("by its key")
    if row["key"] == "refuse":
        raise Reject("by its key")
    return row | {"id": ctx.stable_id()}
"""
ROWS = [f'k{row:02},"{row}\n"' for row in range(40)]
INPUT = "\n".join(["key,value", *ROWS, "skip,1", "refuse,2", "k03,again", "ragged", ""])


@pytest.fixture
def finished(tmp_path, request):
    """A run of 44 rows in partitions of 10; the fixture's parameter is the output's name."""
    (tmp_path / "verified.py").write_text(JOB)
    (tmp_path / "in.csv").write_text(INPUT)
    report = api.run(
        f"{tmp_path}/verified.py",
        f"{tmp_path}/in.csv",
        output=f"{tmp_path}/{getattr(request, 'param', 'out')}",
        workspace=f"{tmp_path}/work",
        table=f"sqlite:///{tmp_path}/table.db",
        on="inline",
        rows_per_partition=10,
    )
    assert report.counts.duplicates == 1
    return report


def verify(folder, *levels):
    return api.verify(workspace=f"{folder}/work", **dict.fromkeys(levels, True))


def failed(folder, *levels) -> dict[str, str]:
    found = verify(folder, *levels)
    assert found.ok is (not any(check.ok is False for check in found.checks))
    return {check.name: check.detail for check in found.checks if check.ok is False}


LEVELS = ("digests", "table", "replay")


@pytest.mark.parametrize("finished", ["out", "out.gz"], indirect=True)
def test_an_undamaged_run_verifies_on_every_level(tmp_path, finished):
    found = verify(tmp_path, *LEVELS)
    assert (found.schema, found.run_id, found.ok) == ("rowmill.verification/1", finished.run_id, True)
    assert [(check.name, check.ok) for check in found.checks] == [
        (name, True)
        for name in (
            *("manifest", "input", "receipts", "output", "rejects", "table"),
            *("replay counts", "replay output", "replay rejects", "replay table"),
        )
    ]


def test_without_a_level_digests_are_checked_and_no_user_code_is_loaded(tmp_path, finished):
    (tmp_path / "verified.py").unlink()
    found = api.verify(finished.run_id, workspace=f"{tmp_path}/work")
    assert found.ok
    assert [check.name for check in found.checks] == ["manifest", "input", "receipts", "output", "rejects"]


def test_a_changed_byte_of_the_output_is_found_with_its_partition(tmp_path, finished):
    del finished
    data = (tmp_path / "out").read_bytes()
    (tmp_path / "out").write_bytes(data.replace(b"k25", b"k35"))
    assert failed(tmp_path, "digests") == {
        "output": "the output is not what was published, first in the part of partition 2"
    }
    assert failed(tmp_path, "replay") == {"replay output": "the output differs at input row 25, line 52"}


def test_a_changed_header_of_the_output_is_found(tmp_path, finished):
    del finished
    data = (tmp_path / "out").read_bytes()
    (tmp_path / "out").write_bytes(data.replace(b"key,", b"kex,", 1))
    assert failed(tmp_path, "digests") == {
        "output": "the output is not what was published, first in the part of the header"
    }
    assert failed(tmp_path, "replay") == {"replay output": "the output differs in its header"}


def rows_of(data: bytes) -> list[bytes]:
    """Header and rows of an output each of whose rows but the last one spans two lines."""
    return [part for part in data.replace(b'\n",', b'\0",').splitlines(keepends=True) if part]


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows[:20] + rows[21:],
        lambda rows: [*rows[:20], rows[21], rows[20], *rows[22:]],
        lambda rows: rows[:20] + rows[19:],
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [],  # noqa: ARG005
    ],
    ids=["removed", "swapped", "doubled", "last removed", "last doubled", "all removed"],
)
def test_a_row_removed_swapped_or_doubled_in_the_output_is_found(tmp_path, finished, damage):
    rows = rows_of((tmp_path / "out").read_bytes())
    assert len(rows) == finished.counts.written + 1
    (tmp_path / "out").write_bytes(b"".join(damage(rows)).replace(b"\0", b"\n"))
    assert list(failed(tmp_path, "digests")) == ["output"]
    assert list(failed(tmp_path, "replay")) == ["replay output"]


@pytest.mark.parametrize("finished", ["out.gz"], indirect=True)
@pytest.mark.parametrize("at", [12, 100, -1])
def test_damage_to_a_compressed_output_is_found(tmp_path, finished, at):
    del finished
    data = bytearray((tmp_path / "out.gz").read_bytes())
    data[at] ^= 0x55
    (tmp_path / "out.gz").write_bytes(data)
    assert list(failed(tmp_path, "digests")) == ["output"]
    assert list(failed(tmp_path, "replay")) == ["replay output"]


@pytest.mark.parametrize("finished", ["out.gz"], indirect=True)
def test_another_compression_of_the_same_rows_replays_but_is_not_what_was_published(tmp_path, finished):
    del finished
    data = gzip.decompress((tmp_path / "out.gz").read_bytes())
    (tmp_path / "out.gz").write_bytes(gzip.compress(data, 1))
    assert list(failed(tmp_path, "digests")) == ["output"]
    assert failed(tmp_path, "replay") == {}


def test_a_missing_output_is_found(tmp_path, finished):
    del finished
    (tmp_path / "out").unlink()
    assert list(failed(tmp_path, "digests", "table")) == ["output", "table"]
    assert list(failed(tmp_path, "replay")) == ["replay output"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[1:],
        lambda lines: lines[:1],
        lambda lines: [],  # noqa: ARG005
        lambda lines: lines[::-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[0].replace(b"by its key", b"by its kex"), lines[1]],
        lambda lines: [lines[0], lines[1].replace(b"ragged", b"rugged")],
    ],
    ids=["first deleted", "last deleted", "all deleted", "swapped", "doubled", "reason changed", "text changed"],
)
def test_a_reject_deleted_moved_or_changed_is_found(tmp_path, finished, damage):
    path = tmp_path / "out_Rejects"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == finished.counts.rejected == 2
    path.write_bytes(b"".join(damage(lines)))
    assert list(failed(tmp_path, "digests")) == ["rejects"]
    assert list(failed(tmp_path, "replay")) == ["replay rejects"]


def test_a_rejects_file_that_is_gone_is_found(tmp_path, finished):
    del finished
    (tmp_path / "out_Rejects").unlink()
    assert list(failed(tmp_path, "digests")) == ["rejects"]
    assert list(failed(tmp_path, "replay")) == ["replay rejects"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE Orders SET value = 'other' WHERE key = 'k07'",
        "UPDATE Orders SET value = NULL WHERE key = 'k07'",
        "UPDATE Orders SET value = '3\n' WHERE key = 'k03'",  # the loser's value in the winner's place
        "DELETE FROM Orders WHERE key = 'k07'",
        "UPDATE Orders SET key = 'k99' WHERE key = 'k07'",
        "DELETE FROM Orders",
        "DROP TABLE Orders",
        "ALTER TABLE Orders RENAME COLUMN key TO other",
        "ALTER TABLE Orders RENAME COLUMN value TO other",
    ],
)
def test_a_table_whose_row_changed_or_went_is_found(tmp_path, finished, statement):
    del finished
    with closing(sqlite3.connect(tmp_path / "table.db")) as db:
        assert db.execute(statement).rowcount != 0
        db.commit()
    assert list(failed(tmp_path, "table")) == ["table"]
    assert list(failed(tmp_path, "replay")) == ["replay table"]


def test_rows_that_others_added_to_the_table_are_told_and_are_no_damage(tmp_path, finished):
    del finished
    with closing(sqlite3.connect(tmp_path / "table.db")) as db:
        db.execute("INSERT INTO Orders (key, value, id) VALUES ('foreign', '1', '2')")
        db.commit()
    found = verify(tmp_path, "table")
    assert found.ok
    assert found.checks[0].detail.endswith("; 1 others")


def keep_version(path, change) -> None:
    """Change a file behind its modification time."""
    stat = path.stat()
    change(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("old", "new"),
    [("k25,", "k24,"), ("key,", "kex,"), ('k11,"11\n"\n', ""), ("ragged\n", "ragged\nk40,1\n")],
    ids=["a cell", "the header", "a row removed", "a row added"],
)
def test_a_changed_input_is_found(tmp_path, finished, old, new):
    del finished
    keep_version(tmp_path / "in.csv", lambda path: path.write_text(INPUT.replace(old, new)))
    found = failed(tmp_path, "digests")
    assert list(found) == ["input"]
    assert "the input is not what the run read" in found["input"]
    assert not verify(tmp_path, "replay").ok


def test_a_changed_byte_of_the_input_is_found_with_its_partition(tmp_path, finished):
    del finished
    keep_version(tmp_path / "in.csv", lambda path: path.write_text(INPUT.replace("k25,", "k24,")))
    assert failed(tmp_path, "digests")["input"].endswith("first in partition 2")


def test_an_input_that_is_gone_is_found(tmp_path, finished):
    del finished
    (tmp_path / "in.csv").unlink()
    assert list(failed(tmp_path, "digests")) == ["input"]
    assert list(failed(tmp_path, "replay")) == ["replay"]


def change_json(path, change) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))


def run_folder(folder, report):
    return folder / "work/runs" / report.run_id


def test_a_receipt_that_is_gone_is_found(tmp_path, finished):
    next((run_folder(tmp_path, finished) / "receipts").iterdir()).unlink()
    assert "receipts" in failed(tmp_path, "digests")


def test_a_receipt_that_tells_of_another_row_is_found(tmp_path, finished):
    path = run_folder(tmp_path, finished) / "receipts/00001.json"
    change_json(path, lambda receipt: receipt["counts"].update(written=11))
    assert list(failed(tmp_path, "digests")) == ["receipts"]


@pytest.mark.parametrize("name", ["written", "rejected", "duplicates", "read"])
def test_a_report_that_counts_otherwise_is_found(tmp_path, finished, name):
    path = run_folder(tmp_path, finished) / "report.json"
    change_json(path, lambda report: report["counts"].update({name: report["counts"][name] + 1}))
    assert not verify(tmp_path, *LEVELS).ok


@pytest.mark.parametrize("name", ["start", "end", "first_ordinal", "rows", "digest"])
def test_a_manifest_that_was_changed_is_found(tmp_path, finished, name):
    def change(manifest):
        part = manifest["partitions"][1]
        part[name] = "0" * 64 if name == "digest" else part[name] + 1

    change_json(run_folder(tmp_path, finished) / "manifest.json", change)
    assert not verify(tmp_path, "digests").ok


def test_code_that_gives_other_results_now_is_found_by_replay(tmp_path, finished):
    (tmp_path / "changed.py").write_text(JOB.replace("ctx.stable_id()", "ctx.stable_id('other')"))
    found = api.verify(finished.run_id, workspace=f"{tmp_path}/work", job=f"{tmp_path}/changed.py", replay=True)
    assert [check.name for check in found.checks if not check.ok] == ["replay output", "replay table"]


def test_a_program_is_not_replayed_and_no_answer_is_no_failure(tmp_path, finished):
    (tmp_path / "program.py").write_text(
        "from rowmill import Exec, Job, Table\n"
        'job = Job("orders", table=Table("Orders", key="key"), process=Exec(["cp", "{input}", "{output}"]))\n'
    )
    found = api.verify(finished.run_id, workspace=f"{tmp_path}/work", job=f"{tmp_path}/program.py", replay=True)
    assert [(check.name, check.ok) for check in found.checks] == [("replay", None)]
    assert found.ok


def test_code_that_fails_now_is_told_without_row_content(tmp_path, finished):
    (tmp_path / "failing.py").write_text(JOB.replace("row | {", "int(row['value'] + 'x') or {"))
    found = api.verify(finished.run_id, workspace=f"{tmp_path}/work", job=f"{tmp_path}/failing.py", replay=True)
    assert [(check.name, check.ok) for check in found.checks] == [("replay", False)]
    assert found.checks[0].detail == "the function failed with ValueError, and had not in the run"


def test_a_run_that_has_not_ended_cannot_be_verified(tmp_path, finished):
    (run_folder(tmp_path, finished) / "report.json").unlink()
    with pytest.raises(StateError, match="has not ended well"):
        verify(tmp_path, "digests")
