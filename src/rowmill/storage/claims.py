"""Claims: numbered objects, of which the highest holds; its owner rewrites it with a beat.

Claims avoid waste; safety never depends on them. Nobody's clock is compared with another's: whoever waits for a claim
watches by its own monotonic clock whether its beat changes.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill.errors import RowmillError, StateError
from rowmill.storage import UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.storage import Storage

SEEN_S = 0.2  # how often a watched claim is looked at, as a share of a beat


class Beats(NamedTuple):
    """How often an owner tells that it lives, and after how long without that it counts as dead."""

    every_s: float = 5.0
    dead_s: float = 30.0


class Record(msgspec.Struct, frozen=True):
    """What stands in a claim.

    Attributes:
        machine: Host, boot and process namespace: where `pid` means something.
        born: When that process started, in the kernel's ticks, since pids come again.
        token: No other claim's.
    """

    host: str
    machine: str
    pid: int
    born: str
    token: str
    beat: int = 0
    released: bool = False
    schema: str = "rowmill.claim/1"


class HeldClaim:
    """A claim that this process holds, with the thread that beats."""

    def __init__(self, storage: Storage, name: str, number: int, own: Record, beats: Beats) -> None:
        self.number = number
        self._storage = storage
        self._name = name
        self._own = own
        self._beats = beats
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that nobody has taken the claim over.

        Raises:
            StateError: Another has: this process looked dead for too long.
        """
        highest = max(numbers(self._storage, self._name), default=0)
        record = read(self._storage, self._name, highest)
        if highest != self.number or record is None or record.token != self._own.token:
            where = "another process" if record is None else f"process {record.pid} on {record.host}"
            raise StateError(
                f"the run was taken over by {where}: this one did not answer for {self._beats.dead_s:.0f} s",
                hint="nothing was published here; `rowmill status` shows how far the run is",
            )

    def release(self) -> None:
        """Let go; the object stays, so that a number is never used twice."""
        self._ended.set()
        self._thread.join(self._beats.every_s)
        if self._thread.is_alive():  # a beat that hangs might come after what is written here
            return
        with suppress(RowmillError):  # it runs out by itself
            if (record := read(self._storage, self._name, self.number)) is not None and record.token == self._own.token:
                self._write(msgspec.structs.replace(self._own, released=True))

    def _beat(self) -> None:
        own = self._own
        while not self._ended.wait(self._beats.every_s):
            own = msgspec.structs.replace(own, beat=own.beat + 1)
            with suppress(RowmillError):  # the next beat may get through; if none does, `check` tells
                self._write(own)

    def _write(self, record: Record) -> None:
        self._storage.put(f"{self._name}/{self.number}", msgspec.json.encode(record))


@contextmanager
def claimed_by_me(storage: Storage, name: str, beats: Beats) -> Iterator[HeldClaim]:
    """Hold the next number.

    Raises:
        StateError: The highest is held.
    """
    number = max(numbers(storage, name), default=0)
    record = read(storage, name, number)
    if record is not None and not _is_free(storage, name, number, record, beats):
        raise _under_way(record)
    own = Record(socket.gethostname(), machine(), os.getpid(), born(os.getpid()), os.urandom(12).hex())
    if not storage.create(f"{name}/{number + 1}", msgspec.json.encode(own)):
        raise _under_way(read(storage, name, number + 1))
    claim = HeldClaim(storage, name, number + 1, own, beats)
    try:
        for old in numbers(storage, name):
            if old < number:  # the one before may still be looked at by others
                storage.delete(f"{name}/{old}")
        yield claim
    finally:
        claim.release()


def is_claimed(storage: Storage, name: str, age_s: Callable[[str], float], beats: Beats) -> bool:
    """Whether the highest claim is held, told by one look; `age_s` tells how old an object is by the store's clock."""
    number = max(numbers(storage, name), default=0)
    record = read(storage, name, number)
    if record is None or record.released:
        return False
    return is_alive(record) if is_here(record) else age_s(f"{name}/{number}") < beats.dead_s


def _is_free(storage: Storage, name: str, number: int, record: Record, beats: Beats) -> bool:
    """Whether a claim was let go or its owner is dead; on another machine that shows when its beat stands still."""
    if record.released:
        return True
    if is_here(record):
        return not is_alive(record)
    deadline = time.monotonic() + beats.dead_s
    while time.monotonic() < deadline:
        time.sleep(beats.every_s * SEEN_S)
        now = read(storage, name, number)
        if now is None or now.released:
            return True
        if now != record:
            return False
    return True


def _under_way(record: Record | None) -> StateError:
    holder = "another process" if record is None else f"process {record.pid} on {record.host}"
    return StateError(f"{UNDER_WAY} {holder}", hint="wait for it; `rowmill status` shows how far it is")


def numbers(storage: Storage, name: str) -> list[int]:
    """Return the numbers of a name's claims."""
    found = (one.rpartition("/")[2] for one in storage.list(name))
    return [int(number) for number in found if number.isdecimal()]


def read(storage: Storage, name: str, number: int) -> Record | None:
    """Return a claim; None if there is none, or what is there is none."""
    data = storage.get(f"{name}/{number}") if number else None
    try:
        return None if data is None else msgspec.json.decode(data, type=Record)
    except msgspec.MsgspecError:
        return None


def machine() -> str:
    """Return what is the same only for processes that see each other's pids; empty if that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def born(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; empty if it is dead."""
    try:
        state, *_, started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:20]
    except OSError:
        return ""
    return "" if state in "ZX" else started


def is_here(record: Record) -> bool:
    """Whether a claim's owner is, or was, a process that would be seen from this one."""
    return record.machine == machine() != ""


def is_alive(record: Record) -> bool:
    """Whether a claim's owner lives, if it is here."""
    return born(record.pid) == record.born != ""
