"""Files of a folder.

A file appears by link or rename after its bytes are on disk, and the folder is synchronised after that, so that what a
caller was told is there survives a power cut. Source: litestream's care; rename(2), fsync(2), copy_file_range(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rowmill.errors import ConfigurationError, InputError, RowmillError, StateError, TransientError
from rowmill.storage import Piece, Stat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COPY_BYTES = 1024 * 1024


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
        return Stat(found.st_size, f"{found.st_mtime_ns}-{found.st_size}")

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
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}", hint="check the path", url=str(path)) from None
        try:
            if not os.path.isfile(descriptor):  # noqa: PTH113 - a descriptor
                raise InputError(f"{path} is not a file", hint="give the path of one file", url=str(path))
            yield FileReader(descriptor, path)
        finally:
            os.close(descriptor)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file if there is none, by link(2), which fails if the name is taken."""
        path = self._path(name)
        with self._temporary(path) as temporary:
            write_durably(temporary, data)
            try:
                os.link(temporary, path)
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
        with self._temporary(path) as temporary:
            with open(temporary, "wb", buffering=0) as file:  # noqa: PTH123
                yield FileWriter(file.fileno(), path)
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105
            sync_folder(path.parent)

    def join(self, name: str, pieces: Sequence[Piece]) -> None:
        """Publish the pieces as one file; the kernel copies, or shares blocks where it can."""
        path = self._path(name)
        with self._temporary(path) as temporary:
            with open(temporary, "wb", buffering=0) as file:  # noqa: PTH123
                for piece in pieces:
                    if piece.literal:
                        FileWriter(file.fileno(), path).write(piece.literal)
                    else:
                        with open(path_of(piece.url), "rb", buffering=0) as source:  # noqa: PTH123
                            copy(source.fileno(), file.fileno())
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105
            sync_folder(path.parent)

    @contextmanager
    def _temporary(self, path: Path) -> Iterator[str]:
        """Give a name beside `path` that is gone afterwards; errors of the system come out translated."""
        temporary = f"{path.parent}/.{path.name[:100]}.{os.getpid()}.part"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
        except OSError as error:
            raise translated(error, path) from None
        finally:
            Path(temporary).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted; unfinished files are none."""
        for folder, folders, files in os.walk(self._path(prefix)):
            folders.sort()
            for file in sorted(files):
                if not (file.startswith(".") and file.endswith(".part")):
                    yield str((Path(folder) / file).relative_to(self._root))

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._path(name), path)  # noqa: PTH105
            sync_folder(path.parent)
        except OSError as error:
            raise translated(error, path) from None

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Hold a file by flock(2); the kernel lets go when its holder dies, so that the next takes over at once."""
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise translated(error, path) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "another process"
                raise StateError(
                    f"the run is under way in {holder}", hint="wait for it; `rowmill status` shows how far it is"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


class FileReader:
    """An open file."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        try:
            data = os.pread(self._descriptor, end - start, start)
            while len(data) < end - start and (more := os.pread(self._descriptor, end - start - len(data), start + len(data))):
                data += more
        except OSError as error:
            raise translated(error, self._path) from None
        return data


class FileWriter:
    """An open file that takes bytes."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def write(self, data: bytes) -> None:
        """Add bytes."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise translated(error, self._path) from None


def path_of(url: str) -> Path:
    """Return the path of a `file://` URL or of a path, absolute."""
    path = unquote(urlsplit(url).path) if url.startswith("file://") else url
    return Path(path).expanduser().absolute()


def write_durably(path: str, data: bytes) -> None:
    """Write a file and wait until it is on disk."""
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123
        FileWriter(file.fileno(), Path(path)).write(data)
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: int, target: int) -> None:
    """Copy a file to the end of another, in the kernel where it can."""
    try:
        while os.copy_file_range(source, target, 1 << 30):
            pass
    except (AttributeError, OSError):  # another file system, or one without the call: read and write
        while data := os.read(source, COPY_BYTES):
            FileWriter(target, Path()).write(data)


def translated(error: OSError, path: Path) -> RowmillError:
    """Return a foreign error as ours: full disks pass, missing rights need the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(
            f"no space left to write {path}", hint="make room, then give the same command again", url=str(path)
        )
    if error.errno in (errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EMFILE, errno.ENFILE):
        return TransientError(f"{path}: {error.strerror}", hint="give the same command again", url=str(path))
    return ConfigurationError(f"{path}: {error.strerror}", hint="check the path and its rights", url=str(path))
