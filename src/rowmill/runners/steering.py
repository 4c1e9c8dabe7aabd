"""Pause, resume, scale and cancel of a run on this machine: intents in the workspace, taken by its coordinator."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from rowmill import wire
from rowmill.errors import StateError
from rowmill.model import codec
from rowmill.model.attempt import Attempt
from rowmill.model.intent import CANCEL, Answer, Course, Intent, Refused, decided
from rowmill.runners import attempts, standing
from rowmill.runners.attempts import now, who
from rowmill.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.model.run import RunRecord
    from rowmill.storage import Storage
    from rowmill.tracker import View

LOOK_S = 0.5  # how often the coordinator looks for intents
ANSWER_S, END_S, WAIT_S = 10.0, 30.0, 0.05
MOST_WORKERS = 1_000


class Steering:
    """What a coordinator knows of how its run shall go on. One thread looks, others go by it."""

    def __init__(self, run_id: str, workspace: str, course: Course) -> None:
        self.course = course
        self._run_id = run_id
        self._url = workspace
        self._place: Storage | None = None
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._going = threading.Event()
        self._going.set()

    def begin(self, place: Storage) -> None:
        """Pass over what was asked of earlier tries: a command that is given again means the run to go on."""
        self._seen = set(place.list(_folder(self._run_id)))

    def look(self) -> bool:
        """Take what was asked for since the last look, and answer; return whether anything changed."""
        if self._place is None:
            self._place = open_storage(self._url)
        before = self.course
        for name in self._place.list(_folder(self._run_id)):
            if name not in self._seen and not name.endswith(wire.ANSWER):
                self._take(self._place, name)
        return self.course != before

    def _take(self, place: Storage, name: str) -> None:
        self._seen.add(name)
        intent = codec.decode(place.get(name) or b"", Intent, name=name)
        with self._lock:
            found = decided(self.course, intent)
            if isinstance(found, Course):
                self.course = found
        refused = found if isinstance(found, Refused) else None
        answer = Answer(refused is None, *(refused or ("", "")), now())
        place.put(_answer_name(name), codec.encode(answer))
        if self.course.paused and self.course.cancelled is None:
            self._going.clear()
        else:
            self._going.set()

    def alone(self) -> None:
        """Say that rows run in one process, so that there is nothing to scale."""
        with self._lock:
            self.course = self.course._replace(most=None)

    def shown(self, view: View) -> View:
        """Return a view that says when the run waits."""
        return msgspec.structs.replace(view, step=standing.PAUSED) if self.course.paused else view

    def border(self) -> None:
        """Wait while the run is paused.

        Raises:
            StateError: It is cancelled.
        """
        self._going.wait()
        self.check()

    def check(self) -> None:
        """Make sure that the run is not cancelled.

        Raises:
            StateError: It is.
        """
        if (by := self.course.cancelled) is not None:
            raise StateError(
                f"the run was cancelled by {by.who.user} on {by.who.host} at {by.at}",
                hint="what has a receipt stays done; the same command goes on from there",
                run_id=self._run_id,
            )

    def close(self) -> None:
        """Let nothing be changed from now on: the output is published.

        Raises:
            StateError: The run is cancelled.
        """
        with self._lock:
            self.check()
            self.course = self.course._replace(closed=True)


def course_of(record: RunRecord, workers: int, *, in_processes: bool) -> Course:
    """Return how a run begins, and within what bounds it may be scaled."""
    if not in_processes:
        return Course(workers, None)
    if record.write_rate is not None and not record.tracker:
        return Course(workers, record.workers, "each has its part of --write-rate, since no --tracker keeps it")
    return Course(workers, MOST_WORKERS, "no machine needs more")


def is_steered(place: Storage, run_id: str) -> bool:
    """Whether a coordinator holds the run that takes intents; pods of a cluster do not."""
    if not place.claimed(f"{wire.run_dir(run_id)}/{wire.CLAIM}"):
        return False
    number = attempts.newest_number(place, run_id)
    name = attempts.name_of(run_id, number)
    data = place.get(name) if number else None
    return data is not None and codec.decode(data, Attempt, name=name).unfinished is None


def refuse_ended(place: Storage, run_id: str) -> None:
    """Tell of a run that was carried out here that nobody is at it; of what pods do, only their cluster knows.

    Raises:
        StateError: It has ended, or was interrupted.
    """
    if place.get(f"{wire.run_dir(run_id)}/{wire.RUN}") is None:
        return
    status = standing.status_of(place, run_id)
    if status.state in (standing.SUCCEEDED, standing.HELD, standing.FAILED, standing.INTERRUPTED):
        raise StateError(
            f"the run {run_id} is not under way: it is {status.state}",
            hint="" if status.state == standing.SUCCEEDED else "give the run's command: it goes on where it stopped",
            run_id=run_id,
        )


def ask(place: Storage, run_id: str, what: str, workers: int | None) -> str:
    """Ask something of a run under way, and wait for its coordinator's answer; return what was changed.

    Raises:
        StateError: It changes nothing, and why; or the run ended before it was taken.
    """
    name = _written(place, run_id, Intent(what, workers, who(), now()))
    claim = f"{wire.run_dir(run_id)}/{wire.CLAIM}"
    answered = partial(place.get, _answer_name(name))
    _wait(ANSWER_S, lambda: answered() is not None or not place.claimed(claim))
    data = answered()
    if data is None:
        raise StateError(
            f"the run {run_id} did not take it: it has ended, or hangs", hint="`rowmill status` tells how it stands"
        )
    answer = codec.decode(data, Answer, name=name)
    if not answer.taken:
        raise StateError(f"the run {run_id} goes on as it is: {answer.why}", hint=answer.hint)
    if what == CANCEL:
        _wait(END_S, lambda: not place.claimed(claim))
    return f"run {run_id}"


def _written(place: Storage, run_id: str, intent: Intent) -> str:
    """Write an intent under the next number; another's never goes lost."""
    while True:
        taken = [name for name in place.list(_folder(run_id)) if not name.endswith(wire.ANSWER)]
        name = f"{_folder(run_id)}/{len(taken) + 1:05d}.json"
        if place.create(name, codec.encode(intent)):
            return name


def _wait(most_s: float, happened: Callable[[], object]) -> None:
    end = time.monotonic() + most_s
    while not happened() and time.monotonic() < end:
        time.sleep(WAIT_S)


def _folder(run_id: str) -> str:
    return f"{wire.run_dir(run_id)}/{wire.INTENTS}"


def _answer_name(intent: str) -> str:
    return intent.removesuffix(".json") + wire.ANSWER
