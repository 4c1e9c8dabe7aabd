"""How a file gets its name: after its bytes are on disk; and the system's errors as ours."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import ConfigurationError, RowmillError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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


def held(descriptor: int, path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file; return whether this process holds it now."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
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
