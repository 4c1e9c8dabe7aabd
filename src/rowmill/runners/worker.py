"""A worker process: takes partitions by a pipe, does them, tells how far it is.

Started as `python -m rowmill.runners.worker FD`, so that no script's `__main__` is imported a second time. Its standard
input is the coordinator's pipe: when that closes, by order or by death, the worker ends at once; nothing of a partition
counts before its receipt.
"""

from __future__ import annotations

import io
import os
import queue
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import RowmillError
from rowmill.model.manifest import Manifest
from rowmill.runners.inline import few_collections, patiently, process_new_attempt
from rowmill.runners.opening import open_run
from rowmill.steps.function.outcome import own_line_of
from rowmill.steps.function.preparing import preparing
from rowmill.storage import open_storage

if TYPE_CHECKING:
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.steps.results import Progress


def main() -> None:
    """Take orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the coordinator, which tells the workers
    events = int(sys.argv[1])
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    going = threading.Event()  # not set while the run is paused
    going.set()
    threading.Thread(target=_take_orders, args=(orders, going), daemon=True).start()

    def tell(**event: Any) -> None:
        try:
            os.write(events, msgspec.json.encode(event) + b"\n")
        except BrokenPipeError:  # the coordinator is dead
            os._exit(0)

    try:
        _work(orders, going, tell)
    except RowmillError as error:
        tell(failed=error.as_dict())
    except Exception as error:  # noqa: BLE001 - it is told, and becomes exit 1
        # Its text is left out: nobody knows whether it shows a row.
        told = RowmillError(f"{type(error).__name__} ({own_line_of(error)})", hint="this is a bug: report it")
        tell(failed=told.as_dict())


def _take_orders(orders: queue.SimpleQueue[dict[str, Any]], going: threading.Event) -> None:
    for line in io.FileIO(0, closefd=False):  # not sys.stdin: its lock, held here, would break the interpreter's end
        order = msgspec.json.decode(line)
        if "pause" not in order:
            orders.put(order)
        elif order["pause"]:
            going.clear()
        else:
            going.set()
    os._exit(0)


def _work(orders: queue.SimpleQueue[dict[str, Any]], going: threading.Event, tell: Any) -> None:
    start = orders.get()
    sys.path[:0] = [path for path in start["path"] if path not in sys.path]
    run = open_run(open_storage(start["workspace"]), start["run_id"], job_ref=start["job_ref"])
    run = run._replace(border=going.wait)
    manifest = run.load(run.name(wire.MANIFEST), Manifest)
    assert manifest is not None  # noqa: S101 - the coordinator published it before it gave the order
    with few_collections(), preparing(run.job, run.record.params) as prepared:
        tell(ready=True)
        while "partition" in (order := orders.get()):
            _do(run, manifest, order["partition"], prepared, tell)


def _do(run: Run, manifest: Manifest, index: int, prepared: Prepared, tell: Any) -> None:
    def told(progress: Progress) -> None:
        tell(partition=index, rows=progress.rows, rejected=progress.rejected)

    patiently(
        partial(process_new_attempt, run, manifest, index, prepared, told),
        again=partial(tell, lost=index),
    )
    tell(done=index)


if __name__ == "__main__":
    main()
