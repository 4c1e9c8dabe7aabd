"""The steps as pods take them: shares, stops, and what is told when the pod is gone."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from rowmill.storage import open_storage

from .conftest import ECHO, HANG_S, SLOW, Desk, Ended, ended, names

if TYPE_CHECKING:
    from pathlib import Path

Until = Callable[[Callable[[], object]], None]
ROWS = 95  # in partitions of 10

LOUD = """
import os
import subprocess
import sys

from rowmill import Csv, Job

job = Job("loud", reads=Csv(), writes=Csv(header=False), rows_per_partition=10)


@job.process
def loud(row: dict) -> dict:
    print("printed", row["id"])
    if row["id"] == os.environ.get("BAD"):
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('from a program' + chr(10))"], check=True)
        raise ValueError("no such thing")
    return row
"""


class Pod:
    """Commands with a place for their termination message."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.log = desk.folder / "termination-log"
        self.env = {"ROWMILL_TERMINATION_LOG": str(self.log)}

    def __call__(self, *words: str, **env: str) -> Ended:
        self.log.unlink(missing_ok=True)
        return self.desk(*words, env={**self.env, **env})

    @property
    def told(self) -> dict[str, Any]:
        found = json.loads(self.log.read_bytes())
        assert isinstance(found, dict)
        return found

    def split(self, *words: str, job: str = ECHO) -> str:
        self.desk.write("job.py", job)
        self.desk.write("in.csv", names(ROWS))
        words = ("--rows-per-partition", "10", "--workers", "2", *words)
        assert self("split", "job.py", "in.csv", *words).code == 0
        return str(self.told["run_id"])

    def share(self, run: str, index: int, of: int, attempt: int = 1, **env: str) -> Ended:
        words = ("process", run, "--of", str(of), "--attempt", str(attempt), "--json")
        return self(*words, JOB_COMPLETION_INDEX=str(index), **env)

    def kept(self, run: str, kind: str) -> list[Path]:
        return sorted((self.desk.folder / ".rowmill/runs" / run / kind).glob("*"))


@pytest.fixture
def pod(desk: Desk) -> Pod:
    return Pod(desk)


def partitions(done: Ended) -> list[int]:
    assert done.code == 0, done.err
    return [one["partition"] for one in json.loads(done.out)["partitions"]]


def test_pods_share_the_partitions_and_the_output_is_the_local_run_s(pod: Pod) -> None:
    run = pod.split()
    assert pod.told == {
        "schema": "rowmill.step/1",
        "step": "split",
        "run_id": run,
        "rows": ROWS,
        "partitions": 10,
        "unfinished": 10,
        "next_attempt": 1,
        "finished": False,
        "pods": 2,
        "bytes": (pod.desk.folder / "in.csv").stat().st_size,
    }
    assert [partitions(pod.share(run, index, 3)) for index in range(3)] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert pod.told == {
        "schema": "rowmill.step/1",
        "step": "process",
        "run_id": run,
        "partitions": 3,
        "rows": 30,
        "written": 30,
        "rejected": 0,
    }
    assert pod("merge", run).code == 0
    merged = pod.told
    assert (merged["step"], merged["status"], merged["rows"], merged["written"]) == ("merge", "succeeded", ROWS, ROWS)
    report = json.loads((pod.desk.folder / ".rowmill" / merged["report"]).read_bytes())
    assert (report["attempts"], report["counts"]["written"]) == (1, ROWS)
    assert (pod.desk.folder / "in.csv_Output").read_text() == names(ROWS).removeprefix("id,name\n")
    assert pod("merge", run).code == 0
    assert pod.told["status"] == "repeated"
    assert pod("split", "job.py", "in.csv").code == 0
    assert (pod.told["finished"], pod.told["unfinished"], pod.told["next_attempt"]) == (True, 0, 2)


def test_an_attempt_s_list_is_published_once_and_the_next_one_has_what_is_left(pod: Pod) -> None:
    run = pod.split()
    assert partitions(pod.share(run, 0, 5)) == [0, 5]
    (listed,) = pod.kept(run, "attempts")
    before = listed.read_bytes()
    assert json.loads(before)["unfinished"] == list(range(10))
    assert partitions(pod.share(run, 1, 5)) == [1, 6]  # although partitions 0 and 5 have their receipts by now
    assert listed.read_bytes() == before
    assert pod("split", "job.py", "in.csv").code == 0
    assert (pod.told["unfinished"], pod.told["next_attempt"]) == (6, 2)
    assert partitions(pod.share(run, 0, 2, attempt=2)) == [2, 4, 8]
    assert partitions(pod.share(run, 1, 2, attempt=2)) == [3, 7, 9]
    assert pod("merge", run).code == 0
    assert json.loads(pod("status", run, "--json").out)["partitions_done"] == 10


