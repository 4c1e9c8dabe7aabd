import gzip
import json
import subprocess
import sys

import pytest


def rowmill(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "rowmill", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("orders.csv", b"Order ID,Name\n1,x\n2,y\n3,z\n"),
        ("orders.tsv", b'1\tsay "hi"\n2\tthe "x"\n'),
        ("orders.jsonl", b'{"id": 1}\n{"id": 2}\n'),
        ("lines.txt", b"one\ntwo\n"),
        ('odd """ name\\.csv', b'a,"b ""\\x\n"\n1,x\n2,y\n'),
        ("orders.csv.gz", gzip.compress(b"a;b\n1;x\n2;y\n", mtime=0)),
        ("one.csv", b"a,b\n"),
    ],
)
def test_the_job_that_is_written_runs_as_it_is(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    made = rowmill("init", name, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    done = rowmill("run", "job.py", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "proved" in done.stdout


def test_what_comes_next_can_be_given_to_a_shell(tmp_path):
    (tmp_path / "my file.csv").write_bytes(b"a,b\n1,2\n")
    told = rowmill("init", "my file.csv", cwd=tmp_path).stdout
    assert told.splitlines()[-1] == "next: rowmill try job.py 'my file.csv'"


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "job.py").write_text("mine")
    refused = rowmill("init", "a.csv", cwd=tmp_path)
    assert (refused.returncode, (tmp_path / "job.py").read_text()) == (5, "mine")
    assert rowmill("init", "a.csv", "--overwrite", cwd=tmp_path).returncode == 0
    assert "Job(" in (tmp_path / "job.py").read_text()


def test_guesses_are_answered_as_json_with_their_reasons(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a;b\n1;x\n2;y\n")
    answer = json.loads(rowmill("init", "a.csv", "--json", cwd=tmp_path).stdout)
    guesses = {one["what"]: one for one in answer["guesses"]}
    assert answer["schema"] == "rowmill.init/1"
    assert guesses["delimiter"]["value"] == ";"
    assert guesses["delimiter"]["because"] == "it parts 100 % of 3 rows into 2 fields"


def test_an_input_that_is_not_there_is_exit_3(tmp_path):
    made = rowmill("init", "nothing.csv", cwd=tmp_path)
    assert made.returncode == 3
    assert "does not exist" in made.stderr
    assert not (tmp_path / "job.py").exists()
