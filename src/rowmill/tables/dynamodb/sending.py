"""Items into a DynamoDB table: fast, and each acknowledged or told to be missing.

One thread for each request under way takes groups of items that the caller queued. What a request leaves undone goes
back into the queue with a pause. Only the answers count: an item is acknowledged when the server says so.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, Self

from rowmill.errors import TransientError
from rowmill.model.capacity import write_units
from rowmill.model.policy import pause_s
from rowmill.tables.dynamodb import window as windows
from rowmill.tables.dynamodb.answers import MOST_PUTS, body_of, bytes_of, groups, verdict
from rowmill.tables.dynamodb.transport import Channel, Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.tables.dynamodb.answers import Item, Verdict
    from rowmill.tracker import Pace

__all__ = ["Sender", "write_units"]

PAUSE_BASE_S, PAUSE_CAP_S = 0.05, 5.0  # a table's capacity comes by the second
QUEUED_PER_REQUEST = 4  # groups for each request that may be under way: some of them have a pause
HELD_BYTES = 64 * 1024 * 1024  # of items that are not acknowledged, in all
LAST_ANSWERS_S = 1.0  # at the end, for requests under way


class Group(NamedTuple):
    """Items that go together.

    Attributes:
        items: At most as many as a request takes.
        tries: How often they were sent.
        paced: Whether their units are reserved.
    """

    items: Sequence[Item]
    tries: int = 0
    paced: bool = False


class Sender:
    """Writes items into one table; used by one thread, within `with`.

    The caller sees to it that no key is twice among items that are not acknowledged yet: which of two would be written
    last is not known.

    Args:
        region: The connection: None = as the environment or the profile says, credentials by botocore's chain.
        table: Its name.
        pace: How fast it may be written.
        window: Requests under way, at most.
        budget_s: How long nothing may succeed.

    Raises:
        ConfigurationError: There are no credentials, or there is no region.

    Restart: what is not acknowledged may be written or not; putting it again is safe.
    """

    def __init__(
        self, region: str | None, table: str, *, pace: Pace, window: int = 32, budget_s: float = 120.0
    ) -> None:
        self._table = table
        self._pace = pace
        self._budget_s = budget_s
        self._transport = Transport(region, table)
        self._dice = random.Random()  # noqa: S311 - for pauses
        self._window = windows.opened(window)
        self._open: list[Item] = []  # not enough for a request yet
        self._ready: deque[Group] = deque()
        self._later: list[tuple[float, int, Group]] = []  # a heap, by the moment they are due
        self._numbers = itertools.count()
        self._under_way = 0  # requests
        self._unacknowledged = 0  # items, but those in `_open`
        self._held_bytes = 0  # of these items
        self._acknowledged = 0  # items, since the last flush
        self._failing_since: float | None = None
        self._failures = 0  # requests, since anything was acknowledged
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._pacing = threading.Lock()
        self._work = threading.Condition(self._lock)  # there may be something to send
        self._room = threading.Condition(self._lock)  # there may be room in the queue, or nothing left to wait for
        self._threads: list[threading.Thread] = []
        self._idle = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop at once what is not sent; give requests under way a moment to be answered."""
        with self._lock:
            self._closed.set()
            self._open.clear()
            self._ready.clear()
            self._later.clear()
            self._work.notify_all()
        end = time.monotonic() + LAST_ANSWERS_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._transport.close()
        for thread in self._threads:
            thread.join(LAST_ANSWERS_S)

    def put(self, items: Sequence[Item]) -> None:
        """Queue items, each with its write units; wait while the queue is full.

        Raises:
            TransientError: Nothing has succeeded for the length of the budget.
            ConfigurationError: The table is missing, or DynamoDB does not allow or accept the request.
        """
        self._open += items
        if len(self._open) >= MOST_PUTS:
            rest = len(self._open) % MOST_PUTS
            whole = self._open[: len(self._open) - rest]
            self._open = self._open[len(whole) :]
            self._queue(whole)
        else:
            self._raise_error()

    def flush(self) -> int:
        """Wait until every item is acknowledged; return how many were since the last flush.

        Raises:
            TransientError: Nothing has succeeded for the length of the budget.
            ConfigurationError: The table is missing, or DynamoDB does not allow or accept the request.
        """
        items, self._open = self._open, []
        self._queue(items)
        with self._lock:
            while self._unacknowledged and self._error is None:
                self._room.wait()
        self._raise_error()
        acknowledged, self._acknowledged = self._acknowledged, 0
        return acknowledged

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _queue(self, items: Sequence[Item]) -> None:
        for group in groups(items):
            with self._lock:
                while not self._has_room() and self._error is None:
                    self._room.wait()
                self._raise_error()
                self._ready.append(Group(group))
                self._unacknowledged += len(group)
                self._held_bytes += bytes_of(group)
                self._wake()

    def _has_room(self) -> bool:
        queued = len(self._ready) + len(self._later)
        return queued < QUEUED_PER_REQUEST * self._window.most and self._held_bytes < HELD_BYTES

    def _wake(self) -> None:
        """Have a group sent, if one more may be under way."""
        if self._under_way + 1 > self._window.limit:
            return
        if self._idle:
            self._work.notify()
        elif len(self._threads) < self._window.most:
            thread = threading.Thread(target=self._send_groups, name=f"dynamodb-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _send_groups(self) -> None:
        """Send one group after another: what a thread does."""
        with closing(Channel(self._transport)) as channel:
            try:
                while (group := self._take()) is not None:
                    self._send(group, channel)
            except Exception as error:  # noqa: BLE001 - the caller's thread raises it
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._error = self._error or error
            self._work.notify_all()
            self._room.notify_all()

    def _take(self) -> Group | None:
        """Wait for a group to send; return None if there will be none."""
        with self._lock:
            while not self._closed.is_set() and self._error is None:
                allowed = self._under_way + 1 <= self._window.limit
                if allowed and (group := self._next()) is not None:
                    self._under_way += 1
                    if self._ready or self._is_due():
                        self._wake()
                    return group
                self._idle += 1
                self._work.wait(self._later[0][0] - time.monotonic() if allowed and self._later else None)
                self._idle -= 1
            return None

    def _is_due(self) -> bool:
        return bool(self._later) and self._later[0][0] <= time.monotonic()

    def _next(self) -> Group | None:
        """Return what is to be sent now: remainders whose pause is over, put together, before new groups."""
        if not self._is_due():
            return self._ready.popleft() if self._ready else None
        group = heapq.heappop(self._later)[2]
        while self._is_due() and (joined := joint(group, self._later[0][2])) is not None:
            heapq.heappop(self._later)
            group = joined
        return group

    def _send(self, group: Group, channel: Channel) -> None:
        if not group.paced:
            self._closed.wait(self._wait_s(group))
        if self._closed.is_set():
            return
        sent_at = time.monotonic()
        answer = channel.send(body_of(self._table, group.items))
        self._settle(group, verdict(self._table, group.items, answer), sent_at)

    def _wait_s(self, group: Group) -> float:
        with self._pacing:  # a pace need not bear several threads
            return self._pace.reserve(sum([units for _, units in group.items]))

    def _settle(self, group: Group, found: Verdict, sent_at: float) -> None:
        """Count what is acknowledged, and put the rest back."""
        now = time.monotonic()
        with self._lock:
            self._under_way -= 1
            if self._closed.is_set():
                return
            self._window = windows.after(self._window, throttled=found.throttled, sent_at=sent_at, now=now)
            self._acknowledged += found.acknowledged
            self._unacknowledged -= found.acknowledged
            self._held_bytes -= bytes_of(group.items) - bytes_of(found.again)
            if found.acknowledged:
                self._failing_since, self._failures = None, 0
            if found.error is not None:
                self._put_back(group, found, now)
            self._room.notify_all()

    def _put_back(self, group: Group, found: Verdict, now: float) -> None:
        """Have what is not acknowledged sent again, unless that is hopeless or the budget is spent."""
        if self._failing_since is None:
            self._failing_since = now
        left_s = self._budget_s - (now - self._failing_since)
        if found.final or left_s <= 0:
            if isinstance(found.error, TransientError):
                found.error.spent = True
            self._error = self._error or found.error
            self._work.notify_all()
            return
        # While a table takes anything it is not to be left alone: the window slows down, not the pause.
        pause = pause_s(min(group.tries, self._failures), self._dice, base_s=PAUSE_BASE_S, cap_s=PAUSE_CAP_S)
        self._failures += 1
        again = Group(found.again, group.tries + 1, paced=not found.unknown)
        heapq.heappush(self._later, (now + min(pause, left_s), next(self._numbers), again))


def joint(one: Group, other: Group) -> Group | None:
    """Return two groups as one, if a request takes both and both have their units or neither."""
    items = [*one.items, *other.items]
    if one.paced != other.paced or len(list(groups(items))) > 1:
        return None
    return Group(items, max(one.tries, other.tries), one.paced)
