import json
import os
import signal
import subprocess
import sys
import time

import pytest

ORDERS = 'id,name,card\n1,Ann,4111\n2,"Bo\nb",4222\n3,Cy,4333\n4,Dee,4444\n'
JOB = """
import uuid
from rowmill import Csv, Job, Reject, Skip, Table

job = Job(
    "orders",
    table=Table("Orders", key="id", columns={"id": "order_id", "name": "name", "card": "card"}, null="Dee"),
    sensitive=["card"],
)


@job.process
def each(row, ctx):
    if row["id"] == "2":
        return Skip("two")
    if row["id"] == "3":
        raise Reject("three")
    return row | {"ours": ctx.stable_id()}
"""


@pytest.fixture
def here(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def tried(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "rowmill", "try", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


def answer(*words, cwd):
    done = tried(*words, "--json", cwd=cwd)
    return done.returncode, json.loads(done.stdout)


def test_each_row_is_shown_as_read_as_saved_and_as_written(here):
    code, found = answer("job.py", "orders.csv", cwd=here)
    assert code == 0
    assert [(row["line"], row["outcome"], row["reason"]) for row in found["rows"]] == [
        (2, "written", ""), (3, "filtered", "two"), (5, "rejected", "three"), (6, "written", ""),
    ]  # fmt: skip
    first, last = found["rows"][0], found["rows"][3]
    assert first["read"] == {"id": "1", "name": "Ann", "card": "(sensitive)"}
    assert first["table"] == {"order_id": "1", "name": "Ann", "card": "(sensitive)"}
    assert first["output"].startswith("1,Ann,(sensitive),")
    assert last["table"]["name"] is None
    assert sorted(path.name for path in here.iterdir()) == ["job.py", "orders.csv"]


def test_ids_are_those_of_the_run(here):
    _, found = answer("job.py", "orders.csv", "--rows", "1", cwd=here)
    subprocess.run(
        [sys.executable, "-m", "rowmill", "run", "job.py", "orders.csv", "--rejects", "1"], cwd=here, check=True
    )
    ours = (here / "orders.csv_Output").read_text().splitlines()[1].rpartition(",")[2]
    assert found["rows"][0]["output"].endswith(ours)


@pytest.mark.parametrize(("line", "first"), [(1, 2), (3, 3), (4, 5), (6, 6)])
def test_it_begins_with_the_row_that_begins_on_the_line_or_after_it(here, line, first):
    _, found = answer("job.py", "orders.csv", "--from-line", str(line), "--rows", "1", cwd=here)
    assert [row["line"] for row in found["rows"]] == [first]


def test_a_line_behind_the_last_row_is_told(here):
    done = tried("job.py", "orders.csv", "--from-line", "7", cwd=here)
    assert done.returncode == 3
    assert "no row begins on line 7 or after it" in done.stderr


def test_what_a_second_call_does_otherwise_is_told(here):
    (here / "job.py").write_text(JOB.replace('"ours": ctx.stable_id()', '"ours": str(uuid.uuid4()), "same": 1'))
    code, found = answer("job.py", "orders.csv", cwd=here)
    assert (code, found["rows"][0]["differs"]) == (0, ["ours"])
    assert "NOT REPEATABLE" in tried("job.py", "orders.csv", cwd=here).stdout


def test_a_row_that_fails_is_shown_among_the_others_and_ends_in_exit_4(here):
    (here / "job.py").write_text(JOB.replace('raise Reject("three")', "return 1 / 0"))
    code, found = answer("job.py", "orders.csv", cwd=here)
    assert (code, [row["outcome"] for row in found["rows"]]) == (4, ["written", "filtered", "failed", "written"])
    assert "ZeroDivisionError" in found["rows"][2]["reason"]


def test_no_sensitive_value_is_shown(here):
    shown = tried("job.py", "orders.csv", cwd=here)
    assert "(sensitive)" in shown.stdout
    assert not any(card in shown.stdout + shown.stderr for card in ("4111", "4222", "4333", "4444"))


def test_a_program_and_a_function_of_chunks_are_tried_too(here):
    (here / "job.py").write_text(
        "from rowmill import Exec, Job, Csv\n"
        'job = Job("x", process=Exec(["cp", "{input}", "{output}"]))\n'
        'other = Job("y")\n'
        "@other.process_chunk\ndef each(rows, ctxs):\n    return [row | {'n': str(len(rows))} for row in rows]\n"
    )
    code, found = answer("job.py", "orders.csv", cwd=here)
    assert (code, found["rows"][1]["output"]) == (0, '"2","Bo\nb",4222'.replace('"2"', "2"))
    assert answer("job.py:other", "orders.csv", cwd=here)[1]["rows"][0]["output"] == "1,Ann,4111,1"


def test_with_reload_a_change_of_the_code_is_tried_at_once(here):
    command = [sys.executable, "-m", "rowmill", "try", "job.py", "orders.csv", "--rows", "1", "--reload"]
    out = here / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(command, cwd=here, stdout=file, stderr=file, start_new_session=True)
    try:
        until(lambda: b"waiting for a change" in out.read_bytes())
        (here / "job.py").write_text(JOB.replace("    return row |", '    raise Reject("changed")\n    return row |'))
        until(lambda: b"changed" in out.read_bytes())
        until(lambda: out.read_bytes().count(b"waiting for a change") == 2)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
    assert b"Traceback" not in out.read_bytes()


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
