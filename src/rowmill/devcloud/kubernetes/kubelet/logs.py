"""What containers print, kept as one line for each of theirs: the time to a nanosecond, the stream, the text."""

from __future__ import annotations

import os
import selectors
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


def copying(streams: dict[str, IO[bytes]], path: Path) -> threading.Thread:
    """Start to copy a container's streams into its log; the thread ends with them.

    Args:
        streams: By name; of what is there at the same moment, the first stream's comes first.
        path: The log.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    thread = threading.Thread(target=_copy, args=(streams, path), name=f"log {path.stem}", daemon=True)
    thread.start()
    return thread


def _copy(streams: dict[str, IO[bytes]], path: Path) -> None:
    rests = dict.fromkeys(streams, b"")
    with path.open("ab", buffering=0) as log, selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map():
            ready = {key.data for key, _ in selector.select()}
            for name in [name for name in streams if name in ready]:
                text = os.read(streams[name].fileno(), LONGEST_BYTES)
                lines, rests[name] = _lines(rests[name] + text, over=not text)
                log.write(b"".join(f"{moment_ns(time.time_ns())} {name} ".encode() + line + b"\n" for line in lines))
                if not text:
                    selector.unregister(streams[name])
                    streams[name].close()


def _lines(text: bytes, *, over: bool) -> tuple[list[bytes], bytes]:
    """Return the whole lines of a text, and what is not yet one."""
    *lines, rest = text.split(b"\n")
    if rest and (over or len(rest) >= LONGEST_BYTES):
        return [*lines, rest], b""
    return lines, rest


def tail(path: Path, lines: int, most_bytes: int) -> str:
    """Return the end of what a container printed."""
    if not path.exists():
        return ""
    texts = [line.split(b" ", 2)[-1] for line in path.read_bytes().splitlines()[-lines:]]
    return b"".join(text + b"\n" for text in texts)[-most_bytes:].decode("utf-8", "replace")
