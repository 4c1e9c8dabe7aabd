"""The command line as a user has it: a real process in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HANG_S = 30
CLI = [sys.executable, "-m", "rowmill"]
OURS = ("ROWMILL_", "_ROWMILL", "MAX_LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "CI", "COLUMNS", "XDG_")

ECHO = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job("echo", reads=Csv(), writes=Csv(columns=["id", "name"], header=False), table=Table("Names", key="id"))


@job.process
def echo(row: dict) -> dict:
    return row
"""

# Goes as slowly as a variable says, and waits at row 15 while there is a file `hold`: its code stays the same.
SLOW = """
import os
import time

from rowmill import Csv, Job

job = Job("slow", reads=Csv(), writes=Csv(header=False), rows_per_partition=10)


@job.process
def slow(row: dict) -> dict:
    time.sleep(float(os.environ.get("PAUSE_S", "0")))
    while int(row["id"]) >= 15 and os.path.exists("hold"):
        time.sleep(0.01)
    return row
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Desk(NamedTuple):
    """A folder with a user at it."""

    folder: Path
    env: dict[str, str]

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        env = {**self.env, **options.pop("env", {})}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([*CLI, *arguments], cwd=self.folder, env=env, **pipes)

    def __call__(self, *arguments: str, stdin: bytes | None = None, env: dict[str, str] | None = None) -> Ended:
        options = {} if stdin is None else {"stdin": subprocess.PIPE}
        with self.start(*arguments, env=env or {}, **options) as process:
            return ended(process, stdin)


def ended(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> Ended:
    out, err = process.communicate(stdin, timeout=HANG_S)
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    env = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return Desk(tmp_path, {**env, "HOME": str(tmp_path / "home")})


@pytest.fixture(autouse=True)
def heed_ctrl_c() -> None:
    """Let children heed Ctrl-C, even where the tests run in the background of a script that ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    def wait(happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + HANG_S
        while not happened():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.02)

    return wait


def names(rows: int) -> str:
    return "id,name\n" + "".join(f"{i},name {i}\n" for i in range(rows))