def test_pods_that_come_all_at_once_use_one_list_and_do_each_partition_once(pod: Pod) -> None:
    run = pod.split()
    words = ("process", run, "--of", "4", "--attempt", "1", "--json")
    started = [pod.desk.start(*words, env={"JOB_COMPLETION_INDEX": str(index)}) for index in range(4)]
    done = [ended(process) for process in started]
    assert sorted(index for one in done for index in partitions(one)) == list(range(10))
    (listed,) = pod.kept(run, "attempts")
    assert json.loads(listed.read_bytes())["unfinished"] == list(range(10))
    assert len(pod.kept(run, "data")) == 10
    assert pod("merge", run).code == 0
    assert (pod.desk.folder / "in.csv_Output").read_text() == names(ROWS).removeprefix("id,name\n")


def test_a_share_done_again_writes_nothing_new(pod: Pod) -> None:
    run = pod.split()
    first = pod.share(run, 1, 3).out
    before = {path: path.stat().st_mtime_ns for path in pod.kept(run, "receipts")}
    assert pod.share(run, 1, 3).out == first
    assert {path: path.stat().st_mtime_ns for path in pod.kept(run, "receipts")} == before


def test_more_pods_than_partitions_are_no_error(pod: Pod) -> None:
    run = pod.split()
    assert partitions(pod.share(run, 11, 12)) == []


def test_pods_with_different_code_are_exit_5(pod: Pod) -> None:
    run = pod.split()
    assert pod.share(run, 0, 2).code == 0
    pod.desk.write("job.py", ECHO + "\n# another image under the same name\n")
    assert pod.share(run, 1, 2).code == 5
    assert "different code" in pod.told["message"]


def test_an_attempt_of_a_local_coordinator_is_not_taken_for_a_list(pod: Pod) -> None:
    pod.desk.write("job.py", LOUD)
    pod.desk.write("in.csv", names(ROWS))
    assert pod("run", "job.py", "in.csv", "--on", "inline", BAD="40").code == 4
    assert pod("split", "job.py", "in.csv").code == 0
    assert pod.told["next_attempt"] == 2
    run = pod.told["run_id"]
    assert pod.share(run, 0, 1, attempt=1).code == 5
    assert partitions(pod.share(run, 0, 1, attempt=2)) == [4, 5, 6, 7, 8, 9]


def test_a_failed_partition_leaves_error_rows_and_log_in_the_workspace(pod: Pod) -> None:
    run = pod.split(job=LOUD)
    failed = pod.share(run, 1, 2, BAD="35")
    assert failed.code == 4
    assert "printed 34\n" in failed.err
    told = pod.told
    assert (told["schema"], told["error"], told["exit_code"]) == ("rowmill.error/1", "ProcessingError", 4)
    assert (told["run_id"], told["partition"], told["ordinal"], told["line_no"]) == (run, 3, 35, 37)
    (file,) = pod.kept(run, "failures")
    assert file.name.startswith("00003-1-")
    kept = json.loads(file.read_bytes())
    assert (kept["partition"], kept["first_ordinal"], kept["rows"], kept["first_line"]) == (3, 30, 10, 32)
    assert kept["error"] == {name: value for name, value in told.items() if name != "schema"}
    assert kept["log"].endswith("printed 34\nprinted 35\nfrom a program\n")
    assert pod.share(run, 1, 2, BAD="35").code == 4
    assert len(pod.kept(run, "failures")) == 2
    assert pod.share(run, 1, 2).code == 0


def test_of_a_long_log_the_end_is_kept(pod: Pod) -> None:
    run = pod.split(job=LOUD.replace('print("printed", row["id"])', 'print(row["id"], "x" * 30_000)'))
    failed = pod.share(run, 0, 10, BAD="9")
    assert failed.code == 4
    assert len(failed.err) > 300_000
    (file,) = pod.kept(run, "failures")
    log = json.loads(file.read_bytes())["log"]
    assert len(log) == 64 * 1024
    assert log.endswith("x\nfrom a program\n")


def test_what_a_user_does_wrong_is_told_in_the_termination_message(pod: Pod) -> None:
    run = pod.split()
    for words, code, error in (
        (("process", run, "--of", "3", "--attempt", "1", "--index", "3"), 2, "ConfigurationError"),
        (("process", run, "--of", "3", "--attempt", "1"), 2, "ConfigurationError"),
        (("process", run, "--of", "3", "--partition", "1"), 2, "ConfigurationError"),
        (("process", run, "--of", "none"), 2, "ConfigurationError"),
        (("merge", run), 5, "StateError"),
        (("split", "job.py", "absent.csv"), 3, "InputError"),
        (("split", "absent.py", "in.csv"), 2, "ConfigurationError"),
    ):
        assert pod(*words).code == code
        assert (pod.told["schema"], pod.told["error"], pod.told["exit_code"]) == ("rowmill.error/1", error, code)
        assert pod.told["message"]


