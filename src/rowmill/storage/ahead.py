"""Work that goes on in threads while its caller waits for another part of it.

The threads are daemons: a request that hangs holds up neither a signal's handler nor the end of the process.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")


def started(call: Callable[[], R]) -> Future[R]:
    """Begin a call in a thread of its own."""
    future: Future[R] = Future()
    threading.Thread(target=_do, args=(future, call), daemon=True).start()
    return future


def in_order(call: Callable[[T], R], items: Iterable[T], width: int) -> Iterator[R]:
    """Return what `call` makes of each item, in their order, with at most `width` of them begun and not yet taken.

    The first error ends it; what has not begun by then is not begun any more.
    """
    orders: queue.SimpleQueue[tuple[Future[R], T] | None] = queue.SimpleQueue()

    def work() -> None:
        while (order := orders.get()) is not None:
            future, item = order
            _do(future, lambda: call(item))  # noqa: B023 - called at once

    waiting: deque[Future[R]] = deque()
    threads = 0
    try:
        for item in items:
            if len(waiting) == width:
                yield waiting.popleft().result()
            if threads < width:
                threads += 1
                threading.Thread(target=work, daemon=True).start()
            future: Future[R] = Future()
            waiting.append(future)
            orders.put((future, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for _ in range(threads):
            orders.put(None)


def _do(future: Future[R], call: Callable[[], R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is the waiting caller's
        future.set_exception(error)
