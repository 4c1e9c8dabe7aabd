"""A folder that is watched: each file that is dropped and complete is run once, then moved away."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill import settings
from rowmill.errors import ConfigurationError, HeldError, ProcessingError, RowmillError, StateError, TransientError
from rowmill.model.report import Report
from rowmill.runners import dropping, notifying
from rowmill.runners.attempts import now
from rowmill.runners.starting import absolute
from rowmill.storage import UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowmill.runners.dropping import Places, Standing
    from rowmill.runners.notifying import Hook

COMMAND = (sys.executable, "-m", "rowmill.cli.dropped")  # runs one file; see there
LOOK_S, AGAIN_S, GRACE_S = 0.5, 60.0, 0.5
DEATHS = 3  # of the process of one file before that is put aside
LOCK = ".rowmill-watch"
DONE, FAILED, HELD, WAITS = "done", "failed", "held", "waits"


class Died(Exception):  # noqa: N818 - it is what happened
    """The process of a run ended without an answer."""


class Dropped(msgspec.Struct, frozen=True):
    """What became of a file.

    Attributes:
        file: Its name.
        state: `done`; `failed`: it was put aside; `held`: it stays until its rejects are settled; `waits`: it
            stays, and is tried again.
        at: When, ISO 8601, UTC.
        moved_to: Where it is now; empty if it stays.
        report: What its run did, if that ended well.
        error: What it failed with.
    """

    file: str
    state: str
    at: str
    moved_to: str
    report: Report | None
    error: dict[str, str | int] | None
    schema: str = "rowmill.dropped/1"


class File(NamedTuple):
    """A file as it was when it was complete; another content under its name is another one."""

    path: Path
    version: str


class Watch(NamedTuple):
    """What a watcher goes by.

    Attributes:
        places: The folders.
        words: What each run is asked for, but for input and output.
        hook: The webhook that is told each end, or None.
        tell: Takes each end.
        note: Takes what else is worth knowing.
    """

    places: Places
    words: Mapping[str, Any]
    hook: Hook | None
    tell: Callable[[Dropped], None]
    note: Callable[[str], None]


def watch(
    folder: str,
    job: str,
    *,
    output_dir: str | None = None,
    done_dir: str | None = None,
    failed_dir: str | None = None,
    pattern: str = "*.csv",
    marker: str = "",
    settle_s: float = 5.0,
    once: bool = False,
    notify: str = "",
    tell: Callable[[Dropped], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
    **words: Any,
) -> list[Dropped]:
    """Run a job on each file that is dropped into a folder, once, when it is complete, and move it away.

    Args:
        folder: Which; a path.
        job: The job's reference.
        output_dir: Where outputs go; by default `output` in the folder.
        done_dir: Where files go that were done; by default `done` in the folder.
        failed_dir: Where files go whose run failed, with the failure beside them; by default `failed` in the folder.
        pattern: Which names are files to run.
        marker: What is added to a file's name to say that it is complete, as `.done`.
        settle_s: Without a marker: how long a file must stand still. 0 = files are renamed into place.
        once: Return when each file that is there has been tried.
        notify: Webhook that is told each end.
        tell: Called with each end.
        note: Called with what else is worth knowing.
        words: What else `run` takes, by name.

    Returns:
        With `once`: what became of each file.

    Raises:
        ConfigurationError: Folders, job or webhook are wrong.
        StateError: Another watches the folder.
    """
    settings.resolve({name: value for name, value in words.items() if name in settings.SETTINGS})
    places = _places(folder, output_dir, done_dir, failed_dir, pattern, marker, settle_s)
    hook = notifying.hook_of(notify) if notify else None
    dropping.prepare(places)
    with _alone(places.folder):
        _run({"job": job})  # whether there is such a job, before the first file
        dropping.finish_moves(places)
        return _watched(Watch(places, {"job": job, **words}, hook, tell, note), once=once)


def _places(
    folder: str,
    output_dir: str | None,
    done_dir: str | None,
    failed_dir: str | None,
    pattern: str,
    marker: str,
    settle_s: float,
) -> Places:
    root = absolute(folder)
    if "://" in root:
        raise ConfigurationError("only a folder of this machine is watched", hint="give a path")

    def place(given: str | None, name: str) -> Path:
        return Path(absolute(given)) if given is not None else Path(root) / name

    output, done, failed = place(output_dir, "output"), place(done_dir, "done"), place(failed_dir, "failed")
    return dropping.Places(Path(root), output, done, failed, pattern, marker, settle_s)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go when this process dies."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"another watches {folder}", hint="one watcher has a folder; give another one") from None
        yield
    finally:
        os.close(descriptor)


def _watched(watch: Watch, *, once: bool) -> list[Dropped]:
    """Look, run what is complete, look again; with `once` until each file that is there was tried."""
    known: dict[Path, Standing] = {}
    again: dict[File, float] = {}  # when a file that stays is tried again
    deaths: dict[File, int] = {}
    ends: list[Dropped] = []
    while True:
        for path in dropping.complete(watch.places, known):
            file = File(path, known[path].version)
            if again.get(file, 0.0) > time.monotonic():
                continue
            end = _one(watch, file, deaths)
            if end.state in (HELD, WAITS):
                again[file] = time.monotonic() + AGAIN_S
            if once:
                ends.append(end)
        left = dropping.waiting(watch.places)
        if once and all(File(path, dropping.version_of(path)) in again for path in left):
            return ends
        time.sleep(min(LOOK_S, watch.places.settle_s or LOOK_S))


def _one(watch: Watch, file: File, deaths: dict[File, int]) -> Dropped:
    """Run a file, and move it away when its run has ended; what changed meanwhile stays, and is another one."""
    path = file.path
    output = watch.places.output / f"{path.name}_Output"
    report: Report | None = None
    error: RowmillError | None = None
    try:
        report = _run({**watch.words, "input": str(path), "output": str(output)})
    except RowmillError as failed:
        error = failed
    except Died as died:
        deaths[file] = deaths.get(file, 0) + 1
        kind = ProcessingError if deaths[file] >= DEATHS else TransientError
        hint = "look for a crash or for memory running out in the function"
        error = kind(f"the process of the run died ({died})", hint=hint)
    state = state_of(error)
    if state in (DONE, FAILED) and dropping.version_of(path) != file.version:
        state, error = WAITS, TransientError(f"{path.name} changed while it was run", hint="it is run again")
    moved = _moved(watch.places, path, state, error)
    end = Dropped(path.name, state, now(), str(moved or ""), report, None if error is None else error.as_dict())
    watch.tell(end)
    if watch.hook is not None and state != WAITS:
        job, place = str(watch.words["job"]), watch.words.get("workspace")
        told = notifying.notice_of(job, str(path), error or report, place)
        notifying.notify(watch.hook, told, watch.note)
    return end


def state_of(error: RowmillError | None) -> str:
    """Return what becomes of a file by its run's end: whoever can mend it has it then."""
    if error is None:
        return DONE
    if isinstance(error, HeldError):
        return HELD
    waits = isinstance(error, TransientError) or error.message.startswith(UNDER_WAY)
    return WAITS if waits else FAILED


def _moved(places: Places, path: Path, state: str, error: RowmillError | None) -> Path | None:
    if state == DONE:
        return dropping.leave(places, path, places.done)
    if state == FAILED and error is not None:
        return dropping.leave(
            places, path, places.failed, {"schema": "rowmill.failed/1", "at": now(), **error.as_dict()}
        )
    return None


def _run(words: Mapping[str, Any]) -> Report | None:
    """Run in a process of its own: it has the code as it is now, and ends with this one.

    Raises:
        RowmillError: What the run failed with.
        Died: Its process ended without an answer.
    """
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin is not None  # noqa: S101 - they were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(msgspec.json.encode(words) + b"\n")
            process.stdin.flush()
            answer = process.stdout.read()
        finally:
            process.stdin.close()
            try:
                code = process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    if not answer:
        raise Died(f"signal {-code}" if code < 0 else f"exit {code}")
    found = msgspec.json.decode(answer)
    if "error" in found:
        raise RowmillError.from_dict(found["error"])
    return msgspec.convert(found["report"], Report) if found.get("report") else None