def test_a_run_that_pods_have_done_is_held_by_merge_and_repaired_from_anywhere(pod: Pod) -> None:
    job = ECHO.replace("    return row", "    if row['id'] == '17':\n        raise Reject('no')\n    return row")
    run = pod.split("--rejects", "hold", job=job)
    assert [pod.share(run, index, 2).code for index in (0, 1)] == [0, 0]
    assert pod("merge", run).code == 7
    assert (pod.told["error"], pod.told["exit_code"], pod.told["run_id"]) == ("HeldError", 7, run)
    assert not pod.kept(run, "failures")
    assert "held" in pod.desk("status", run).out
    pod.desk.write("fix.csv", "ordinal,row\n17,'117,repaired'\n".replace("'", '"'))
    assert pod.desk("repair", run, "fix.csv").code == 0
    lines = (pod.desk.folder / "in.csv_Output").read_text().splitlines()
    assert lines[16:19] == ["16,name 16", "117,repaired", "18,name 18"]


def test_a_broken_workspace_is_told_in_the_termination_message(pod: Pod) -> None:
    run = pod.split()
    (pod.desk.folder / ".rowmill/runs" / run / "manifest.json").write_bytes(b"{}")
    assert pod.share(run, 0, 1).code == 6
    assert (pod.told["error"], pod.told["exit_code"]) == ("IntegrityError", 6)


def test_a_place_that_cannot_be_written_changes_nothing_else(pod: Pod) -> None:
    run = pod.split()
    pod.env["ROWMILL_TERMINATION_LOG"] = str(pod.desk.folder / "absent" / "log")
    assert partitions(pod.share(run, 0, 1)) == list(range(10))
    assert pod.share(run, 1, 1).code == 2


def test_without_a_place_for_it_nothing_is_told(pod: Pod) -> None:
    pod.split()
    pod.env = {}
    pod.log.unlink()
    assert pod("split", "job.py", "in.csv").code == 0
    assert not pod.log.exists()


def test_a_pod_that_is_stopped_ends_with_143_and_loses_nothing(pod: Pod, until: Until) -> None:
    run = pod.split(job=SLOW)
    pod.desk.write("hold", "")
    words = ("process", run, "--of", "1", "--attempt", "1", "--index", "0")
    with pod.desk.start(*words, env=pod.env) as process:
        until(lambda: pod.kept(run, "receipts") or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 143
    assert (pod.told["error"], pod.told["exit_code"]) == ("Stopped", 143)
    before = {path: path.read_bytes() for path in pod.kept(run, "receipts")}
    (pod.desk.folder / "hold").unlink()
    assert pod(*words).code == 0
    assert before
    assert before.items() <= {path: path.read_bytes() for path in pod.kept(run, "receipts")}.items()
    assert pod("merge", run).code == 0
    assert (pod.desk.folder / "in.csv_Output").read_text() == names(ROWS).removeprefix("id,name\n")


def test_a_function_that_does_not_hear_the_signal_is_ended_all_the_same(pod: Pod, until: Until) -> None:
    stubborn = """
def stubborn(_seconds):
    open("begun", "w").close()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

"""
    job = SLOW.replace("time.sleep(", "stubborn(", 1).replace("\n@job.process", f"{stubborn}\n@job.process")
    run = pod.split(job=job)
    with pod.desk.start("process", run, "--partition", "0", env=pod.env) as process:
        until((pod.desk.folder / "begun").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 143


@pytest.mark.parametrize("option", ["--fresh", "--continue"])
def test_code_that_changed_is_exit_5_at_split_until_the_user_says_what_to_do(pod: Pod, option: str) -> None:
    run = pod.split()
    assert pod.share(run, 0, 2).code == 0
    pod.desk.write("job.py", ECHO + "\n# changed\n")
    assert pod("split", "job.py", "in.csv").code == 5
    assert pod("split", "job.py", "in.csv", option, "--rows-per-partition", "10").code == 0
    assert pod.told["unfinished"] == (10 if option == "--fresh" else 5)
    assert pod("split", "job.py", "in.csv", "--fresh", "--continue").code == 2


def test_a_step_in_a_pod_waits_for_the_step_that_holds_the_run_and_a_person_is_told(pod: Pod) -> None:
    run = pod.split()
    assert partitions(pod.share(run, 0, 1)) == list(range(10))
    with open_storage(str(pod.desk.folder / ".rowmill")).claim(f"runs/{run}/claim"):
        refused = pod.desk("merge", run)
        assert (refused.code, "under way" in refused.err) == (5, True)
        started = [pod.desk.start(*words, env=pod.env) for words in (("merge", run), ("split", "job.py", "in.csv"))]
        with pytest.raises(subprocess.TimeoutExpired):  # who does not wait has ended by now
            started[0].wait(1.5)
        assert [process.poll() for process in started] == [None, None]
    assert [ended(process).code for process in started] == [0, 0]
    assert (pod.desk.folder / "in.csv_Output").read_text() == names(ROWS).removeprefix("id,name\n")
