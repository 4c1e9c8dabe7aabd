"""What one of several processes tells of a run: it adds to counters that no process owns, and replaces none.

Split has written the whole before. A server that is away is told later, once it is there; what it has forgotten
meanwhile comes back by `rowmill tracker rebuild`. As everywhere here, the run neither waits for it nor fails with it.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.tracker import View
from rowmill.tracker.connecting import connect
from rowmill.tracker.valkey import BEAT_S, CLOSE_S, LIFE_S, under_way_key, view_key

if TYPE_CHECKING:
    from collections.abc import Mapping


class Sharing:
    """Tells a server what this process does of a run.

    Args:
        url: The server's address.
        run_id: The run.
        locations: By index, how the set of partitions still to do names them.
    """

    def __init__(self, url: str, run_id: str, locations: Mapping[int, str]) -> None:
        self._server = connect(url)
        self._run_id, self._locations = run_id, locations
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._under_way: Counter[int] = Counter()
        self._begun: set[int] = set()
        self._new: set[int] = set()
        self._ended: set[int] = set()
        self._removed: list[str] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="tracker")
        self._thread.start()

    def begin(self, step: str, *, rows: int, partitions: int, rows_done: int, todo: Mapping[int, str]) -> None:
        """Do nothing: split has told what there is to do."""

    def rows(self, partition: int, rows: int, rejected: int) -> None:
        """Take rows of a partition under way."""
        with self._lock:
            if partition not in self._begun:
                self._begun.add(partition)
                self._new.add(partition)
            self._under_way[partition] += rows
            self._counts.update(rows_done=rows, rejected=rejected)

    def lost(self, partition: int) -> None:
        """Take back what an attempt had told."""
        with self._lock:
            self._counts.update(rows_done=-self._under_way[partition], failures=1)
            self._under_way[partition] = 0

    def done(self, partition: int) -> None:
        """A partition has its receipt."""
        with self._lock:
            self._under_way.pop(partition, None)
            self._ended.add(partition)
            self._counts.update(partitions_done=1)
            self._removed.append(self._locations[partition])

    def view(self) -> View:
        """Return nothing of use: the whole is known to the server alone."""
        return View("process")

    def close(self) -> None:
        """Tell the last counts, and let go of the server."""
        self._closed.set()
        self._thread.join(CLOSE_S)
        self._server.close()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_S):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            new, self._new = self._new, set()
            ended, self._ended = self._ended, set()
            counts, self._counts = self._counts, Counter()
            under_way = dict(self._under_way)
            removed, self._removed = self._removed, []
        try:
            self._write(counts, self._of_the_dead(new), under_way, ended, removed)
        except Exception:  # noqa: BLE001 - whatever a server does, a view costs the run nothing
            with self._lock:
                self._new |= new
                self._ended |= ended
                self._counts.update(counts)
                self._removed = removed + self._removed

    def _of_the_dead(self, new: set[int]) -> int:
        """Return the rows that earlier processes told of partitions which they did not finish."""
        if not new:
            return 0
        told = self._server.hmget(under_way_key(self._run_id), [str(partition) for partition in sorted(new)])
        return sum(int(rows or 0) for rows in told)

    def _write(
        self, counts: Counter[str], dead: int, under_way: Mapping[int, int], ended: set[int], removed: list[str]
    ) -> None:
        line = self._server.pipeline()
        if removed:
            line.srem(wire.todo_key(self._run_id), *removed)
        for name, count in {**counts, "rows_done": counts["rows_done"] - dead}.items():
            line.hincrby(view_key(self._run_id), name, count)
        if under_way:
            line.hset(under_way_key(self._run_id), mapping={str(index): rows for index, rows in under_way.items()})
        if ended:
            line.hdel(under_way_key(self._run_id), *map(str, ended))
        for key in (wire.todo_key(self._run_id), view_key(self._run_id), under_way_key(self._run_id)):
            line.expire(key, LIFE_S)
        line.execute()
