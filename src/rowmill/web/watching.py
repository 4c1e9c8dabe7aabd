"""The last look at each run, shared by all who watch: a store is asked no more often for ten viewers than for one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rowmill.errors import IntegrityError, StateError
from rowmill.runners import standing
from rowmill.runners.seeing import look, refused
from rowmill.runners.standing import Status
from rowmill.web.metrics import UNREADABLE
from rowmill.web.steps import LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from rowmill.errors import RowmillError
    from rowmill.runners.seeing import Look, Refused
    from rowmill.storage import Storage

    T = TypeVar("T")

FRESH_S = 1.0
REST = 10  # a look is good for so many times as long as it took: looking takes a tenth of the time at most
MOST_RUNS = 32
REJECTS = 10
ALL_RUNS = "all"


def _has_more(seen: Look) -> bool:
    """Whether a run that has ended has receipts that are not read yet; a live one would always have some."""
    return seen.status.state not in LIVE and len(seen.receipts) < len(seen.done)


def unreadable(run_id: str, error: RowmillError) -> Status:
    """Return what is told of a run whose objects do not read."""
    return Status(
        run_id,
        job=run_id,
        state=UNREADABLE,
        input="",
        output="",
        started="",
        ended=None,
        rows=0,
        rows_done=0,
        partitions=0,
        partitions_done=0,
        rejected=0,
        rows_per_second=None,
        eta_s=None,
        failure=error.as_dict(),
    )


class Watching:
    """Looks at the runs of a workspace; safe to be asked by several threads."""

    def __init__(self, place: Storage) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._kept: dict[str, tuple[float, object]] = {}
        self._rejects: dict[str, tuple[tuple[str, ...], list[Refused]]] = {}

    def runs(self) -> list[Status]:
        """Return how all runs stand, the latest first."""
        return self._fresh(ALL_RUNS, lambda _: standing.all_runs(self.place, self._status), lambda _: False)

    def _status(self, run_id: str) -> Status | None:
        """Return how a run stands; of one that has not ended well, no receipt is read twice for the list either."""
        try:
            return standing.ended_well(self.place, run_id) or self.run(run_id).status
        except StateError:
            return None
        except IntegrityError as error:  # one that was damaged does not hide the others
            return unreadable(run_id, error)

    def run(self, run_id: str) -> Look:
        """Return a look at a run.

        Raises:
            StateError: There is no such run.
        """
        return self._fresh(run_id, lambda before: look(self.place, run_id, before), _has_more)

    def rejects(self, seen: Look) -> Sequence[Refused]:
        """Return a run's first refused rows; they are read again only if there are others."""
        with_some = [one for _, one in sorted(seen.current.items()) if one.rejects is not None][:REJECTS]
        names = tuple(one.attempt for one in with_some)
        known = self._rejects.get(seen.record.run_id)
        if known is not None and known[0] == names:
            return known[1]
        found = refused(self.place, seen, [one.partition for one in with_some], most=REJECTS)
        self._rejects[seen.record.run_id] = (names, found)
        return found

    def rest_s(self, run_id: str) -> float:
        """Return how long it is until there is another look to be had."""
        until, _ = self._kept.get(run_id, (0.0, None))
        return max(0.1, until - time.monotonic())

    def _fresh(self, name: str, make: Callable[[T | None], T], has_more: Callable[[T], bool]) -> T:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            until, kept = self._kept.get(name, (0.0, None))
            if kept is None or time.monotonic() >= until:
                begun = time.monotonic()
                kept = make(kept)  # type: ignore[arg-type]  # under one name there is one kind of value
                now = time.monotonic()
                rest_s = 0.0 if has_more(kept) else max(FRESH_S, REST * (now - begun))
                self._keep(name, now + rest_s, kept)
            return kept  # type: ignore[return-value]

    def _keep(self, name: str, until: float, value: object) -> None:
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = (until, value)
            while len(self._kept) > MOST_RUNS:
                self._kept.pop(next(iter(self._kept)))
