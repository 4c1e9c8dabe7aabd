"""Progress shown to others by Valkey or Redis, and the rate that all workers of a run share.

It is a view. A thread of its own writes it; whatever happens to the server, the run neither waits nor fails, and what
a server has forgotten is written anew.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill import settings, wire
from rowmill.errors import TransientError
from rowmill.tracker import Tracker, View
from rowmill.tracker.connecting import connect
from rowmill.tracker.pace import BURST_S, LocalPace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIFE_S = wire.TRACKER_LIFE_S
BEAT_S = 0.5
AWAY_S = 1.0  # how long a server that did not answer is left alone at first, and twice as long each time, up to
AWAY_MOST_S = 5.0  # where nobody waits for it
PACE_AWAY_MOST_S = 30.0  # and where a timeout holds up who asks
CLOSE_S = 2.0  # what the last counts may cost
ADD_TOGETHER = 1_000
DRAW = """
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local units, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local level, at = tonumber(kept[1] or '0'), tonumber(kept[2] or now)
local left = math.min(rate * burst, level + math.max(0, now - at) * rate) - units
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', left), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return string.format('%.6f', math.max(0, -left / rate))
"""


def view_key(run_id: str) -> str:
    """Return the key of the counters."""
    return f"{wire.todo_key(run_id)}:view"


def pace_key(run_id: str) -> str:
    """Return the key of the rate's bucket."""
    return f"{wire.todo_key(run_id)}:pace"


def under_way_key(run_id: str) -> str:
    """Return the key of the rows of partitions under way, by index."""
    return f"{wire.todo_key(run_id)}:under-way"


def event_key(event_id: str) -> str:
    """Return the key that holds the id of an event's run."""
    return f"rowmill:event:{event_id}"


class Told(NamedTuple):
    """What a server shows beside the set."""

    run_id: str
    view: View
    under_way: Mapping[int, int] = {}


class Valkey:
    """Shows by a server what another tracker counts in this process."""

    def __init__(self, url: str, run_id: str, here: Tracker) -> None:
        self._here = here
        self._run_id = run_id
        self._server = connect(url)
        self._lock = threading.Lock()
        self._todo: dict[int, str] = {}
        self._under_way: dict[int, int] = {}
        self._removed: list[str] = []
        self._whole = False  # what the server has is to be replaced
        self._away = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="tracker")
        self._thread.start()

    def begin(self, step: str, *, rows: int, partitions: int, rows_done: int, todo: Mapping[int, str]) -> None:
        """Say what there is to do."""
        self._here.begin(step, rows=rows, partitions=partitions, rows_done=rows_done, todo=todo)
        with self._lock:
            self._todo, self._under_way, self._removed, self._whole = dict(todo), {}, [], True

    def rows(self, partition: int, rows: int, rejected: int) -> None:
        """Take rows of a partition under way."""
        self._here.rows(partition, rows, rejected)
        with self._lock:
            self._under_way[partition] = self._under_way.get(partition, 0) + rows

    def lost(self, partition: int) -> None:
        """Take back what an attempt had told."""
        self._here.lost(partition)
        with self._lock:
            self._under_way.pop(partition, None)

    def done(self, partition: int) -> None:
        """A partition has its receipt."""
        self._here.done(partition)
        with self._lock:
            self._under_way.pop(partition, None)
            location = self._todo.pop(partition, None)
            if location is not None:
                self._removed.append(location)

    def view(self) -> View:
        """Return how far the run is now, by this process's own counts."""
        return msgspec.structs.replace(self._here.view(), away=self._away)

    def close(self) -> None:
        """Show the last counts, and let go of the server."""
        self._ended.set()
        self._thread.join(CLOSE_S)
        self._server.close()

    def _beat(self) -> None:
        away_s = AWAY_S
        while not self._ended.wait(BEAT_S):
            if self._shown():
                away_s = AWAY_S
            else:
                self._ended.wait(away_s)
                away_s = min(AWAY_MOST_S, away_s * 2)
        self._shown()

    def _shown(self) -> bool:
        with self._lock:
            removed, self._removed = self._removed, []
            whole, self._whole, todo = self._whole, False, list(self._todo.values())
            under_way = dict(self._under_way)
        told = Told(self._run_id, self._here.view(), under_way)
        try:
            if whole or not self._server.exists(view_key(self._run_id)):
                write_whole(self._server, told, todo)
            else:
                write_changes(self._server, told, removed)
        except Exception:  # noqa: BLE001 - whatever a server does, a view costs the run nothing
            with self._lock:
                self._whole = True
            self._away = True
            return False
        self._away = False
        return True


