"""A container's processes: started, watched, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes.kubelet import launch, logs

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.02  # how often the memory of a container with a limit is looked at
SAID_BYTES = 8192
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StartError(Exception):
    """A container's program does not run; the message is what a container runtime says."""


class Running:
    """A container that runs.

    Args:
        spec: What `launch.py` reads.
        file: Where to leave it for `launch.py`; it removes it.
        log: Where the output goes.
        memory_bytes: How much it may take; 0 = as much as there is.
        ended: Called once, by another thread, with the exit code and whether it ran out of memory.

    Raises:
        StartError: Its program does not run.
    """

    def __init__(
        self, spec: dict[str, Any], file: Path, log: Path, memory_bytes: int, ended: Callable[[int, bool], None]
    ) -> None:
        self._exhausted = threading.Event()
        self._process, said = _launched(spec, file)
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        assert self._process.stderr is not None  # noqa: S101
        self._copy = logs.copying({"stderr": self._process.stderr, "stdout": self._process.stdout}, log)
        if said:
            self._process.wait()
            raise StartError(said)
        threading.Thread(target=self._wait, args=(ended,), name=f"wait {log.stem}", daemon=True).start()
        if memory_bytes:
            threading.Thread(target=self._bound, args=(memory_bytes,), name=f"bound {log.stem}", daemon=True).start()

    def _wait(self, ended: Callable[[int, bool], None]) -> None:
        self._copy.join()
        code = self._process.wait()
        ended(code if code >= 0 else 128 - code, self._exhausted.is_set())

    def _bound(self, memory_bytes: int) -> None:
        """Kill the biggest process, as the kernel would, as soon as all take more than they may."""
        while self._process.poll() is None:
            sizes = {pid: size for pid in below(self._process.pid) if (size := resident_bytes(pid))}
            if sum(sizes.values()) > memory_bytes:
                self._exhausted.set()
                _kill(max(sizes, key=lambda pid: sizes[pid]))
            self._exhausted.wait(POLL_S) if not self._exhausted.is_set() else threading.Event().wait(POLL_S)

    def terminate(self) -> None:
        """Ask the program to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the program, and with it all others of the container."""
        self._signal(signal.SIGUSR1)

    def exhaust(self) -> None:
        """End the program as the kernel does when memory runs out."""
        self._exhausted.set()
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)


def _launched(spec: dict[str, Any], file: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process that makes the container; return it and what it says, nothing if the program runs."""
    Path(spec["root"]).mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(0o600)
    file.write_text(json.dumps(spec), encoding="utf-8")
    told, tell = os.pipe()
    with os.fdopen(told, "rb") as said:
        process = subprocess.Popen(
            [Path(sys.executable).resolve(), "-I", "-S", launch.__file__, file, str(tell)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[tell],
        )
        os.close(tell)
        return process, said.read(SAID_BYTES).decode("utf-8", "replace")


def below(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    except OSError:
        return []
    return found + [other for child in found for other in below(child)]


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has to itself; 0 if it has ended."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * PAGE_BYTES


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
