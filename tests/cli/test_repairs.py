"""Held runs and their repair as a user meets them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import rowmill
from rowmill import HeldError, InputError, IntegrityError, ProcessingError, StateError, api

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
import os

from rowmill import Csv, Job, Reject, Skip, Table

job = Job("mend", reads=Csv(), table=Table("Mended", key="id"))


@job.process
def mend(row: dict):
    with open("calls", "a") as file:
        file.write(row["id"] + "\\n")
    if row["note"] == "boom":
        raise ValueError("as asked for")
    if row["note"] == "bad":
        raise Reject("a bad note")
    return Skip("left out") if row["note"] == "skip" else row
"""
INPUT = "id,note\n1,a\n2,bad\n3\n4,d\n"


class Held:
    """A run of four rows, two of them refused, in two partitions."""

    def __init__(self, folder: Path, rejects: str = "hold") -> None:
        self.folder = folder
        (folder / "job.py").write_text(JOB)
        (folder / "in.csv").write_text(INPUT)
        self.run(rejects)
        self.id = next((folder / ".rowmill/runs").iterdir()).name
        (folder / "calls").unlink()

    def run(self, rejects: str = "hold", **options: object) -> object:
        try:
            return rowmill.run("job.py", "in.csv", on="inline", rejects=rejects, rows_per_partition=2, **options)
        except HeldError as error:
            return error

    def repair(self, text: str, **options: object) -> rowmill.model.report.Report:
        (self.folder / "fix.csv").write_text(text)
        return api.repair(self.id, "fix.csv", **options)

    def table(self) -> list[tuple]:
        with closing(sqlite3.connect(self.folder / "rowmill.db")) as db:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'Mended'").fetchall()
            return db.execute('SELECT id, note FROM "Mended" ORDER BY id').fetchall() if known else []

    def kept(self, kind: str) -> list[str]:
        return sorted(path.name for path in (self.folder / ".rowmill/runs" / self.id).glob(f"{kind}/[!.]*"))

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    @property
    def output(self) -> str | None:
        path = self.folder / "in.csv_Output"
        return path.read_text() if path.exists() else None


@pytest.fixture
def held(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Held(tmp_path)


@pytest.fixture
def published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Held(tmp_path, "2")


def test_only_the_rows_of_the_file_are_done_again(held):
    held.repair('ordinal,line,reason,row\n2,4,,"3,c"\n1,3,,"2,b"\n')
    assert held.calls() == ["2", "3"]
    assert held.output == "id,note\n1,a\n2,b\n3,c\n4,d\n"
    assert held.table() == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]


def test_a_correction_that_is_bad_again_is_named_and_the_others_are_kept(held):
    with pytest.raises(HeldError, match=r"^1 of 4 rows .* refused again: row 3$"):
        held.repair('ordinal,row\n1,"2,b"\n2,"3,bad"\n')
    assert [(one.row, one.reason) for one in api.rejects(held.id).rejects] == [("3,bad", "a bad note")]
    assert (held.output, held.table()) == (None, [])
    assert held.repair('ordinal,row\n2,"3,skip"\n').counts.filtered == {"left out": 1}
    assert held.output == "id,note\n1,a\n2,b\n4,d\n"
    assert held.kept("reports") == ["1.json", "2.json", "3.json"]
    reports = [path.read_bytes() for path in sorted(held.folder.glob(".rowmill/runs/*/reports/*"))]
    statuses = [json.loads(report)["status"] for report in reports]
    assert statuses == ["held", "held", "succeeded"]


def test_views_of_a_held_run_show_what_is_left(held):
    with pytest.raises(HeldError):
        held.repair('ordinal,row\n1,"2,b"\n2,"3,bad"\n')
    seen = api.look(held.id)
    assert (seen.status.state, seen.status.rejected) == ("held", 1)
    assert [(one.reject.ordinal, one.reject.reason) for one in api.refused(seen)] == [(2, "a bad note")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("", "the corrected text is no row"),
        ('"3,""c"', "the corrected text is no row"),
        ('"3,c\n4,d"', "the corrected text is 2 rows"),
        ('"3,c""""c"', "the corrected text breaks RFC 4180"),
        ('"3,c,d"', "3 fields where the header has 2"),
    ],
)
def test_a_corrected_text_that_is_not_one_row_is_refused_as_its_row(held, row, reason):
    with pytest.raises(HeldError, match="refused again: row 3"):
        held.repair(f'ordinal,row\n1,"2,b"\n2,{row}\n')
    assert [one.reason for one in api.rejects(held.id).rejects] == [reason]
    api.waive(held.id, None, reason="as it is")
    assert api.verify(held.id, replay=True).ok


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header"),
        ("ordinal,text\n1,x\n", "has no header with the columns"),
        ("ordinal,row\n", "corrects no row"),
        ('ordinal,row\n0,"1,a"\n', "line 2 of fix.csv speaks of a row that is not among the run's rejects"),
        ('ordinal,row\n1,"2,b"\n1,"2,c"\n', "line 3 of fix.csv corrects a row for the second time"),
        ('ordinal,line,row\n1,4,"2,b"\n', "says line 4 of the input, and the reject with ordinal 1 stands on line 3"),
        ("ordinal,row\n1,2,b\n", "line 2 of fix.csv has 3 columns where its header has 2"),
        ("ordinal,row\none,x\n", "line 2 of fix.csv has a place that is no number"),
        ("ordinal,line,row\n,,x\n", "line 2 of fix.csv says no place"),
    ],
)
def test_a_file_that_does_not_fit_the_run_changes_nothing(held, text, said):
    with pytest.raises(InputError, match=said):
        held.repair(text)
    assert (held.calls(), held.kept("repairs")) == ([], [])


