"""The live, disposable view of progress. Truth is the workspace; losing the tracker changes nothing but the view."""

from __future__ import annotations

from typing import Protocol

import msgspec


class View(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        rows: All rows; 0 until split has counted them.
        rows_done: Rows of finished partitions and of those under way.
        partitions, partitions_done: The same in partitions.
        rejected: Rejects so far.
        rows_per_second: Over the last seconds.
        eta_s: Seconds left at that rate; None where it cannot be told.
    """

    step: str
    rows: int = 0
    rows_done: int = 0
    partitions: int = 0
    partitions_done: int = 0
    rejected: int = 0
    rows_per_second: int = 0
    eta_s: int | None = None


class Tracker(Protocol):
    """Takes what workers tell."""

    def begin(self, step: str, *, rows: int, partitions: int, rows_done: int, partitions_done: int) -> None:
        """Say what there is to do, and what was done before."""

    def rows(self, partition: int, rows: int, rejected: int) -> None:
        """Take rows of a partition under way."""

    def lost(self, partition: int) -> None:
        """Take back what an attempt that died had told."""

    def done(self, partition: int) -> None:
        """A partition has its receipt."""

    def view(self) -> View:
        """Return how far the run is now."""
