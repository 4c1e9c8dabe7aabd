"""A file that is dropped into a watched folder is run once, when it is complete, and leaves it, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import Desk, Ended, desk, ended, names, until
from tests.evidence.test_notifying import hook

from rowmill.runners import dropping, watching

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

__all__ = ["desk", "until"]

# Each call is told in a file; row 3 of a file with a poison dies, rows wait while there is a file `hold`.
JOB = """
import os
import time

from rowmill import Csv, Job, Table, TransientError

job = Job("dropped", reads=Csv(), writes=Csv(), table=Table("Names", key="id"), tries=1)


@job.process
def dropped(row: dict) -> dict:
    while os.path.exists("hold"):
        time.sleep(0.01)
    if row["name"] == "poison":
        os.kill(os.getpid(), 9)
    if row["name"] == "bad":
        raise ValueError("bad")
    if row["name"] == "busy" and not os.path.exists("open"):
        raise TransientError("closed", hint="wait")
    return row
"""


@pytest.fixture
def drop(desk: Desk) -> Desk:
    desk.write("job.py", JOB)
    (desk.folder / "in").mkdir()
    return desk


def watch(desk: Desk, *options: str) -> tuple[Ended, list[dict[str, Any]]]:
    done = desk("watch", "in", "--job", "job.py", "--settle", "0", "--once", "--json", *options)
    return done, [json.loads(line) for line in done.out.splitlines()]


def there(desk: Desk, folder: str = "in") -> list[str]:
    return sorted(path.name for path in (desk.folder / folder).iterdir() if path.is_file() and path.name[0] != ".")


def table(desk: Desk) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(desk.folder / "rowmill.db")) as opened:
        return sorted(opened.execute("SELECT id, name FROM Names"))


def csv(*rows: str) -> str:
    return "\n".join(["id,name", *rows]) + "\n"


def test_files_are_run_in_the_order_of_their_time_and_put_away(drop: Desk) -> None:
    for name, at in (("b.csv", 1), ("a.csv", 2)):
        drop.write(f"in/{name}", csv(f"{name},x"))
        os.utime(drop.folder / "in" / name, (at, at))
    for other in ("notes.txt", ".hidden.csv"):
        drop.write(f"in/{other}", csv("1,x"))
    done, ends = watch(drop)
    assert done.code == 0, done.err
    assert [(end["file"], end["state"], end["report"]["counts"]["written"]) for end in ends] == [
        ("b.csv", "done", 1),
        ("a.csv", "done", 1),
    ]
    assert there(drop) == ["notes.txt"]
    assert there(drop, "in/done") == ["a.csv", "b.csv"]
    assert (drop.folder / "in/output/a.csv_Output").read_text() == csv("a.csv,x")
    again, ends = watch(drop, "--pattern", "*.csv*")
    assert (again.code, ends) == (0, [])


def test_a_file_whose_run_fails_is_put_aside_with_its_failure_and_the_next_one_is_run(drop: Desk) -> None:
    drop.write("in/bad.csv", csv("1,x", "2,bad"))
    os.utime(drop.folder / "in/bad.csv", (1, 1))
    drop.write("in/good.csv", csv("1,x"))
    done, ends = watch(drop)
    assert done.code == 4
    assert [end["state"] for end in ends] == ["failed", "done"]
    assert there(drop, "in/failed") == ["bad.csv", "bad.csv.failure.json"]
    failure = json.loads((drop.folder / "in/failed/bad.csv.failure.json").read_text())
    assert (failure["schema"], failure["exit_code"], failure["line_no"]) == ("rowmill.failed/1", 4, 3)
    assert table(drop) == [("1", "x")]


def test_nothing_is_replaced_when_a_name_comes_again(drop: Desk) -> None:
    for content in ("x", "y"):
        drop.write("in/a.csv", csv(f"1,{content}"))
        done, _ = watch(drop, "--overwrite")
        assert done.code == 0, done.err
    assert there(drop, "in/done") == ["a.2.csv", "a.csv"]
    assert (drop.folder / "in/done/a.2.csv").read_text() == csv("1,y")
    drop.write("in/a.csv", csv("1,z"))
    done, ends = watch(drop)  # its output would replace another run's
    assert (done.code, ends[0]["state"]) == (5, "failed")
    assert (drop.folder / "in/output/a.csv_Output").read_text() == csv("1,y")


def test_the_same_content_twice_is_told_and_put_aside(drop: Desk) -> None:
    drop.write("in/a.csv", csv("1,x"))
    assert watch(drop)[0].code == 0
    drop.write("in/b.csv", csv("1,x"))
    done, ends = watch(drop)
    assert done.code == 5
    assert "did the same content" in ends[0]["error"]["message"]
    assert there(drop, "in/failed") == ["b.csv", "b.csv.failure.json"]


def test_a_file_whose_places_are_busy_stays_and_is_tried_again(drop: Desk) -> None:
    drop.write("in/a.csv", csv("1,busy"))
    done, ends = watch(drop)
    assert (done.code, ends[0]["state"]) == (75, "waits")
    assert there(drop) == ["a.csv"]
    drop.write("open", "")
    assert watch(drop)[0].code == 0
    assert there(drop, "in/done") == ["a.csv"]


def test_a_file_that_is_held_stays_until_its_rejects_are_settled(drop: Desk) -> None:
    drop.write("job.py", JOB.replace("raise ValueError", "raise Reject").replace("import Csv,", "import Csv, Reject,"))
    drop.write("in/a.csv", csv("1,x", "2,bad"))
    done, ends = watch(drop, "--rejects", "hold")
    assert (done.code, ends[0]["state"]) == (7, "held")
    assert (there(drop), there(drop, "in/failed")) == (["a.csv"], [])
    run = str(ends[0]["error"]["run_id"])
    assert drop("waive", run, "--all", "--reason", "agreed").code == 0
    done, ends = watch(drop, "--rejects", "hold")
    assert (done.code, ends[0]["state"], there(drop)) == (0, "done", [])
    assert table(drop) == [("1", "x")]


def test_with_a_marker_a_file_is_run_when_its_marker_is_there_and_both_go(drop: Desk) -> None:
    drop.write("in/a.csv", csv("1,x"))
    drop.write("in/b.csv", csv("2,x"))
    drop.write("in/b.csv.ok", "")
    known: dict[Path, Any] = {}
    places = dropping.Places(
        *(drop.folder / name for name in ("in", "o", "d", "f")), pattern="*", marker=".ok", settle_s=0
    )
    assert [path.name for path in dropping.complete(places, known)] == ["b.csv"]
    with hook(200) as (url, got):
        done, ends = watch(drop, "--marker", ".ok", "--pattern", "*", "--notify", url)
    assert (done.code, [end["file"] for end in ends]) == (0, ["b.csv"])
    assert there(drop) == ["a.csv"]
    assert [(one.value["event"], one.value["report"]["run_id"]) for one in got] == [
        ("done", ends[0]["report"]["run_id"])
    ]


def test_a_file_that_grows_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    places = dropping.Places(tmp_path, *(tmp_path / name for name in "odf"), pattern="*", marker="", settle_s=0.05)
    known: dict[Path, Any] = {}
    for _ in range(3):
        assert dropping.complete(places, known) == []
        time.sleep(0.06)
        with (tmp_path / "a.csv").open("a") as file:
            file.write("1")
    assert dropping.complete(places, known) == []
    time.sleep(0.06)
    assert dropping.complete(places, known) == [tmp_path / "a.csv"]


def test_a_move_that_was_cut_off_is_ended_and_the_file_is_not_run_again(tmp_path: Path) -> None:
    places = dropping.Places(tmp_path, *(tmp_path / name for name in "odf"), pattern="*", marker=".ok", settle_s=0)
    dropping.prepare(places)
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "a.csv.ok").touch()
    os.link(tmp_path / "a.csv", places.done / "a.csv")
    dropping.finish_moves(places)
    assert dropping.complete(places, {}) == []
    assert not (tmp_path / "a.csv.ok").exists()
    assert (places.done / "a.csv").read_text() == "1"


@pytest.mark.parametrize("dies_at", range(4))
def test_a_file_that_failed_never_lies_aside_without_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    places = dropping.Places(tmp_path, *(tmp_path / name for name in "odf"), pattern="*", marker=".ok", settle_s=0)
    dropping.prepare(places)
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "a.csv.ok").touch()
    changes = iter(range(100))

    def dying(change: Any) -> Any:
        def do(*words: Any, **how: Any) -> Any:
            if next(changes) == dies_at:
                raise KeyboardInterrupt
            return change(*words, **how)

        return do

    for name in ("link", "unlink", "replace", "rename"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    with suppress(KeyboardInterrupt):
        dropping.leave(places, tmp_path / "a.csv", places.failed, {"message": "why"})
    monkeypatch.undo()
    dropping.finish_moves(places)
    if dropping.complete(places, {}):  # it is run again, and fails again
        dropping.leave(places, tmp_path / "a.csv", places.failed, {"message": "why"})
    assert sorted(path.name for path in places.failed.iterdir()) == ["a.csv", "a.csv.failure.json"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == []


def started(drop: Desk, until: Callable[[Callable[[], object]], None]) -> subprocess.Popen[bytes]:
    """Watch, and wait until a file is under way that stands still."""
    process = drop.start("watch", "in", "--job", "job.py", "--settle", "0")
    until(lambda: list(drop.folder.glob(".rowmill/runs/*/attempts/*")) or process.poll() is not None)
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_watcher_that_ends_in_the_middle_of_a_file_is_started_again_and_does_each_file_once(
    drop: Desk, until: Any, number: signal.Signals
) -> None:
    drop.write("hold", "")
    for name in ("a", "b"):
        drop.write(f"in/{name}.csv", names(20).replace("name ", name))
    with started(drop, until) as process:
        process.send_signal(number)
        told = ended(process)
    assert told.code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert there(drop) == ["a.csv", "b.csv"]
    (drop.folder / "hold").unlink()
    done, ends = watch(drop)
    assert done.code == 0, done.err
    assert [end["state"] for end in ends] == ["done", "done"]
    assert (there(drop), there(drop, "in/done")) == ([], ["a.csv", "b.csv"])


def test_a_watcher_that_is_killed_again_and_again_at_any_moment_does_each_file_once(drop: Desk) -> None:
    for number in range(4):
        drop.write(f"in/{number}.csv", csv(*(f"{number}-{i},x" for i in range(50))))
    for wait_s in (0.25, 0.45, 0.65, 0.85):
        with drop.start("watch", "in", "--job", "job.py", "--settle", "0") as process:
            time.sleep(wait_s)
            process.kill()
            ended(process)
    assert watch(drop)[0].code == 0
    assert there(drop) == []
    assert there(drop, "in/done") == [f"{number}.csv" for number in range(4)]
    assert there(drop, "in/failed") == []
    assert len(table(drop)) == 200
    for number in range(4):
        assert (drop.folder / f"in/output/{number}.csv_Output").read_text().count("\n") == 51


def test_a_run_that_had_ended_when_its_watcher_died_is_not_done_again(drop: Desk) -> None:
    drop.write("in/a.csv", csv("1,x"))
    assert drop("run", "job.py", "in/a.csv", "--output", "in/output/a.csv_Output").code == 0
    done, ends = watch(drop)
    assert (done.code, ends[0]["state"], ends[0]["report"]["status"]) == (0, "done", "repeated")


def test_a_file_that_kills_its_process_is_put_aside_after_three_deaths(
    drop: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop.write("in/a.csv", csv("1,poison"))
    done, ends = watch(drop)
    assert (done.code, ends[0]["state"]) == (75, "waits")
    assert "died (signal 9)" in ends[0]["error"]["message"]
    monkeypatch.chdir(drop.folder)
    folders = (drop.folder / "in" / name for name in ("", "output", "done", "failed"))
    places = dropping.Places(*folders, pattern="*.csv", marker="", settle_s=0)
    watched = watching.Watch(places, {"job": "job.py"}, None, lambda _: None, lambda _: None)
    path = drop.folder / "in" / "a.csv"
    file = watching.File(path, dropping.version_of(path))
    assert watching._one(watched, file, {file: 2}).state == "failed"


def test_changed_code_is_picked_up_by_a_watcher_that_lives(drop: Desk, until: Any) -> None:
    with drop.start("watch", "in", "--job", "job.py", "--settle", "0") as process:
        drop.write("in/a.csv", csv("1,x"))
        until((drop.folder / "in/done/a.csv").exists)
        drop.write("job.py", JOB.replace("return row", 'return row | {"name": "new"}'))
        drop.write("in/.b.csv", csv("2,x"))
        (drop.folder / "in/.b.csv").rename(drop.folder / "in/b.csv")
        until((drop.folder / "in/done/b.csv").exists)
        process.terminate()
        ended(process)
    assert table(drop) == [("1", "x"), ("2", "new")]


@pytest.mark.parametrize(
    "options",
    [("--output-dir", "in"), ("--done-dir", "in"), ("--failed-dir", "in"), ("--notify", "http://example.com")],
)
def test_what_cannot_go_well_is_refused_before_the_first_file(drop: Desk, options: tuple[str, ...]) -> None:
    drop.write("in/a.csv", csv("1,x"))
    done, ends = watch(drop, *options)
    assert (done.code, ends) == (2, [])
    assert there(drop) == ["a.csv"]


def test_a_place_on_another_file_system_is_refused(drop: Desk) -> None:
    other = Path("/dev/shm")  # noqa: S108 - where Linux has one in memory
    if not other.is_dir() or other.stat().st_dev == drop.folder.stat().st_dev:
        pytest.skip("there is no other file system")
    with TemporaryDirectory(dir=other) as folder:
        done, ends = watch(drop, "--done-dir", folder)
        assert list(Path(folder).iterdir()) == []
    assert (done.code, ends) == (2, [])
    assert "hard links" in done.err


def test_a_job_that_is_not_there_and_a_second_watcher_are_refused(drop: Desk, until: Any) -> None:
    drop.write("in/a.csv", csv("1,x"))
    assert drop("watch", "in", "--job", "none.py", "--once").code == 2
    assert there(drop) == ["a.csv"]
    drop.write("hold", "")
    with started(drop, until) as process:
        second, _ = watch(drop)
        assert second.code == 5
        assert "another watches" in second.err
        process.terminate()
        ended(process)
