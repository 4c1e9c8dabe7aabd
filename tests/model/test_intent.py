"""What is asked of a run changes its course, or is refused with what to do instead."""

from __future__ import annotations

import pytest

from rowmill.model.intent import Course, Intent, Refused, decided
from rowmill.model.report import Who


def intent(what: str, workers: int | None = None) -> Intent:
    return Intent(what, workers, Who("ann", "host", 1), "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("course", "asked"),
    [
        (Course(2, 9, paused=True), intent("pause")),
        (Course(2, 9), intent("resume")),
        (Course(2, 9), intent("scale", 2)),
        (Course(2, 9, "why"), intent("scale", 10)),
        (Course(2, None), intent("scale", 3)),
        (Course(2, 9, cancelled=intent("cancel")), intent("cancel")),
        (Course(2, 9, cancelled=intent("cancel")), intent("pause")),
        *((Course(2, 9, closed=True), intent(what, 3)) for what in ("pause", "resume", "scale", "cancel")),
    ],
)
def test_what_would_change_nothing_is_refused_with_a_way_out(course: Course, asked: Intent) -> None:
    found = decided(course, asked)
    assert isinstance(found, Refused)
    assert found.why
    assert found.hint


def test_what_is_asked_is_done() -> None:
    course = Course(2, 9)
    for asked in (intent("pause"), intent("scale", 5), intent("resume"), intent("cancel")):
        found = decided(course, asked)
        assert isinstance(found, Course)
        course = found
    assert (course.workers, course.paused, course.cancelled) == (5, False, intent("cancel"))
