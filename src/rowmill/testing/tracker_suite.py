"""What every Tracker must do. A check gets a tracker's URL, and opens trackers of runs that nobody else has."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and small numbers are its material

from __future__ import annotations

import threading
import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rowmill.tracker import View, open_tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.tracker import Tracker

TODO = {1: "00001 in.csv#bytes=10-20", 2: "00002 in.csv#bytes=20-30", 4: "00004 in.csv#bytes=40-50"}


@contextmanager
def _begun(url: str) -> Iterator[Tracker]:
    """Give a tracker of a run of 50 rows in 5 partitions, two of which were done before."""
    with closing(open_tracker(url, uuid.uuid4().hex)) as tracker:
        tracker.begin("process", rows=50, partitions=5, rows_done=20, todo=TODO)
        yield tracker


def a_run_is_at_split_until_a_step_begins(url: str) -> None:
    """Nothing is known of it."""
    with closing(open_tracker(url, uuid.uuid4().hex)) as tracker:
        assert tracker.view() == View("split")


def what_was_done_before_counts(url: str) -> None:
    """A run that goes on does not begin at nothing."""
    with _begun(url) as tracker:
        view = tracker.view()
        assert (view.step, view.rows, view.rows_done, view.partitions, view.partitions_done) == (
            "process",
            50,
            20,
            5,
            2,
        )


def rows_under_way_count_at_once(url: str) -> None:
    """They are seen before their partition is done."""
    with _begun(url) as tracker:
        tracker.rows(1, 4, 1)
        tracker.rows(2, 3, 0)
        tracker.rows(1, 2, 1)
        view = tracker.view()
        assert (view.rows_done, view.rejected, view.partitions_done) == (29, 2, 2)


def a_partition_that_is_done_keeps_its_rows(url: str) -> None:
    """Its receipt takes nothing back."""
    with _begun(url) as tracker:
        tracker.rows(1, 10, 3)
        tracker.done(1)
        view = tracker.view()
        assert (view.rows_done, view.rejected, view.partitions_done, view.failures) == (30, 3, 3, 0)


def an_attempt_that_is_lost_takes_its_rows_back(url: str) -> None:
    """And no other's; it is counted as a failure."""
    with _begun(url) as tracker:
        tracker.rows(1, 10, 3)
        tracker.rows(2, 4, 1)
        tracker.lost(1)
        view = tracker.view()
        assert (view.rows_done, view.rejected, view.failures) == (24, 1, 1)


def an_attempt_may_be_lost_that_told_nothing(url: str) -> None:
    """It died before its first row."""
    with _begun(url) as tracker:
        tracker.lost(4)
        view = tracker.view()
        assert (view.rows_done, view.partitions_done, view.failures) == (20, 2, 1)


def a_retried_partition_counts_once(url: str) -> None:
    """However often it was begun."""
    with _begun(url) as tracker:
        for _ in range(3):
            tracker.rows(1, 7, 2)
            tracker.lost(1)
        tracker.rows(1, 10, 0)
        tracker.done(1)
        view = tracker.view()
        assert (view.rows_done, view.rejected, view.partitions_done, view.failures) == (30, 0, 3, 3)


def nothing_is_left_when_all_is_done(url: str) -> None:
    """The time left is zero, not unknown."""
    with _begun(url) as tracker:
        for partition in TODO:
            tracker.rows(partition, 10, 0)
            tracker.done(partition)
        view = tracker.view()
        assert (view.rows_done, view.partitions_done, view.eta_s) == (50, 5, 0)
        assert view.rows_per_second >= 0


def many_threads_may_tell(url: str) -> None:
    """No row is forgotten, and who looks on disturbs nobody."""
    with _begun(url) as tracker:

        def tell(partition: int) -> None:
            for _ in range(500):
                tracker.rows(partition, 1, 1)
                tracker.view()

        threads = [threading.Thread(target=tell, args=(partition,)) for partition in TODO for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (tracker.view().rows_done, tracker.view().rejected) == (3_020, 3_000)


def the_counts_outlive_its_end(url: str) -> None:
    """The last line of progress is printed when all is over; to end it again does no harm."""
    with _begun(url) as tracker:
        tracker.rows(1, 5, 0)
        tracker.close()
        assert tracker.view().rows_done == 25


TRACKERS: tuple[Callable[[str], None], ...] = (
    a_run_is_at_split_until_a_step_begins,
    what_was_done_before_counts,
    rows_under_way_count_at_once,
    a_partition_that_is_done_keeps_its_rows,
    an_attempt_that_is_lost_takes_its_rows_back,
    an_attempt_may_be_lost_that_told_nothing,
    a_retried_partition_counts_once,
    nothing_is_left_when_all_is_done,
    many_threads_may_tell,
    the_counts_outlive_its_end,
)
