"""Files that are dropped into a folder: which are complete, and how they leave it. A crash at any point loses none.

A file leaves its folder by a hard link at its new place, and then by the end of its old name: what is found under both
names was on its way.
"""

from __future__ import annotations

import os
import time
from fnmatch import fnmatch
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import ConfigurationError
from rowmill.model import codec
from rowmill.storage.files import Files, stat_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FAILURE = ".failure.json"
PROBE = ".rowmill-probe"


class Places(NamedTuple):
    """Where files are dropped, and where they go; all on one file system.

    Attributes:
        folder: Where they are dropped.
        output: Where outputs and rejects are written.
        done, failed: Where inputs go when their run has ended.
        pattern: Which names are files to run.
        marker: What is added to a file's name to say that it is complete; empty = a file that stands still is.
        settle_s: How long it must stand still.
    """

    folder: Path
    output: Path
    done: Path
    failed: Path
    pattern: str
    marker: str
    settle_s: float


class Standing(NamedTuple):
    """How a file was found last: its version, and since when it has that."""

    version: str
    since_s: float


def prepare(places: Places) -> None:
    """Make the folders that are not there.

    Raises:
        ConfigurationError: One of them would start runs of what is put into it, or is on another file system.
    """
    if not places.folder.is_dir():
        raise ConfigurationError(f"there is no folder {places.folder}", hint="make it, or check the path")
    for place in (places.output, places.done, places.failed):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{place} cannot be made: {error.strerror}", hint="give another folder") from None
        if place.samefile(places.folder):
            raise ConfigurationError(f"{place} is the watched folder itself", hint="what is put there would be run")
    for place in (places.done, places.failed):
        _try_to_move(places.folder, place)


def _try_to_move(folder: Path, place: Path) -> None:
    """Give a file a second name there, and take both away.

    Raises:
        ConfigurationError: It is on another file system, or on one without hard links.
    """
    probe, other = folder / PROBE, place / PROBE
    try:
        probe.touch()
        other.unlink(missing_ok=True)
        os.link(probe, other)
    except OSError as error:
        raise ConfigurationError(
            f"files of {folder} cannot be moved to {place}: {error.strerror}",
            hint="both must be on one file system that has hard links: a file is moved whole or not at all",
        ) from None
    finally:
        probe.unlink(missing_ok=True)
        other.unlink(missing_ok=True)


def dropped(places: Places) -> list[Path]:
    """Return the files to run, the oldest first; hidden ones and markers are none."""
    found = [
        path
        for path in places.folder.iterdir()
        if fnmatch(path.name, places.pattern)
        and not path.name.startswith(".")
        and not (places.marker and path.name.endswith(places.marker))
        and path.is_file()
    ]
    return sorted(found, key=lambda path: (_mtime_ns(path), path.name))


def _mtime_ns(path: Path) -> int:
    return int(version_of(path).partition("-")[0] or 0)


def version_of(path: Path) -> str:
    """Return what changes when a file changes; empty if it is gone."""
    try:
        return stat_of(path.stat()).version
    except FileNotFoundError:
        return ""


def complete(places: Places, known: dict[Path, Standing]) -> list[Path]:
    """Return the files that are complete; what is known of the others is brought up to date."""
    found = dropped(places)
    for gone in set(known) - set(found):
        del known[gone]
    ready = []
    for path in found:
        version, now_s = version_of(path), time.monotonic()
        if path not in known or known[path].version != version:
            known[path] = Standing(version, now_s)
        if places.marker:
            if marker_of(places, path).exists():
                ready.append(path)
        elif now_s - known[path].since_s >= places.settle_s:
            ready.append(path)
    return ready


def waiting(places: Places) -> list[Path]:
    """Return the files that are complete, or will be if they stand still: what has no marker yet is not waited for."""
    return [path for path in dropped(places) if not places.marker or marker_of(places, path).exists()]


def marker_of(places: Places, path: Path) -> Path:
    """Return the marker that says that a file is complete."""
    return path.with_name(path.name + places.marker)


def finish_moves(places: Places) -> None:
    """End the moves that a crash cut off: what has its new name loses the old one."""
    moved = {_identity(path) for place in (places.done, places.failed) for path in place.iterdir() if path.is_file()}
    for path in dropped(places):
        if _identity(path) in moved:
            _forget(places, path)


def leave(places: Places, path: Path, to: Path, failure: Mapping[str, object] | None = None) -> Path:
    """Move a file to a place where nothing is replaced; return where it is now.

    Args:
        places: The folders.
        path: The file.
        to: Where it goes.
        failure: Why its run failed, to be kept beside it.
    """
    target = next(one for one in _names(path, to) if not one.exists() or one.samefile(path))
    if failure is not None:  # first: what has its new name is never run again
        Files(str(to)).put(target.name + FAILURE, codec.encode(failure))
    if not target.exists():
        os.link(path, target)
    _forget(places, path)
    return target


def _names(path: Path, to: Path) -> Iterator[Path]:
    yield to / path.name
    for number in count(2):
        yield to / f"{path.stem}.{number}{path.suffix}"


def _forget(places: Places, path: Path) -> None:
    """End a file's old name; its marker first, which would make the next file of this name complete."""
    if places.marker:
        marker_of(places, path).unlink(missing_ok=True)
    path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
