"""Files of a folder.

A file appears by link or rename after its bytes are on disk, and the folder is synchronised after that, so that what a
caller was told is there survives a power cut. Source: litestream's care; rename(2), fsync(2), copy_file_range(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from rowmill.errors import ConfigurationError, InputError, RowmillError, StateError, TransientError
from rowmill.storage import Piece, Stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
                if piece.url:
                    add_file(path_of(piece.url), part.descriptor, path)
                else:
                    part.out.write(piece.literal)
            with translating(path):
                os.fsync(part.descriptor)
            yield
            publish(part, path)

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted; unfinished files are none."""
        for path in files_under(str(self._path(prefix))):
            if not is_unfinished(os.path.basename(path)):  # noqa: PTH119 - tens of thousands of names
                yield os.path.relpath(path, self._root)

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
    def claim(self, name: str) -> Iterator[None]:
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
                raise StateError(
                    f"the run is under way in {holder}", hint="wait for it; `rowmill status` shows how far it is"
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
            sweep(files_under(str(path.parent)))
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
            while len(data) < end - start and (
                more := os.pread(self._descriptor, end - start - len(data), start + len(data))
            ):
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


class Unfinished(NamedTuple):
    """A file in the making: locked while its writer lives, so that others can tell that it does."""

    name: str
    descriptor: int
    out: FileWriter


@contextmanager
def unfinished(path: Path) -> Iterator[Unfinished]:
    """Give a new file beside `path` that is gone afterwards, unless it got another name."""
    name = f"{path.parent}/.{shortened(path.name)}.{os.urandom(6).hex()}.part"
    with translating(path):
        make_folder(path.parent)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        held(descriptor, path)
        yield Unfinished(name, descriptor, FileWriter(descriptor, path))
    finally:
        with translating(path):
            Path(name).unlink(missing_ok=True)
            os.close(descriptor)


def publish(part: Unfinished, path: Path) -> None:
    """Give a finished file its name, once its bytes are on disk."""
    with translating(path):
        os.fsync(part.descriptor)
        os.replace(part.name, path)  # noqa: PTH105
        sync_folder(path.parent)


def shortened(name: str) -> str:
    """Return as much of a name as leaves room for what is put around it; a name holds 255 bytes."""
    return name.encode(errors="surrogateescape")[:200].decode(errors="ignore")


def is_unfinished(name: str) -> bool:
    """Whether a file's name is one that `unfinished` gives."""
    return name.startswith(".") and name.endswith(".part")


def sweep(paths: Iterable[str], start: str = ".") -> None:
    """Remove unfinished files whose writers are dead."""
    for path in paths:
        name = os.path.basename(path)  # noqa: PTH119
        if name.startswith(start) and is_unfinished(name):
            with suppress(OSError):  # another was quicker
                remove_if_free(path)


def remove_if_free(path: str) -> None:
    """Remove a file that nobody holds."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        if held(descriptor, Path(path)):
            os.unlink(path)  # noqa: PTH108
    finally:
        os.close(descriptor)


def held(descriptor: int, path: Path) -> bool:
    """Lock an open file; return whether this process holds it now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise translated(error, path) from None
    return True


def files_under(folder: str) -> Iterator[str]:
    """Return the paths of all files, sorted as whole names."""
    for entry in sorted(entries_of(folder), key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False)):
        if entry.is_dir(follow_symlinks=False):
            yield from files_under(entry.path)
        else:
            yield entry.path


def entries_of(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing if there is none."""
    try:
        return list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise translated(error, Path(folder)) from None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and wait until they are on disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def add_file(path: Path, target: int, whole: Path) -> None:
    """Copy a file to the end of another, in the kernel where it can."""
    with translating(path):
        source = os.open(path, os.O_RDONLY)
    try:
        while os.copy_file_range(source, target, 1 << 30):
            pass
    except (AttributeError, OSError):  # another file system, or one without the call: read and write
        with translating(path):
            while data := os.read(source, COPY_BYTES):
                FileWriter(target, whole).write(data)
    finally:
        os.close(source)


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Let the system's errors come out as ours; only around what is done here, never around a caller's block."""
    try:
        yield
    except OSError as error:
        raise translated(error, path) from None


def translated(error: OSError, path: Path) -> RowmillError:
    """Return a foreign error as ours: full disks pass, missing rights need the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(
            f"no space left to write {path}", hint="make room, then give the same command again", url=str(path)
        )
    if error.errno in (errno.EFBIG, errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EMFILE, errno.ENFILE):
        return TransientError(f"{path}: {error.strerror}", hint="give the same command again", url=str(path))
    return ConfigurationError(f"{path}: {error.strerror}", hint="check the path and its rights", url=str(path))
