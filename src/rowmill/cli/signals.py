"""Signals: the first Ctrl-C or SIGTERM is a clean stop that takes a second at most, the second one is the end at once.

Python calls a signal's handler only between two steps of its own, so a call into a library that takes long would hold
the stop up, and so would a goodbye to a server that hangs. The kernel's own handler writes into a pipe at once; a
thread reads it there, and ends the process when the clean stop does not. What is left then is what a crash leaves.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from rowmill.cli import ending, telling
from rowmill.errors import Stopped

if TYPE_CHECKING:
    from types import FrameType

GRACE_S, POD_GRACE_S = 0.8, 4.0  # in a pod, rows under way and what is kept of a failure have a moment more
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it
TOLD = threading.Lock()  # taken by whoever tells of the stop


def heed() -> None:
    """Heed the signals from now on, in the whole process; what its children get is not its own."""
    # A signal that whoever started us has switched off stays off: nohup, background jobs of a script.
    heeded = {number for number in NAMES if signal.getsignal(number) != signal.SIG_IGN}
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(reading, heeded), daemon=True, name="signals").start()
    raised: list[int] = []

    def cleanly(number: int, _frame: FrameType | None) -> None:
        if not raised:
            raised.append(number)
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)

    for number in heeded:
        signal.signal(number, cleanly)


def tell(number: int) -> None:
    """Tell once that a signal ended the work."""
    if TOLD.acquire(blocking=False):
        telling.stopped(NAMES[signal.Signals(number)])


def _watch(pipe: int, heeded: set[signal.Signals]) -> NoReturn:
    """Wait for the first signal, then for the second or the end of patience, then end the process."""
    while (number := os.read(pipe, 1)[0]) not in heeded:
        pass
    select.select([pipe], [], [], POD_GRACE_S if ending.in_pod() else GRACE_S)
    if telling.is_screen(sys.stderr):
        os.write(2, SHOW_CURSOR)
    tell(number)
    ending.stopped(128 + number)
    os._exit(128 + number)
