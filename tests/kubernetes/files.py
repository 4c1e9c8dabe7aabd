"""Files on the claim that pods share: a folder of this machine, or read and written by pods of ours."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

MOUNT = "/data"
PIECE_BYTES = 700_000  # of a ConfigMap, which takes 1 MiB


class Files(Protocol):
    """Files by their path on the claim; `*` in a pattern stands for one name."""

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files; their folders may be written to by pods."""

    def get(self, patterns: Iterable[str]) -> dict[str, bytes]:
        """Return the files that there are."""

    def remove(self, path: str) -> None:
        """Remove a file."""


class FolderFiles(NamedTuple):
    """The claim is a folder of this machine."""

    root: Path

    def put(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.parent.chmod(0o777)  # pods run as another user
            target.write_bytes(data)

    def get(self, patterns: Iterable[str]) -> dict[str, bytes]:
        found = (path for pattern in patterns for path in self.root.glob(pattern))
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found if path.is_file()}

    def remove(self, path: str) -> None:
        (self.root / path).unlink()


# What a pod runs: it knows nothing but Python.
WRITE = """
import json, pathlib, zlib
pieces = sorted(pathlib.Path("/given").glob("*/piece"), key=lambda path: int(path.parent.name))
at, data = 0, zlib.decompress(b"".join(path.read_bytes() for path in pieces))
names, _, body = data.partition(b"\\n")
for path, size in json.loads(names):
    target = pathlib.Path("/data", path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body[at : at + size])
    at += size
"""
READ = """
import base64, json, pathlib, sys, zlib
root = pathlib.Path("/data")
found = [path for pattern in json.loads(sys.argv[1]) for path in root.glob(pattern) if path.is_file()]
files = [(str(path.relative_to(root)), path.read_bytes()) for path in found]
names = json.dumps([(name, len(data)) for name, data in files]).encode()
packed = zlib.compress(names + b"\\n" + b"".join(data for _, data in files))
sys.stdout.write(base64.encodebytes(packed).decode())
"""
REMOVE = "import pathlib, sys; pathlib.Path('/data', sys.argv[1]).unlink()"


class PodFiles(NamedTuple):
    """The claim is in the cluster alone: each call is a pod.

    Attributes:
        run: Runs Python with words in a pod that sees the claim, and pieces of data; returns what it printed.
    """

    run: Callable[..., str]

    def put(self, files: Mapping[str, bytes]) -> None:
        names = json.dumps([(path, len(data)) for path, data in files.items()]).encode()
        packed = zlib.compress(names + b"\n" + b"".join(files.values()))
        pieces = [packed[at : at + PIECE_BYTES] for at in range(0, len(packed), PIECE_BYTES)]
        self.run(WRITE, pieces=pieces)

    def get(self, patterns: Iterable[str]) -> dict[str, bytes]:
        return unpacked(self.run(READ, json.dumps([*patterns])))

    def remove(self, path: str) -> None:
        self.run(REMOVE, path)


def unpacked(printed: str) -> dict[str, bytes]:
    """Return the files that a pod printed."""
    names, _, body = zlib.decompress(base64.b64decode(printed)).partition(b"\n")
    found, at = {}, 0
    for name, size in json.loads(names):
        found[name] = body[at : at + size]
        at += size
    return found
