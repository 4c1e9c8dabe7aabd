"""Processes that go on when their starter ends; found again by pid and start, so that no other is ever stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rowmill.storage.claims import born

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GRACE_S = 5.0


class Started(msgspec.Struct, frozen=True):
    """A process: its pid, and when it began, in the kernel's words."""

    pid: int
    began: str


def start(command: Sequence[str], folder: Path, name: str, env: Mapping[str, str] | None = None) -> Started:
    """Start a process that writes into a log file and belongs to no terminal."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=_clean(os.environ) | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = 0  # it is not ours to wait for: whoever asks looks at the kernel's list
    return Started(process.pid, born(process.pid))


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the settings of Rowmill, of AWS and of a virtual environment."""
    ours = ("ROWMILL_", "AWS_", "VIRTUAL_ENV", "PYTHON")
    return {name: value for name, value in env.items() if not name.startswith(ours)}


def runs(started: Started) -> bool:
    """Whether a process is still there, and not another with its pid."""
    return born(started.pid) == started.began != ""


def stop(started: Started) -> None:
    """End a process and what it started, by force if it takes long."""
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        end = time.monotonic() + patience_s
        if runs(started):
            with suppress(ProcessLookupError):
                os.killpg(started.pid, number)  # `start` gave it a group of its own
        while runs(started) and time.monotonic() < end:
            time.sleep(0.01)
    with suppress(ChildProcessError):
        os.waitpid(started.pid, os.WNOHANG)  # where it is a child of ours
