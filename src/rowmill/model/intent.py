"""What people ask of a run under way, and what comes of it: pause, resume, scale, cancel. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from rowmill.model.report import Who  # noqa: TC001 - msgspec reads annotations at run time

PAUSE, RESUME, SCALE, CANCEL = "pause", "resume", "scale", "cancel"


class Intent(msgspec.Struct, frozen=True):
    """What somebody asks for.

    Attributes:
        what: `pause`, `resume`, `scale` or `cancel`.
        workers: For `scale`: how many at once.
        who: Who asks.
        at: When, ISO 8601, UTC.
    """

    what: str
    workers: int | None
    who: Who
    at: str
    schema: str = "rowmill.intent/1"


class Answer(msgspec.Struct, frozen=True):
    """What the coordinator made of it.

    Attributes:
        taken: It is done, or will be at the next chunk border.
        why: Why it is not.
        hint: What to do instead.
        at: When, ISO 8601, UTC.
    """

    taken: bool
    why: str
    hint: str
    at: str
    schema: str = "rowmill.answer/1"


class Course(NamedTuple):
    """How a run goes on.

    Attributes:
        workers: How many at once.
        most: How many there may be; None where rows run in one process.
        limit: Why there may not be more.
        paused: It waits.
        cancelled: Who stopped it; None = nobody.
        closed: Its output is being published, so that nothing can be changed any more.
    """

    workers: int
    most: int | None
    limit: str = ""
    paused: bool = False
    cancelled: Intent | None = None
    closed: bool = False


class Refused(NamedTuple):
    """Why an intent changes nothing, and what to do instead."""

    why: str
    hint: str


def decided(course: Course, intent: Intent) -> Course | Refused:
    """Return how a run goes on; what would change nothing is refused, so that nobody takes it for done."""
    if course.closed:
        return Refused("its output is being published", "wait for it: it ends in a moment")
    if course.cancelled is not None:
        return Refused(f"it is being cancelled by {course.cancelled.who.user}", "give the run's command again")
    if intent.what == CANCEL:
        return course._replace(cancelled=intent)
    if intent.what in (PAUSE, RESUME):
        return _paused(course, wanted=intent.what == PAUSE)
    return _scaled(course, intent.workers or 1)


def _paused(course: Course, *, wanted: bool) -> Course | Refused:
    if course.paused != wanted:
        return course._replace(paused=wanted)
    return Refused("it is paused already", "give `rowmill resume`") if wanted else Refused("it is not paused", "wait")


def _scaled(course: Course, workers: int) -> Course | Refused:
    if course.most is None:
        return Refused("its rows run in one process", "cancel, and give its command with --on processes --workers N")
    if workers > course.most:
        return Refused(f"it may have {course.most} workers at most: {course.limit}", f"give --workers {course.most}")
    if workers == course.workers:
        return Refused(f"it has {workers} workers at once already", "give another number")
    return course._replace(workers=workers)
