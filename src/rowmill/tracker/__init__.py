"""The live, disposable view of progress. Truth is the workspace; losing the tracker changes nothing but the view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class View(msgspec.Struct, frozen=True):
    """How far a run is.

    Attributes:
        rows: All rows; 0 until split has counted them.
        rows_done: Rows of finished partitions and of those under way.
        partitions, partitions_done: The same in partitions.
        rejected: Rejects so far.
        failures: Attempts that ended without a receipt.
        away: Whether the tracker's server does not answer, so that nobody else sees this.
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
    failures: int = 0
    away: bool = False


class Pace(Protocol):
    """How fast a place may be written, over all workers of a run."""

    def reserve(self, units: int) -> float:
        """Return the seconds to wait before so many units may be sent."""


class Unlimited:
    """No limit."""

    def reserve(self, units: int) -> float:
        """Return no time at all."""
        del units
        return 0.0


UNLIMITED = Unlimited()


class Tracker(Protocol):
    """Takes what workers tell."""

    def begin(self, step: str, *, rows: int, partitions: int, rows_done: int, todo: Mapping[int, str]) -> None:
        """Say what there is to do, and what was done before.

        Args:
            step: Which step begins.
            rows: Rows of the run.
            partitions: Partitions of the run.
            rows_done: Rows of those that have a receipt.
            todo: By index, the locations of partitions still to do.
        """

    def rows(self, partition: int, rows: int, rejected: int) -> None:
        """Take rows of a partition under way."""

    def lost(self, partition: int) -> None:
        """Take back what an attempt that died had told."""

    def done(self, partition: int) -> None:
        """A partition has its receipt."""

    def view(self) -> View:
        """Return how far the run is now."""

    def close(self) -> None:
        """Let go of what shows it to others."""


def open_pace(url: str, run_id: str, rate: int | None, workers: int) -> Pace:
    """Return the pace of one worker: kept by the tracker for all workers together, or its own share without one."""
    if rate is None:
        return UNLIMITED
    if url:
        from rowmill.tracker.valkey import ValkeyPace  # noqa: PLC0415 - an extra

        return ValkeyPace(url, run_id, rate, workers)
    from rowmill.tracker.pace import LocalPace  # noqa: PLC0415 - few runs have a limit

    return LocalPace(rate / workers)


def open_tracker(url: str, run_id: str) -> Tracker:
    """Return the tracker of a run: in this process, and shown to others by the server at the URL if there is one.

    Args:
        url: Of the server, or empty.
        run_id: Of the run.

    Raises:
        ConfigurationError: The URL, or a setting that goes with it, is wrong. A server that is away is no error.
    """
    from rowmill.tracker.memory import Memory  # noqa: PLC0415 - it imports this module

    here = Memory()
    if not url:
        return here
    from rowmill.tracker.valkey import Valkey  # noqa: PLC0415 - an extra

    return Valkey(url, run_id, here)


def open_shared(url: str, run_id: str, locations: Mapping[int, str]) -> Tracker:
    """Return the tracker of one of several processes that do a run: it adds to what split has told.

    Args:
        url: Of the server, or empty.
        run_id: Of the run.
        locations: By index, how the server names partitions.
    """
    if not url:
        from rowmill.tracker.memory import Memory  # noqa: PLC0415 - it imports this module

        return Memory()
    from rowmill.tracker.sharing import Sharing  # noqa: PLC0415 - an extra

    return Sharing(url, run_id, locations)


def read_view(url: str, run_id: str) -> View | None:
    """Return what a tracker's server shows of a run; None if it knows nothing, or does not answer."""
    from rowmill.tracker import valkey  # noqa: PLC0415 - an extra

    return valkey.read_view(url, run_id)


def ping(url: str) -> None:
    """Make sure that a tracker's server answers.

    Raises:
        ConfigurationError: The URL, or a setting that goes with it, is wrong.
        TransientError: It does not answer.
    """
    from rowmill.tracker import valkey  # noqa: PLC0415 - an extra

    valkey.ping(url)


def rebuild(url: str, run_id: str, view: View, todo: Sequence[str]) -> None:
    """Write anew what a tracker's server must show of a run.

    Raises:
        TransientError: It does not answer.
    """
    from rowmill.tracker import valkey  # noqa: PLC0415 - an extra

    valkey.rebuild(url, run_id, view, todo)
