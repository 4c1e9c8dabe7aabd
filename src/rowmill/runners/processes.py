"""Partitions in worker processes of this machine, watched over by the coordinator."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import ProcessingError, RowmillError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

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
    """Worker processes of one run; they start up while the input is still being split."""

    def __init__(self, count: int) -> None:
        self._workers = [Worker() for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        self._start: dict[str, Any] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.end()
        self._selector.close()

    def run(self, run: Run, partitions: Sequence[int], tracker: Tracker) -> None:
        """Do these partitions; a partition whose worker dies is given to another.

        Raises:
            RowmillError: What a worker failed with; the others are stopped by `__exit__`.
        """
        waiting = iter(partitions)
        deaths: dict[int, int] = {}
        left = len(partitions)
        self._start = {
            "workspace": run.workspace.url,
            "run_id": run.id,
            "job_ref": run.record.job_ref,
            "path": [path for path in sys.path if path],
        }
        for worker in self._workers:
            self._begin(worker, waiting)
        while left:
            for key, _ in self._selector.select():
                worker = key.data
                events = worker.take()
                if events is None:
                    self._replace(worker, tracker, deaths)
                    continue
                for event in events:
                    left -= self._heed(event, worker, waiting, tracker)
        for worker in self._workers:
            self._selector.unregister(worker.events)

    def _begin(self, worker: Worker, waiting: Iterator[int]) -> None:
        self._selector.register(worker.events, selectors.EVENT_READ, worker)
        worker.order(**self._start)
        self._next(worker, waiting)

    def _next(self, worker: Worker, waiting: Iterator[int]) -> None:
        worker.partition = next(waiting, None)
        if worker.partition is not None:
            worker.order(partition=worker.partition)

    def _heed(self, event: dict[str, Any], worker: Worker, waiting: Iterator[int], tracker: Tracker) -> int:
        """Act on an event; return how many partitions it finished."""
        if "failed" in event:
            raise RowmillError.from_dict(event["failed"])
        if "rows" in event:
            tracker.rows(event["partition"], event["rows"], event["rejected"])
        if "done" not in event:
            return 0
        tracker.done(event["done"])
        self._next(worker, waiting)
        return 1

    def _replace(self, worker: Worker, tracker: Tracker, deaths: dict[int, int]) -> None:
        """Give a dead worker's partition to a new one."""
        self._selector.unregister(worker.events)
        code = worker.end()
        fresh = Worker()
        self._workers[self._workers.index(worker)] = fresh
        index = worker.partition
        if index is not None:
            tracker.lost(index)
            deaths[index] = deaths.get(index, 0) + 1
            if deaths[index] >= DEATHS:
                how = f"signal {-code}" if code < 0 else f"exit {code}"
                raise ProcessingError(
                    f"worker processes died {DEATHS} times on the same partition ({how})",
                    hint="look for a crash or for memory running out in the function; then give the same command again",
                    run_id=str(self._start["run_id"]),
                    partition=index,
                )
        self._begin(fresh, iter([] if index is None else [index]))
