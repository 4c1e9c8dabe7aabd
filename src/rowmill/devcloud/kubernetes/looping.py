"""A controller's loop: it sees every change of the cluster in order, and does what is due."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.kinds import KINDS
from rowmill.devcloud.kubernetes.store import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.devcloud.kubernetes.store import Store

TICK_S = 0.5  # how long it waits at most before it looks whether it is to end


class Loop:
    """A thread that calls `see` for every change and `work` after some of them.

    Args:
        store: The cluster's objects; those that are there already are seen as added.
        name: What the thread is called.
        see: Takes a change.
        work: Does what is due; returns in how many seconds something is due next, None = nothing is.
    """

    def __init__(
        self, store: Store, name: str, see: Callable[[Event], None], work: Callable[[], float | None] = lambda: None
    ) -> None:
        self._store, self._see, self._work = store, see, work
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when what it does now is done."""
        self._stopped.set()
        self._store.wake()
        self._thread.join()

    def _run(self) -> None:
        version = self._list()
        while not self._stopped.is_set():
            wait = self._work()
            try:
                events = self._store.watch(version, TICK_S if wait is None else max(0.0, min(wait, TICK_S)))
            except Refusal:  # so many changes since the last look that the first are forgotten
                version = self._list()
                continue
            for event in events:
                version = event.version
                self._see(event)

    def _list(self) -> int:
        version = self._store.version
        for kind in KINDS:
            for found in self._store.shared(kind.name)[0]:
                self._see(Event(version, "ADDED", kind.name, found, None))
        return version
