"""What earlier runs did, and what was changed behind their back, is told; nothing is done silently."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from rowmill import StateError, api
from rowmill.model import identity

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.model.report import Report

JOB = """
from rowmill import Csv, Job, Table

job = Job("told", reads=Csv(), writes=Csv(), table=Table("Orders", key="id"), rows_per_partition=2)


@job.process
def told(row: dict) -> dict:
    return row
"""
OLD, NEW = 1_000_000_000, 2_000_000_000  # seconds


class Place:
    """A folder in which a file is done again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        (folder / "job.py").write_text(JOB)

    def write(self, text: str, at: int, name: str = "in.csv") -> None:
        (self.folder / name).write_text("id,n\n" + text)
        os.utime(self.folder / name, (at, at))

    def run(self, name: str = "in.csv", **how: object) -> Report:
        words = {"workspace": str(self.folder / "w"), "table": f"sqlite:///{self.folder}/t.db", "on": "inline", **how}
        return api.run(f"{self.folder}/job.py", str(self.folder / name), tell=self.notes.append, **words)

    @property
    def output(self) -> Path:
        return self.folder / "in.csv_Output"

    def table(self) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.folder / "t.db")) as opened:
            return sorted(opened.execute("SELECT id, n FROM Orders"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_finished_run_that_is_repeated_says_so_and_writes_nothing(place: Place) -> None:
    place.write("a,1\n", OLD)
    first = place.run()
    before = place.output.stat()
    assert place.run().status == "repeated"
    assert place.output.stat() == before
    assert (first.status, place.notes) == ("succeeded", [])


def test_the_same_content_under_another_name_is_refused_with_run_and_date(place: Place) -> None:
    place.write("a,1\n", OLD)
    place.write("a,1\n", NEW, "copy.csv")
    first = place.run()
    with pytest.raises(StateError, match=f"{first.run_id} did the same content on {first.end[:10]}"):
        place.run("copy.csv")
    assert not (place.folder / "copy.csv_Output").exists()


@pytest.mark.parametrize("statement", ["DELETE FROM Orders", "DROP TABLE Orders"])
def test_a_table_that_was_emptied_is_told_before_it_is_filled_again(place: Place, statement: str) -> None:
    place.write("a,1\nb,2\n", OLD)
    place.run()
    with closing(sqlite3.connect(place.folder / "t.db")) as opened, opened:
        opened.execute(statement)
    assert place.run().status == "succeeded"
    (note,) = place.notes
    assert "its rows are gone from the table" in note
    assert place.table() == [("a", "1"), ("b", "2")]


def test_repaired_rows_are_not_done_anew_unrepaired_when_the_table_lost_them(place: Place) -> None:
    place.write("a,1\nb\nc\n", OLD)
    run = place.run(rejects="2").run_id
    (place.folder / "fix.csv").write_text('ordinal,row\n1,"b,2"\n')
    api.repair(run, str(place.folder / "fix.csv"), workspace=f"{place.folder}/w")
    api.waive(run, None, reason="agreed", workspace=f"{place.folder}/w")
    before = place.output.read_bytes()
    with closing(sqlite3.connect(place.folder / "t.db")) as opened, opened:
        opened.execute("DELETE FROM Orders")
    with pytest.raises(StateError, match=r"with repairs or waivers \(2\), and its rows are gone from the table"):
        place.run(rejects="2")
    assert (place.notes, place.output.read_bytes()) == ([], before)
    assert api.status(run, workspace=f"{place.folder}/w").state == "succeeded"
    with closing(sqlite3.connect(place.folder / "t.db")) as opened, opened:
        opened.executemany("INSERT INTO Orders VALUES (?, ?)", [("a", "1"), ("b", "2")])
    assert place.run(rejects="2").status == "repeated"


def test_a_step_alone_tells_the_same_as_a_run(place: Place) -> None:
    place.write("a,1\n", OLD)
    place.run()
    place.output.unlink()
    words = {"workspace": str(place.folder / "w"), "table": f"sqlite:///{place.folder}/t.db", "on": "inline"}
    api.split(f"{place.folder}/job.py", str(place.folder / "in.csv"), tell=place.notes.append, **words)
    assert "its output is gone" in place.notes[0]
    place.write("a,0\n", OLD - 1)
    with pytest.raises(StateError, match="older"):
        api.split(f"{place.folder}/job.py", str(place.folder / "in.csv"), **words)


def test_an_output_that_is_gone_is_told_before_it_is_published_again(place: Place) -> None:
    place.write("a,1\n", OLD)
    place.run()
    before = place.output.read_bytes()
    place.output.unlink()
    place.run()
    assert place.output.read_bytes() == before
    (note,) = place.notes
    assert "its output is gone" in note


@pytest.mark.parametrize("edited", ["id,n\na,2\n", "id,n\na,1,more\n"])
def test_an_output_that_somebody_changed_is_replaced_only_when_asked_for(place: Place, edited: str) -> None:
    place.write("a,1\n", OLD)
    place.run()
    before = place.output.read_bytes()
    place.output.write_text(edited)
    with pytest.raises(StateError, match="somebody has changed the output"):
        place.run()
    assert place.output.read_text() == edited
    place.run(overwrite=True)
    assert place.output.read_bytes() == before


def test_an_output_that_was_only_touched_is_the_same(place: Place) -> None:
    place.write("a,1\n", OLD)
    place.run()
    os.utime(place.output, (OLD, OLD))
    assert place.run().status == "repeated"


def test_an_older_file_after_a_newer_one_is_refused_before_anything_is_written(place: Place) -> None:
    place.write("a,new\n", NEW)
    newer = place.run()
    kept = place.output.read_bytes()
    place.write("a,old\nb,old\n", OLD)
    runs = len(api.runs(workspace=str(place.folder / "w")))
    with pytest.raises(StateError, match=f"older than what run {newer.run_id}") as refused:
        place.run(overwrite=True)
    assert "--fresh" in refused.value.hint
    assert place.output.read_bytes() == kept
    assert len(api.runs(workspace=str(place.folder / "w"))) == runs
    assert place.run(fresh=True).counts.written == 2
    assert place.table() == [("a", "old"), ("b", "old")]


def test_a_newer_file_after_an_older_one_is_no_surprise(place: Place) -> None:
    place.write("a,old\n", OLD)
    place.run()
    place.write("a,new\n", NEW)
    assert place.run(overwrite=True).status == "succeeded"
    assert place.notes == []


def test_a_run_whose_output_a_later_one_replaced_is_not_called_done(place: Place) -> None:
    place.write("a,old\n", OLD)
    first = place.run()
    place.write("a,new\n", NEW)
    newer = place.run(overwrite=True)
    place.write("a,old\n", OLD)
    for overwrite in (False, True):
        with pytest.raises(StateError, match=f"run {newer.run_id}") as refused:
            place.run(overwrite=overwrite)
        assert refused.value.context["run_id"] == first.run_id
    assert place.table() == [("a", "new")]
    assert place.run(fresh=True).run_id == first.run_id
    assert place.table() == [("a", "old")]


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("1-9", "2-1", True), ("2-1", "1-9", False), ("9-1", "10-1", True), ("1-1", "1-2", False), ("etag", "2-1", False)],
)
def test_only_versions_that_hold_a_time_tell_which_is_older(version: str, than: str, *, older: bool) -> None:
    assert identity.is_older(version, than) is older
