"""Partitions in worker processes of this machine, watched over by the coordinator."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec

from rowmill.errors import ProcessingError, RowmillError
from rowmill.runners.steering import LOOK_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.runners.steering import Steering
    from rowmill.steps import Run
    from rowmill.tracker import Tracker

DEATHS = 3  # of a worker on one partition before it ends the run
GRACE_S = 5.0


class Worker:
    """One process: its pipe for orders, its pipe for events, and what it is doing."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.partition: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rowmill.runners.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=2,  # what the user's code prints is no data
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        self.events = reading
        self._buffer = b""

    def order(self, **fields: Any) -> None:
        """Send an order; one to a dead worker is lost, and its death is seen by `take`."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(msgspec.json.encode(fields) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def take(self) -> list[dict[str, Any]] | None:
        """Return the events that are there; None when the process is gone."""
        data = os.read(self.events, 65536)
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [msgspec.json.decode(line) for line in lines]

    def end(self) -> int:
        """Close its pipe, which ends it, and return how it ended."""
        try:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        os.close(self.events)
        try:
            return self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class Workers:
    """Worker processes for some partitions of one run; they start up while the input is still being split."""

    def __init__(self, count: int) -> None:
        self._workers = [Worker() for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        self._start: dict[str, Any] = {}
        self._most = count
        self._paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._workers:  # each is ended once, though workers that started early have two who leave them
            self._workers.pop().end()
        self._selector.close()

    def run(self, run: Run, partitions: Sequence[int], tracker: Tracker, steering: Steering) -> None:
        """Do these partitions, and end; a partition whose worker dies is given to a new one.

        Args:
            run: The run.
            partitions: By index, in order.
            tracker: Takes what workers tell.
            steering: How many workers there shall be, whether they wait, and whether the run is cancelled.

        Raises:
            RowmillError: What a worker failed with; the others are stopped by `__exit__`.
        """
        self._start = {
            "workspace": run.workspace.url,
            "run_id": run.id,
            "job_ref": run.record.job_ref,
            "path": [path for path in sys.path if path],
        }
        waiting = deque(partitions)
        deaths: dict[int, int] = {}
        for worker in list(self._workers):
            self._begin(worker, waiting)
        while self._workers:
            for key, _ in self._selector.select(LOOK_S):
                self._heed(key.data, waiting, tracker, deaths)
            self._steer(steering, waiting)

    def _steer(self, steering: Steering, waiting: deque[int]) -> None:
        """Do what was asked for meanwhile; a worker that is too many ends after its partition."""
        steering.check()
        self._most = steering.course.workers
        if steering.course.paused != self._paused:
            self._paused = steering.course.paused
            for worker in self._workers:
                worker.order(pause=self._paused)
        while waiting and self._working() < self._most:
            fresh = Worker()
            self._workers.append(fresh)
            self._begin(fresh, waiting)

    def _working(self) -> int:
        return sum(worker.partition is not None for worker in self._workers)

    def _begin(self, worker: Worker, waiting: deque[int]) -> None:
        self._selector.register(worker.events, selectors.EVENT_READ, worker)
        worker.order(**self._start)
        if self._paused:
            worker.order(pause=True)
        self._next(worker, waiting)

    def _next(self, worker: Worker, waiting: deque[int]) -> None:
        """Give a worker its next partition, or let it end: its set-up's own end runs, and its pipe closes."""
        worker.partition = None
        if waiting and self._working() < self._most:
            worker.partition = waiting.popleft()
        if worker.partition is None:
            worker.order(end=True)
        else:
            worker.order(partition=worker.partition)

    def _heed(self, worker: Worker, waiting: deque[int], tracker: Tracker, deaths: dict[int, int]) -> None:
        """Act on what a worker tells, or on its end."""
        events = worker.take()
        if events is None:
            self._selector.unregister(worker.events)
            self._workers.remove(worker)
            code = worker.end()
            if worker.partition is not None:
                self._replace(worker.partition, code, waiting, tracker, deaths)
            return
        for event in events:
            if "failed" in event:
                raise RowmillError.from_dict(event["failed"])
            if "rows" in event:
                tracker.rows(event["partition"], event["rows"], event["rejected"])
            if "lost" in event:
                tracker.lost(event["lost"])
            if "done" in event:
                tracker.done(event["done"])
                self._next(worker, waiting)

    def _replace(
        self, partition: int, code: int, waiting: deque[int], tracker: Tracker, deaths: dict[int, int]
    ) -> None:
        """Give a dead worker's partition to a new one."""
        tracker.lost(partition)
        deaths[partition] = deaths.get(partition, 0) + 1
        if deaths[partition] >= DEATHS:
            raise ProcessingError(
                f"worker processes died {DEATHS} times on the same partition "
                f"({f'signal {-code}' if code < 0 else f'exit {code}'})",
                hint="look for a crash or for memory running out in the function; then give the same command again",
                run_id=str(self._start["run_id"]),
                partition=partition,
            )
        fresh = Worker()
        self._workers.append(fresh)
        waiting.appendleft(partition)
        self._begin(fresh, waiting)