def test_a_file_as_a_spreadsheet_saves_it_is_taken(held):
    (held.folder / "fix.csv").write_bytes("\ufeffOrdinal;Line;Row\r\n;3;2,b\r\n2;;3,c\r\n".encode())
    assert api.repair(held.id, "fix.csv").counts.written == 4


def test_a_rehearsal_tells_and_changes_nothing(held):
    (held.folder / "fix.csv").write_text('ordinal,row\n1,"2,skip"\n2,"3,bad"\n')
    before = {path: path.read_bytes() for path in held.folder.rglob("*") if path.is_file() and path.suffix != ".db"}
    told = api.rehearse(held.id, "fix.csv")
    assert (told.corrected, told.written, told.filtered, told.left) == (2, 0, 1, 1)
    assert [(one.ordinal, one.line, one.reason) for one in told.refused] == [(2, 4, "a bad note")]
    after = {path: path.read_bytes() for path in held.folder.rglob("*") if path.is_file() and path.suffix != ".db"}
    assert set(after) - set(before) == {held.folder / "calls"}
    assert all(after[path] == data for path, data in before.items())


def test_the_same_file_again_does_nothing(held):
    held.repair('ordinal,row\n1,"2,b"\n2,"3,c"\n')
    again = held.repair('ordinal,row\n1,"2,b"\n2,"3,c"\n')
    assert (again.status, held.calls(), held.kept("reports")) == ("repeated", ["2", "3"], ["1.json", "2.json"])
    with pytest.raises(InputError, match="not among the run's rejects"):
        held.repair('ordinal,row\n1,"2,other"\n')


def test_a_held_run_that_is_given_again_is_held_again_and_does_nothing(held):
    assert isinstance(held.run(), HeldError)
    assert (held.calls(), held.kept("reports")) == ([], ["1.json"])


def test_an_exception_ends_a_repair_and_changes_nothing(held):
    with pytest.raises(ProcessingError, match="ValueError: as asked for") as told:
        held.repair('ordinal,row\n1,"2,b"\n2,"3,boom"\n')
    assert told.value.context["line_no"] == 4
    assert held.repair('ordinal,row\n1,"2,b"\n2,"3,c"\n').status == "succeeded"


def test_a_repair_that_the_table_refuses_is_taken_back(held):
    with closing(sqlite3.connect(held.folder / "rowmill.db")) as db:
        db.execute("CREATE TABLE \"Mended\" (id TEXT PRIMARY KEY, note TEXT CHECK (note <> 'worse'))")
    with pytest.raises(ProcessingError, match="refuses row"):
        held.repair('ordinal,row\n1,"2,b"\n2,"3,worse"\n')
    assert (held.output, held.table()) == (None, [])
    assert len(api.rejects(held.id).rejects) == 2
    assert any("repair-1" in name for name in held.kept("aside"))
    held.repair('ordinal,row\n1,"2,b"\n2,"3,better"\n')
    assert held.table() == [("1", "a"), ("2", "b"), ("3", "better"), ("4", "d")]


def test_a_repair_whose_ground_is_gone_waits_again(held):
    with pytest.raises(HeldError):
        held.repair('ordinal,row\n1,"2,b"\n')
    for name in held.kept("data"):
        (held.folder / ".rowmill/runs" / held.id / "data" / name).unlink()
    with pytest.raises(StateError, match="2 of 2 partitions of the run are not processed"):
        held.repair('ordinal,row\n2,"3,c"\n')
    assert isinstance(held.run(), HeldError)
    assert [one.ordinal for one in api.rejects(held.id).rejects] == [1, 2]
    assert any("repair-1" in name for name in held.kept("aside"))
    assert held.repair('ordinal,row\n1,"2,b"\n2,"3,c"\n').counts.written == 4


