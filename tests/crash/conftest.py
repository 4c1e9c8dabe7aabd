"""Runs in processes of their own, so that they can be killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import apsw
import pytest

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = """
import json, os, resource, sys
import rowmill
if limit := os.environ.get("FILE_LIMIT"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
if blow := os.environ.get("DIE_BEFORE"):
    from rowmill.runners import opening
    from rowmill.testing.crash import Blow, Operations, counted_run
    opening.between.set(lambda run: counted_run(run, Operations(Blow(int(blow), after=False))))
try:
    report = rowmill.run(**json.loads(sys.argv[1]))
except rowmill.RowmillError as error:
    print(json.dumps(error.as_dict()), file=sys.stderr)
    sys.exit(error.exit_code)
print(json.dumps([report.status, report.attempts, report.output_sha256, report.table_rows]))
"""
JOB = """
import os, time
from rowmill import Context, Csv, Job, Table

job = Job("killed", reads=Csv(), writes=Csv(columns=["id", "uuid"]), table=Table("Orders", key="id"))
PAUSE = float(os.environ.get("PAUSE", "0"))

@job.process
def confirm(row: dict, ctx: Context):
    if PAUSE and ctx.ordinal % 250 == 0:
        time.sleep(PAUSE)
    if ctx.ordinal == int(os.environ.get("FAIL_AT", "-1")):
        raise ValueError("as asked for")
    return row | {"uuid": ctx.stable_id()}
"""
HANGS_S = 60.0  # no figure: what takes as long is broken


class Runs:
    """One command in one folder, given as often as a test wants."""

    def __init__(self, folder: Path, rows: int, per_partition: int) -> None:
        self.folder = folder
        self.partitions = -(-rows // per_partition)
        (folder / "job.py").write_text(JOB)
        lines = (f"{number},{number * 7 % 1000},some text {number}" for number in range(rows))
        (folder / "in.csv").write_text("\n".join(["id,amount,note", *lines]) + "\n")
        self.words = {
            "job": f"{folder}/job.py",
            "input": f"{folder}/in.csv",
            "output": f"{folder}/out.csv",
            "table": f"sqlite:///{folder}/table.db",
            "workspace": f"{folder}/workspace",
            "rows_per_partition": per_partition,
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, env: dict[str, str] | None = None, **words: object) -> subprocess.Popen[str]:
        """Give the command and go on."""
        command = [sys.executable, "-c", DRIVER, json.dumps(self.words | words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=os.environ | (env or {}), cwd=self.folder, **pipes)
        self.started.append(process)
        return process

    def give(self, env: dict[str, str] | None = None, **words: object) -> tuple[int, str, str]:
        """Give the command and wait for its end; return exit code, standard output, standard error."""
        process = self.start(env, **words)
        out, error = process.communicate(timeout=HANGS_S)
        return process.returncode, out, error

    def files(self, kind: str) -> dict[str, bytes]:
        """Return the objects of the run of one kind: receipts, data, aside."""
        found = self.folder.glob(f"workspace/runs/*/{kind}/[!.]*")  # what is half written begins with a dot
        return {path.name: path.read_bytes() for path in found}

    def one(self, kind: str, index: int = 0) -> Path:
        """Return the path of one of them."""
        return sorted(self.folder.glob(f"workspace/runs/*/{kind}/*"))[index]

    def ending(self) -> tuple[bytes, list[tuple[object, ...]]]:
        """Return output and table."""
        db = apsw.Connection(str(self.folder / "table.db"))
        rows = db.execute('SELECT * FROM "Orders" ORDER BY CAST(id AS INTEGER)').fetchall()
        db.close()
        return (self.folder / "out.csv").read_bytes(), rows


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, listed.splitlines()) if int(parent) == pid]


def wait_until(what, process=None):
    """Wait until something is so; it is broken if the process ends before, or if it takes forever."""
    end = time.monotonic() + HANGS_S
    while not what():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.fixture
def runs(tmp_path):
    """Give runs; what still runs afterwards is ended."""
    made = []

    def make(rows, per_partition):
        made.append(Runs(tmp_path, rows, per_partition))
        return made[-1]

    yield make
    for process in (process for one in made for process in one.started):
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def small_disk(tmp_path):
    """Give a disk of 2 MiB and a way to make it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        pytest.skip("only root makes disks; the limit on files is tested as well, for everybody")
    yield folder, lambda: subprocess.run([mount, "-o", "remount,size=200m", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)
