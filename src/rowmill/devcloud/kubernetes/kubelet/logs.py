"""What containers print, kept as one line for each of theirs: the time to a nanosecond, the stream, the text."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_BYTES = 16_384  # what is longer is cut into several lines, as Kubernetes does
NANOSECONDS = 10**9


def log_path(folder: Path, namespace: str, pod_uid: str, container: str, restart: int) -> Path:
    """Return where the output of a container's n-th start is kept: lines of `RFC3339Nano stream text`."""
    return folder / "logs" / namespace / pod_uid / f"{container}-{restart}.log"


def moment_ns(nanoseconds: int) -> str:
    """Return a time as logs carry it."""
    whole, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def copying(stream: IO[bytes], name: str, path: Path) -> threading.Thread:
    """Start to copy a container's stream into its log; the thread ends with the stream."""
    path.parent.mkdir(parents=True, exist_ok=True)
    thread = threading.Thread(target=_copy, args=(stream, name, path), name=f"log {path.stem}", daemon=True)
    thread.start()
    return thread


def _copy(stream: IO[bytes], name: str, path: Path) -> None:
    with stream, path.open("ab", buffering=0) as log:
        while line := stream.readline(LONGEST_BYTES):
            log.write(f"{moment_ns(time.time_ns())} {name} ".encode() + line.rstrip(b"\n") + b"\n")


def tail(path: Path, lines: int, most_bytes: int) -> str:
    """Return the end of what a container printed."""
    if not path.exists():
        return ""
    texts = [line.split(b" ", 2)[-1] for line in path.read_bytes().splitlines()[-lines:]]
    return b"".join(text + b"\n" for text in texts)[-most_bytes:].decode("utf-8", "replace")
