"""The last of what this process and the programs that it starts write on standard error, kept while it goes by."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_BYTES = 64 * 1024
WAIT_S = 1.0  # for what is still on its way, when the log is asked for or the work is over


class Tail:
    """The last bytes of a stream."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept = bytearray()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take bytes, and let the oldest go."""
        with self._lock:
            self._kept += data
            del self._kept[: -self._most]

    def text(self) -> str:
        """Return what is kept."""
        with self._lock:
            return self._kept.decode(errors="replace")


@contextmanager
def kept_log(most_bytes: int) -> Iterator[Callable[[], str]]:
    """Give what returns the last of what was written on standard error; it is written there all the same."""
    sys.stderr.flush()
    real, (reader, writer) = os.dup(2), os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    tail = Tail(most_bytes)
    thread = threading.Thread(target=_pass_on, args=(reader, real, tail), daemon=True, name="log")
    thread.start()

    def text() -> str:
        _drained(reader)
        return tail.text()

    try:
        yield text
    finally:
        _drained(reader)
        os.dup2(real, 2)  # the last of this process's ends of the pipe; a child may still hold one
        thread.join(WAIT_S)
        if not thread.is_alive():
            os.close(reader)
            os.close(real)


def _pass_on(reader: int, real: int, tail: Tail) -> None:
    while data := os.read(reader, READ_BYTES):
        tail.add(data)
        with suppress(OSError):  # where nobody reads it, it is kept all the same
            while data:
                data = data[os.write(real, data) :]


def _drained(reader: int) -> None:
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    deadline = time.monotonic() + WAIT_S
    while select.select([reader], [], [], 0)[0] and time.monotonic() < deadline:
        time.sleep(0.001)