def write_whole(server: Any, told: Told, todo: Sequence[str]) -> None:
    """Replace all that a server knows of a run."""
    key = wire.todo_key(told.run_id)
    line = server.pipeline()
    line.delete(key)
    for low in range(0, len(todo), ADD_TOGETHER):
        line.sadd(key, *todo[low : low + ADD_TOGETHER])
    _write_told(line, told)
    line.execute()
    _write_event(server, told.run_id)


def write_changes(server: Any, told: Told, removed: Sequence[str]) -> None:
    """Tell a server what is done, and the counts."""
    line = server.pipeline()
    for low in range(0, len(removed), ADD_TOGETHER):
        line.srem(wire.todo_key(told.run_id), *removed[low : low + ADD_TOGETHER])
    _write_told(line, told)
    line.execute()
    _write_event(server, told.run_id)


def _write_told(line: Any, told: Told) -> None:
    shown = msgspec.structs.asdict(told.view).items()
    counters = {name: value for name, value in shown if value is not None and name != "away"}
    for key, fields in ((view_key(told.run_id), counters), (under_way_key(told.run_id), told.under_way)):
        line.delete(key)
        if fields:
            line.hset(key, mapping=fields)
        line.expire(key, LIFE_S)
    line.expire(wire.todo_key(told.run_id), LIFE_S)


def _write_event(server: Any, run_id: str) -> None:
    """Say which run an event asked for; its key is apart from the run's, and so no part of their transaction."""
    if event_id := settings.resolve({})["event_id"].value:
        server.set(event_key(event_id), run_id, ex=LIFE_S)


def read_view(url: str, run_id: str) -> View | None:
    """Return what a server shows of a run; None if it knows nothing, or does not answer."""
    with suppress(Exception):
        server = connect(url)
        try:
            found = server.hgetall(view_key(run_id))
        finally:
            server.close()
        if found:
            return msgspec.convert(found, View, strict=False)
    return None


def ping(url: str) -> None:
    """Make sure that a server answers.

    Raises:
        TransientError: It does not.
    """
    from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an extra

    server = connect(url)
    try:
        server.ping()
    except (ValkeyError, OSError) as error:
        raise TransientError(
            f"the tracker does not answer: {type(error).__name__}",
            hint="check its address; a run goes on without it",
        ) from None
    finally:
        server.close()


def rebuild(url: str, run_id: str, view: View, todo: Sequence[str]) -> None:
    """Write anew what a server must show of a run.

    Raises:
        TransientError: It does not answer.
    """
    from valkey.exceptions import ValkeyError  # noqa: PLC0415 - an extra

    server = connect(url)
    try:
        write_whole(server, Told(run_id, view), todo)
    except (ValkeyError, OSError) as error:
        raise TransientError(
            f"the tracker does not answer: {type(error).__name__}", hint="start it, then give the same command again"
        ) from None
    finally:
        server.close()


class ValkeyPace:
    """A rate over all workers of a run; where the server does not answer, this worker's own part of it."""

    def __init__(self, url: str, run_id: str, rate: int, workers: int) -> None:
        self._server = connect(url)
        self._draw = self._server.register_script(DRAW)
        self._key = pace_key(run_id)
        self._rate = rate
        self._share = LocalPace(rate / workers)
        self._away_until, self._away_s = 0.0, AWAY_S

    def reserve(self, units: int) -> float:
        """Return the seconds to wait before so many units may be sent."""
        if time.monotonic() < self._away_until:
            return self._share.reserve(units)
        try:
            wait_s = float(self._draw(keys=[self._key], args=[units, self._rate, BURST_S, LIFE_S]))
        except Exception:  # noqa: BLE001 - a server that is away, starting, read-only, or knows us no longer
            self._away_until = time.monotonic() + self._away_s
            self._away_s = min(PACE_AWAY_MOST_S, self._away_s * 2)
            return self._share.reserve(units)
        self._away_s = AWAY_S
        return wait_s
