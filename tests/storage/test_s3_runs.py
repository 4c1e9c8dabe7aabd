"""Whole runs on S3: the same bytes as on a disk, whatever dies or changes on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import rowmill
from rowmill.storage import open_storage
from rowmill.testing.proxy import HttpProxy, dice

HANG_S = 120
JOB = """
import os, time
from rowmill import Csv, Job, Reject, Skip

job = Job("echo", reads=Csv(), writes=Csv(header=False))

@job.process
def echo(row: dict, ctx) -> dict:
    time.sleep(float(os.environ.get("PAUSE_S", "0")))
    if row["n"].endswith("77"):
        raise Reject("seventy-seven")
    if row["n"].endswith("88"):
        return Skip("eighty-eight")
    return row | {"uid": ctx.stable_id()}
"""


class Desk:
    """A folder with a job, and the same input on its disk and in a bucket."""

    def __init__(self, s3, folder):
        self.s3, self.folder = s3, folder
        (folder / "echo.py").write_text(JOB)
        self.rows = b"n,text\n" + b"".join(b"%d,text %d\n" % (number, number) for number in range(3000))
        (folder / "in.csv").write_bytes(self.rows)
        s3.client.put_object(Bucket=s3.name, Key="in put #1?/in.csv", Body=self.rows)
        self.input = f"{s3.url}/in put #1?/in.csv"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("ROWMILL_")}

    def start(self, *words, **env):
        command = [sys.executable, "-m", "rowmill", *words]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env={**self.env, **env}, **pipes)

    def __call__(self, *words, code=0, **env):
        with self.start(*words, **env) as process:
            out, err = process.communicate(timeout=HANG_S)
        assert process.returncode == code, (out + err).decode()
        return (out + err).decode()

    def run(self, given, *words, workspace="", code=0, **env):
        place = workspace or f"{self.s3.url}/work"
        how = ["--rows-per-partition", "250", "--rejects", "5%", "--workspace", place]
        return self("run", "echo.py", given, *how, *words, code=code, **env)

    def object(self, key):
        return self.s3.client.get_object(Bucket=self.s3.name, Key=key)["Body"].read()

    def expected(self):
        self.run("in.csv", "--on", "inline", workspace=str(self.folder / "work"))
        return (self.folder / "in.csv_Output").read_bytes()


@pytest.fixture
def desk(s3, tmp_path):
    return Desk(s3, tmp_path)


@pytest.mark.parametrize("on", ["inline", "processes"])
def test_a_run_on_s3_gives_the_bytes_of_a_run_on_a_disk(desk, on):
    desk.run(desk.input, "--on", on, "--workers", "2")
    assert desk.object("in put #1?/in.csv_Output") == desk.expected()
    rejects = desk.object("in put #1?/in.csv_Output_Rejects")
    assert rejects.count(b"seventy-seven") == 30
    before = desk.s3.all_keys()
    desk.run(desk.input, "--on", on)  # a finished run again does nothing but let its claim go
    assert [key for key in desk.s3.all_keys() if "/claim/" not in key] == [
        key for key in before if "/claim/" not in key
    ]
    run_id = rowmill.status(workspace=f"{desk.s3.url}/work").run_id
    desk("verify", run_id, "--workspace", f"{desk.s3.url}/work")


def test_a_run_on_s3_is_held_and_repaired_and_what_it_grew_by_stands_beside_it(desk):
    place = ("--workspace", f"{desk.s3.url}/work")
    assert "30 of 3,000 rows were rejected" in desk.run(desk.input, "--rejects", "hold", code=7)
    assert "in put #1?/in.csv_Output" not in desk.s3.all_keys()
    run_id = rowmill.status(workspace=place[1]).run_id
    desk("waive", run_id, "--all", "--reason", "for a while", *place)
    before = desk.object("in put #1?/in.csv_Output")
    (desk.folder / "fix.csv").write_text('line,row\n79,"77x,repaired"\n179,"177x,repaired"\n')
    desk("repair", run_id, "fix.csv", *place)
    after, delta = desk.object("in put #1?/in.csv_Output"), desk.object("in put #1?/in.csv_Output_Repairs")
    assert sorted(after.splitlines()) == sorted(before.splitlines() + delta.splitlines())
    assert after.index(b"76,text 76,") < after.index(b"77x,repaired,") < after.index(b"78,text 78,")
    assert desk.object("in put #1?/in.csv_Output_Rejects").count(b"seventy-seven") == 28
    desk("verify", run_id, *place)


@pytest.mark.parametrize(("given", "workspace"), [("disk", "s3"), ("s3", "disk")])
def test_input_and_workspace_may_be_of_different_technologies(desk, given, workspace):
    place = f"{desk.s3.url}/work" if workspace == "s3" else str(desk.folder / "here")
    output = f"{desk.s3.url}/out" if given == "disk" else str(desk.folder / "out")
    desk.run(desk.input if given == "s3" else "in.csv", "--output", output, workspace=place)
    found = desk.object("out") if given == "disk" else (desk.folder / "out").read_bytes()
    assert found == desk.expected()


def test_a_run_through_a_network_that_fails_gives_the_same_bytes(desk):
    with HttpProxy(desk.s3.endpoint.removeprefix("http://"), dice(11, cut=0.1, busy=0.05, lost=0.05)) as proxy:
        desk.run(desk.input, "--on", "inline", AWS_ENDPOINT_URL_S3=proxy.url)
    assert desk.object("in put #1?/in.csv_Output") == desk.expected()


def test_a_killed_coordinator_s_run_goes_on_at_once_with_the_same_command(desk):
    with desk.start(
        "run", "echo.py", desk.input, "--rows-per-partition", "250", "--rejects", "5%",
        "--workspace", f"{desk.s3.url}/work", "--on", "processes", "--workers", "2", PAUSE_S="0.002",
    ) as process:  # fmt: skip
        storage = open_storage(f"{desk.s3.url}/work")
        deadline = time.monotonic() + HANG_S
        while not any("/receipts/" in name for name in storage.list("runs")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        status = rowmill.status(workspace=storage.url)
        assert status.state == "running"
        assert "under way" in desk.run(desk.input, code=5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert rowmill.status(workspace=storage.url).state == "interrupted"
    desk.run(desk.input, "--on", "inline")
    assert desk.object("in put #1?/in.csv_Output") == desk.expected()
    assert desk.s3.uploads() == []


def test_an_input_that_changes_under_a_run_is_exit_3_and_nothing_is_published(desk):
    how = ["--workspace", f"{desk.s3.url}/work", "--rejects", "5%", "--rows-per-partition", "250"]
    desk("split", "echo.py", desk.input, *how)
    desk.s3.client.put_object(
        Bucket=desk.s3.name, Key="in put #1?/in.csv", Body=desk.rows.replace(b"text 1", b"text 2")
    )
    status = rowmill.status(workspace=f"{desk.s3.url}/work")
    said = desk("process", status.run_id, "--workspace", f"{desk.s3.url}/work", code=3)
    assert "changed" in said
    assert "in put #1?/in.csv_Output" not in desk.s3.all_keys()


@pytest.mark.parametrize(
    ("given", "code", "word"),
    [("s3://{name}/missing.csv", 3, "missing.csv"), ("s3://no-such-bucket-here/x", 2, "no bucket no-such-bucket-here")],
)
def test_what_is_not_there_says_whose_turn_it_is(desk, given, code, word):
    assert word in desk.run(given.format(name=desk.s3.name), code=code)


def test_without_the_libraries_the_error_says_what_to_install(desk):
    (desk.folder / "boto3.py").write_text("raise ImportError('no boto3')")
    said = desk.run(desk.input, code=2, PYTHONPATH=str(desk.folder))
    assert "pip install 'rowmill[aws]'" in said


def test_a_job_on_disk_imports_nothing_of_aws():
    code = "import sys, rowmill.api, rowmill.runners.worker; print({'boto3', 'botocore', 'obstore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_fresh_run_does_all_anew_and_keeps_its_own_claim(desk):
    desk.run(desk.input, "--on", "inline")
    desk.run(desk.input, "--on", "inline", "--fresh")
    assert rowmill.status(workspace=f"{desk.s3.url}/work").state == "succeeded"
    assert [key.rpartition("/")[2] for key in desk.s3.all_keys() if "/claim/" in key] == ["1", "2"]
    assert desk.object("in put #1?/in.csv_Output") == desk.expected()


def test_pods_share_a_run_on_s3_and_one_that_is_killed_does_its_share_again(desk):
    """No pod has the claim, and none waits for another: only receipts count."""
    expected, place = desk.expected(), ["--workspace", f"{desk.s3.url}/work"]
    desk("split", "echo.py", desk.input, *place, "--rejects", "5%", "--rows-per-partition", "250")
    run = rowmill.status(workspace=f"{desk.s3.url}/work").run_id
    share = ["process", run, *place, "--of", "3", "--attempt", "1", "--index"]
    with (
        desk.start(*share, "0", PAUSE_S="0.002") as killed,
        desk.start(*share, "1") as one,
        desk.start(*share, "2") as two,
    ):
        deadline = time.monotonic() + HANG_S
        while not any("/receipts/00000" in key for key in desk.s3.all_keys()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        killed.kill()
        assert [process.wait(HANG_S) for process in (one, two)] == [0, 0]
        for process in (one, two, killed):
            process.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert "not processed" in desk("merge", run, *place, code=5)
    desk(*share, "0")
    desk("merge", run, *place)
    assert desk.object("in put #1?/in.csv_Output") == expected
    assert sum("/attempts/" in key for key in desk.s3.all_keys()) == 1
