"""Files of a folder.

A file appears by link or rename after its bytes are on disk, and the folder is synchronised after that, so that what a
caller was told is there survives a power cut. Source: litestream's care; rename(2), fsync(2), copy_file_range(2).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rowmill.errors import InputError, StateError
from rowmill.storage import UNDER_WAY, Piece, Stat
from rowmill.storage.files.disk import (
    FileWriter,
    Unfinished,
    entries_of,
    files_under,
    held,
    is_unfinished,
    make_folder,
    publish,
    shortened,
    sweep,
    sync_folder,
    translated,
    translating,
    unfinished,
)
from rowmill.storage.pieces import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COPY_BYTES = 1024 * 1024
PATIENCE, PAUSE_S = 5, 0.05  # for a claim: whoever only looks whether it is held lets go at once


class Files:
    """Objects as files under a folder."""

    def __init__(self, url: str) -> None:
        self._root = path_of(url)

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._root)

    def _path(self, name: str) -> Path:
        return self._root / name

    def stat(self, name: str) -> Stat | None:
        """Return length and version: modification time and length."""
        try:
            found = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise translated(error, self._path(name)) from None
        return stat_of(found)

    def get(self, name: str) -> bytes | None:
        """Return the whole file."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise translated(error, self._path(name)) from None

    @contextmanager
    def open(self, name: str) -> Iterator[FileReader]:
        """Open a file for reading by range."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would hang
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}", hint="check the path", url=str(path)) from None
        try:
            found = os.fstat(descriptor)
            if not S_ISREG(found.st_mode):
                raise InputError(f"{path} is not a file", hint="give the path of one file", url=str(path))
            yield FileReader(descriptor, path, stat_of(found))
        finally:
            os.close(descriptor)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file if there is none, by link(2), which fails if the name is taken."""
        path = self._path(name)
        with unfinished(path) as part:
            part.out.write(data)
            with translating(path):
                os.fsync(part.descriptor)
                try:
                    os.link(part.name, path)
                except FileExistsError:
                    return False
                sync_folder(path.parent)
        return True

    def put(self, name: str, data: bytes) -> None:
        """Write or replace a file by rename."""
        with self.writer(name) as out:
            out.write(data)

    @contextmanager
    def writer(self, name: str) -> Iterator[FileWriter]:
        """Write or replace a file piece by piece."""
        path = self._path(name)
        with unfinished(path) as part:
            yield part.out
            publish(part, path)

    @contextmanager
    def joining(self, name: str, pieces: Sequence[Piece]) -> Iterator[None]:
        """Put the pieces together out of sight; the kernel copies, or shares blocks where it can."""
        path = self._path(name)
        sweep(
            (entry.path for entry in entries_of(str(path.parent))), f".{shortened(path.name)}."
        )  # a half output is as large as the whole
        with unfinished(path) as part:
            for piece in pieces:
                add_piece(piece, part, path)
            with translating(path):
                os.fsync(part.descriptor)
            yield
            publish(part, path)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted; unfinished files are none."""
        for path in files_under(str(self._path(prefix))):
            if not is_unfinished(os.path.basename(path)):  # noqa: PTH119 - tens of thousands of names
                yield os.path.relpath(path, self._root)

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders right under a folder, sorted."""
        return sorted(entry.name for entry in entries_of(str(self._path(prefix))) if entry.is_dir())

    def delete(self, name: str) -> None:
        """Remove a file, or a folder with all in it."""
        path = self._path(name)
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise translated(error, path) from None

    def move(self, name: str, target: str) -> None:
        """Rename a file."""
        path = self._path(target)
        with translating(path):
            make_folder(path.parent)
            os.replace(self._path(name), path)  # noqa: PTH105
            sync_folder(path.parent)
            sync_folder(self._path(name).parent)

    @contextmanager
    def claim(self, name: str) -> Iterator[HeldFile]:
        """Hold a file by flock(2); the kernel lets go when its holder dies, so that the next takes over at once.

        What dead processes left half written beside it is removed.
        """
        path = self._path(name)
        with translating(path):
            make_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not any(held(descriptor, path) or time.sleep(PAUSE_S) for _ in range(PATIENCE)):  # type: ignore[func-returns-value]
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "another process"
                raise StateError(f"{UNDER_WAY} {holder}", hint="wait for it; `rowmill status` shows how far it is")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
            sweep(files_under(str(path.parent)))
            yield HeldFile()
        finally:
            os.close(descriptor)

    def claimed(self, name: str) -> bool:
        """Whether somebody holds the file: whether it could not be shared."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise translated(error, path) from None
        try:
            return not held(descriptor, path, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


class HeldFile:
    """A claim on a file: the kernel keeps it while its holder lives."""

    def check(self) -> None:
        """Do nothing: nobody takes over from the living."""


class FileReader:
    """An open file.

    Attributes:
        stat: What it was when it was opened.
    """

    def __init__(self, descriptor: int, path: Path, found: Stat) -> None:
        self.stat = found
        self._descriptor = descriptor
        self._path = path

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        try:
            data = os.pread(self._descriptor, end - start, start)
            while len(data) < end - start and (
                more := os.pread(self._descriptor, end - start - len(data), start + len(data))
            ):
                data += more
        except OSError as error:
            raise translated(error, self._path) from None
        return data

    def copy_to(self, target: int, whole: Path) -> None:
        """Copy all of it to the end of another open file, in the kernel where it can."""
        at = 0
        try:
            while copied := os.copy_file_range(self._descriptor, target, 1 << 30, offset_src=at):
                at += copied
        except (AttributeError, OSError):  # another file system, or one without the call: read and write
            out = FileWriter(target, whole)
            while data := self.read(at, at + COPY_BYTES):
                out.write(data)
                at += len(data)


def path_of(url: str) -> Path:
    """Return the path of a `file://` URL or of a path, absolute."""
    path = unquote(urlsplit(url).path) if url.startswith("file://") else url
    return Path(path).expanduser().absolute()


def stat_of(found: os.stat_result) -> Stat:
    """Return length and version: modification time and length."""
    return Stat(found.st_size, f"{found.st_mtime_ns}-{found.st_size}")


def add_piece(piece: Piece, part: Unfinished, path: Path) -> None:
    """Add a piece to the end of a file in the making: a file by the kernel where it can, another object by reading."""
    if piece.storage is None:
        part.out.write(piece.literal)
        return
    with opened(piece.storage, piece) as reader:
        if isinstance(reader, FileReader):
            reader.copy_to(part.descriptor, path)
        else:
            for at in range(0, reader.stat.bytes, COPY_BYTES):
                part.out.write(reader.read(at, at + COPY_BYTES))
