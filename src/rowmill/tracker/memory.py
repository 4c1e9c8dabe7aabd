"""Progress in the coordinator's own memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from rowmill.tracker import View

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW_S = 10.0


class Memory:
    """Counts in this process; safe to read from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._step = "split"
        self._rows = self._partitions = self._partitions_done = self._rows_done = self._rejected = self._failures = 0
        self._under_way: dict[int, tuple[int, int]] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self, step: str, *, rows: int, partitions: int, rows_done: int, todo: Mapping[int, str]) -> None:
        """Say what there is to do."""
        with self._lock:
            self._step, self._rows, self._partitions = step, rows, partitions
            self._rows_done, self._partitions_done = rows_done, partitions - len(todo)
            self._seen.clear()
            self._seen.append((time.monotonic(), rows_done))

    def rows(self, partition: int, rows: int, rejected: int) -> None:
        """Take rows of a partition under way."""
        with self._lock:
            had = self._under_way.get(partition, (0, 0))
            self._under_way[partition] = (had[0] + rows, had[1] + rejected)
            self._rows_done += rows
            self._rejected += rejected

    def lost(self, partition: int) -> None:
        """Take back what an attempt had told."""
        with self._lock:
            rows, rejected = self._under_way.pop(partition, (0, 0))
            self._rows_done -= rows
            self._rejected -= rejected
            self._failures += 1

    def done(self, partition: int) -> None:
        """A partition has its receipt."""
        with self._lock:
            self._under_way.pop(partition, None)
            self._partitions_done += 1

    def view(self) -> View:
        """Return how far the run is now."""
        with self._lock:
            now = time.monotonic()
            self._seen.append((now, self._rows_done))
            while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_S:  # noqa: PLR2004 - two points make a rate
                self._seen.popleft()
            since, rows = self._seen[0]
            rate = (self._rows_done - rows) / (now - since) if now > since else 0.0
            left = self._rows - self._rows_done
            return View(
                self._step,
                self._rows,
                self._rows_done,
                self._partitions,
                self._partitions_done,
                self._rejected,
                int(rate),
                int(left / rate) + 1 if rate > 0 and left > 0 else 0 if self._rows and not left else None,
                self._failures,
            )

    def close(self) -> None:
        """Nothing is shown to others."""
