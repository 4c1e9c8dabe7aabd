"""What it was measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

import apsw

MIB = 1024 * 1024


def facts() -> dict[str, str]:
    """Return the machine and the versions that decide about times; nothing that names it."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "CPU": cpu(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / MIB / 1024:.1f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "SQLite of the loop": sqlite3.sqlite_version,
        "SQLite of Rowmill": apsw.sqlite_lib_version(),
    }


def cpu() -> str:
    """Return the model's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
