"""How far a process step is, as its KubernetesJob and, where the client sees it, the workspace tell."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import wire
from rowmill.errors import RowmillError
from rowmill.runners.kubernetes import choosing
from rowmill.tracker import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.storage import Storage

COUNTED_S = 3.0


class Found(NamedTuple):
    """What split found.

    Attributes:
        run_id: The run.
        rows, partitions: All of its input.
        unfinished: Partitions that have no receipt.
        next_attempt: The number that the next try may take.
    """

    run_id: str
    rows: int
    partitions: int
    unfinished: int
    next_attempt: int


class Counted:
    """Counts receipts every few seconds, where the client sees the workspace."""

    def __init__(self, workspace: Storage | None, run_id: str) -> None:
        self._workspace, self._folder = workspace, f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"
        self._next, self._done = 0.0, 0

    def done(self) -> int:
        """Return how many partitions have one, as far as is known."""
        if self._workspace is not None and time.monotonic() > self._next:
            with suppress(RowmillError):  # a view is not worth a run
                self._done = sum(1 for _ in self._workspace.list(self._folder))
            self._next = time.monotonic() + COUNTED_S
        return self._done


def view_of(job: Mapping[str, Any], found: Found, receipts: int = 0) -> View:
    """Return how far a process step is.

    By its finished indexes, each of which has its share of the partitions, or by what the workspace shows, if more.
    """
    count = job["spec"].get("completions", 1)
    done = choosing.indexes(job.get("status", {}).get("completedIndexes", ""))
    before = found.partitions - found.unfinished
    partitions = before + sum(len(range(index, found.unfinished, count)) for index in done)
    partitions = min(max(partitions, receipts), found.partitions)
    return view(found, partitions, failures=job.get("status", {}).get("failed", 0))


def view(found: Found, done: int, *, failures: int = 0) -> View:
    """Return how far a run is of which so many partitions are done; their rows are those of the mean."""
    rows = found.rows * done // max(1, found.partitions)
    return View("process", found.rows, rows, found.partitions, done, failures=failures)
