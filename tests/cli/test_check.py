"""A check tries what a run needs, ends as the run would, and leaves nothing behind."""

from __future__ import annotations

import json

import pytest

from .conftest import ECHO, Desk, names


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(5))
    return desk


def everything(desk: Desk) -> set[str]:
    return {str(path.relative_to(desk.folder)) for path in desk.folder.rglob("*") if "__pycache__" not in path.parts}


def test_every_place_is_tried_and_nothing_is_left(ready: Desk) -> None:
    before = everything(ready)
    done = ready("check", "job.py", "in.csv", "--workspace", "work", "--json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["schema"] == "rowmill.check/1"
    assert [place["place"] for place in answer["places"]] == ["input", "output", "workspace", "table"]
    left = everything(ready) - before
    assert not [name for name in left if (ready.folder / name).is_file() and not name.startswith("rowmill.db")]
    shown = ready("check", "job.py", "in.csv")
    assert "written, read and removed" in shown.out


def test_what_would_end_the_run_ends_the_check(ready: Desk) -> None:
    ready.write("taken", "")
    ready.write("out.csv", "precious")
    for words, code in (
        (("job.py", "absent.csv"), 3),
        (("absent.py", "in.csv"), 2),
        (("job.py", "in.csv", "--workspace", "taken/below"), 2),
        (("job.py", "in.csv", "--output", "out.csv"), 5),
        (("job.py", "in.csv", "--table", "oracle://x/y"), 2),
        (("job.py", "-"), 2),
    ):
        ended = ready("check", *words)
        assert (ended.code, ended.out) == (code, ""), words
        assert ended.err.startswith("error: ")
    assert ready("check", "job.py", "in.csv", "--output", "out.csv", "--overwrite").code == 0
    assert (ready.folder / "out.csv").read_text() == "precious"


def test_a_tracker_that_does_not_answer_is_exit_75(ready: Desk) -> None:
    ended = ready("check", "job.py", "in.csv", "--tracker", "redis://127.0.0.1:1")
    assert ended.code == 75
    assert "the tracker does not answer" in ended.err


def test_a_pod_that_checks_takes_the_words_of_the_run(ready: Desk) -> None:
    log = ready.folder / "log"
    words = ("--fresh", "--workers=5", "--rejects=3", "--param=a=b", "--rows-per-partition=10", "--write-rate=5")
    env = {"ROWMILL_TERMINATION_LOG": str(log)}
    assert ready("check", *words, "--", "job.py", "in.csv", env=env).code == 0
    told = json.loads(log.read_bytes())
    assert (told["schema"], told["step"]) == ("rowmill.step/1", "check")
    assert [place["place"] for place in told["places"]] == ["input", "output", "workspace", "table"]


def test_rows_that_do_not_read_and_keys_that_come_again_are_exit_3(ready: Desk) -> None:
    (ready.folder / "bad.csv").write_text("id,n\na,1\nb\na,2\n")
    (ready.folder / "keyed.py").write_text(
        "from rowmill import Job, Table\njob = Job('k', table=Table('t', key='id'))\njob.process(lambda row: row)\n"
    )
    told = ready("check", "keyed.py", "bad.csv", "--json")
    assert told.code == 3
    found = json.loads(told.out)["rows"]
    assert (found["rows"], found["malformed"], found["doubled"]) == (3, 1, 2)
    assert [one["line"] for one in found["findings"]] == [2, 3, 4]
    assert "its key (id) is that of line 4" in ready("check", "keyed.py", "bad.csv").out
    assert ready("check", "keyed.py", "bad.csv", "--places-only").code == 0


def test_keys_in_json_lines_are_compared_too(desk: Desk) -> None:
    desk.write("job.py", ECHO.replace("reads=Csv()", "reads=Jsonl()").replace("import Csv,", "import Csv, Jsonl,"))
    desk.write("in.jsonl", '{"id":1}\n{"id":[2]}\n{"name":"no key"}\n7\n{"id":[2]}\n{"name":"no key"}\n{"id":1}\n')
    found = desk("check", "job.py", "in.jsonl", "--json")
    rows = json.loads(found.out)["rows"]
    assert (found.code, rows["doubled"], rows["keys"]) == (3, 2, ["id"])
    assert [(one["line"], one["reason"]) for one in rows["findings"]] == [
        (1, "its key (id) is that of line 7"),
        (7, "its key (id) is that of line 1"),
    ]
