"""Ports of this machine: which are free, and who has the others."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from rowmill.errors import StateError

HOST = "127.0.0.1"
LISTENING = "0A"  # a state in the kernel's table


def listens(port: int) -> bool:
    """Whether something takes connections at a port of this machine."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def choose(*wanted: int) -> list[int]:
    """Return ports that are free now, each another one; 0 = any.

    Raises:
        StateError: One is taken; by whom is told where the kernel tells it.
    """
    with ExitStack() as stack:
        return [_bound(stack.enter_context(socket.socket()), port) for port in wanted]


def _bound(trial: socket.socket, port: int) -> int:
    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        trial.bind((HOST, port))
    except PermissionError:
        raise StateError(f"the port {port} is kept for root", hint="give one from 1024, or 0 for a free one") from None
    except OSError:
        raise StateError(
            f"the port {port} is taken by {holder(port) or 'another program'}",
            hint="stop it, or give another port, or 0 for a free one",
        ) from None
    return int(trial.getsockname()[1])


def holder(port: int) -> str:
    """Return who listens at a port, `name (pid)`; empty where it is another user's, or there is no /proc."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it ended, or is not ours to see
            if str(link.readlink()) in inodes:
                process = link.parent.parent
                return f"{(process / 'comm').read_text(encoding='utf-8').strip()} (pid {process.name})"
    return ""


def _listening(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    rows = (line.split() for line in lines)
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]