def test_rows_of_a_repair_that_are_in_the_table_and_gone_from_the_workspace_are_told(published):
    published.repair('ordinal,row\n1,"2,b"\n')
    for name in published.kept("data"):
        (published.folder / ".rowmill/runs" / published.id / "data" / name).unlink()
    (published.folder / "in.csv_Output").unlink()
    with pytest.raises(IntegrityError, match=r"repair 1 made is gone .*, and the table has its rows"):
        published.run("2")


def test_other_code_repairs_only_when_it_is_told_to(held, desk):
    held.folder.joinpath("job.py").write_text(JOB.replace('"bad"', '"worse"'))
    held.folder.joinpath("fix.csv").write_text('ordinal,row\n1,"2,bad"\n2,"3,c"\n')
    assert desk("repair", held.id, "fix.csv").code == 5
    done = desk("repair", held.id, "fix.csv", "--continue", "--json")
    assert len(json.loads(done.out)["code_digests"]) == 2
    assert held.output == "id,note\n1,a\n2,bad\n3,c\n4,d\n"


def test_what_was_published_grows_and_the_growth_stands_beside_it(published):
    report = published.repair('ordinal,row\n2,"3,c"\n')
    assert published.output == "id,note\n1,a\n3,c\n4,d\n"
    assert (published.folder / "in.csv_Output_Repairs").read_text() == "id,note\n3,c\n"
    assert report.repairs.endswith("in.csv_Output_Repairs")
    published.repair('ordinal,row\n1,"2,b"\n')
    assert (published.folder / "in.csv_Output_Repairs").read_text() == "id,note\n2,b\n"
    assert published.table() == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]
    assert api.verify(published.id, digests=True, table=True, replay=True).ok
    assert not (published.folder / "in.csv_Output_Rejects").exists()
    assert published.calls() == ["3", "2", *"1234"]


def test_a_run_anew_forgets_its_repairs(published):
    published.repair('ordinal,row\n2,"3,c"\n')
    report = published.run("2", fresh=True)
    assert (report.counts.rejected, report.amendments) == (2, ())
    assert published.output == "id,note\n1,a\n4,d\n"
    assert published.repair('ordinal,row\n2,"3,c"\n').counts.written == 3


def test_rejects_of_a_run_that_ended_early_are_not_said_to_be_all(desk):
    desk.write("job.py", JOB)
    desk.write("in.csv", INPUT)
    assert desk("run", "job.py", "in.csv", "--rows-per-partition", "2", "--workers", "1").code == 3
    run = next((desk.folder / ".rowmill/runs").iterdir()).name
    listed = desk("rejects", run)
    assert (listed.code, listed.out.strip()) == (0, "no rejects")
    assert "2 of 2 partitions are not done, and their rejects are not known" in listed.err


def test_verbs_say_by_their_exit_codes_whose_turn_it_is(desk):
    desk.write("job.py", JOB)
    desk.write("in.csv", INPUT)
    assert desk("run", "job.py", "in.csv", "--rejects", "hold").code == 7
    run = next((desk.folder / ".rowmill/runs").iterdir()).name
    assert json.loads(desk("rejects", run, "--json").out)["schema"] == "rowmill.rejects/1"
    desk.write("fix.csv", desk("rejects", run, "--csv").out.replace("bad", "b", 2))
    assert "held" in desk("status", run).out
    for verb in (("report", run), ("verify", run), ("evidence", run, "e.zip")):
        early = desk(*verb)
        assert (early.code, "has not ended well" in early.err) == (5, True)
        assert "`rowmill rejects" in early.err or f"`rowmill status {run}`" in early.err
    assert json.loads(desk("repair", run, "fix.csv", "--dry-run", "--json").out)["left"] == 1
    assert desk("repair", run, "fix.csv", "--by", "Ada").code == 7
    assert desk("repair", run, "gone.csv").code == 3
    assert desk("repair", "0123", "fix.csv").code == 5
    assert desk("rejects", "0123").code == 5
    assert desk("waive", run, "--all", "--reason", " ").code == 2
    assert desk("waive", run, "--reason", "why").code == 2
    assert desk("waive", run, "--rows", "2-x", "--reason", "why").code == 2
    stranger = desk("waive", run, "--rows", "0", "--reason", "why")
    assert (stranger.code, "the row with the ordinal 0 is not among the rejects" in stranger.err) == (3, True)
    done = desk("waive", run, "--rows", "2", "--reason", "agreed", "--by", "Ada", "--json")
    (first, last) = json.loads(done.out)["amendments"]
    assert (done.code, first["by"], last["reason"], last["waived"]) == (0, "Ada", "agreed", [2])
    assert "nothing was left to do" in desk("waive", run, "--all", "--reason", "again").out
    assert "waived" in desk("rejects", run).out
