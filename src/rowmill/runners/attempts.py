"""Tries at a run: who, when, and under which number and name."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.model.report import Who

if TYPE_CHECKING:
    from rowmill.storage import Storage


def who() -> Who:
    """Return who runs this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Who(user, socket.gethostname(), os.getpid())


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def newest_number(place: Storage, run_id: str) -> int:
    """Return the highest number that a try of a run has had; 0 if there was none."""
    names = (name.rpartition("/")[2] for name in place.list(f"{wire.run_dir(run_id)}/{wire.ATTEMPTS}"))
    return max((int(name.partition(".")[0]) for name in names), default=0)


def name_of(run_id: str, number: int) -> str:
    """Return where a try of a run is written down."""
    return f"{wire.run_dir(run_id)}/{wire.ATTEMPTS}/{number:05d}.json"


def unique_name() -> str:
    """Return a name that no other try has."""
    return uuid.uuid4().hex[:12]
