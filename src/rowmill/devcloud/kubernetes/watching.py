"""Watch streams: every change of what a client asked for, in order, as it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.devcloud.kubernetes import answers, representing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.devcloud.kubernetes.answering import Api
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kinds import Kind
    from rowmill.devcloud.kubernetes.store import Event

LASTS_S = 1800
SLICE_S = 1.0
INITIAL_END = {"k8s.io/initial-events-end": "true"}
encode = msgspec.json.Encoder().encode


class Watch(NamedTuple):
    """What a client watches.

    Attributes:
        meets: Whether an object is one of those.
        since: The version that it has seen.
        initial: Whether it is first told what there is.
        marked: Whether it is told when that is all.
        bookmarks: Whether it is told versions when nothing changes.
        lasts_s: When the stream ends.
    """

    kind: Kind
    namespace: str
    meets: Callable[[Object], bool]
    form: str
    since: int
    initial: bool
    marked: bool
    bookmarks: bool
    lasts_s: float


def stream(api: Api, watch: Watch) -> Iterator[bytes]:
    """Yield lines; an empty one is no line, but the moment to see whether anybody still listens."""
    end = time.monotonic() + watch.lasts_s
    since = watch.since
    if watch.initial:
        found, since = api.store.shared(watch.kind.name, watch.namespace or None)
        for obj in found:
            if watch.meets(obj):
                yield _line(api, watch, "ADDED", obj)
        if watch.marked and watch.bookmarks:
            yield _bookmark(watch, since, INITIAL_END)
    yield from _changes(api, watch, max(since, 0), end)


def _changes(api: Api, watch: Watch, since: int, end: float) -> Iterator[bytes]:
    marks = _Marks(watch, time.monotonic() + api.bookmark_s, end)
    while not api.closing.is_set() and time.monotonic() < end:
        try:
            events = api.store.watch(since, max(0.0, min(SLICE_S, end - time.monotonic())))
        except answers.Refusal as refusal:
            yield encode({"type": "ERROR", "object": refusal.status}) + b"\n"
            return
        for event in events:
            line = _told(api, watch, event)
            if line:
                yield line
        since = max(since, events[-1].version if events else 0)
        if marks.due():
            yield _bookmark(watch, since, {})
            marks = marks.after(api.bookmark_s)
        elif not events:
            yield b""


class _Marks(NamedTuple):
    """When the next bookmark is due: now and then, and once before the end."""

    watch: Watch
    at: float
    end: float

    def due(self) -> bool:
        return self.watch.bookmarks and time.monotonic() >= min(self.at, self.end - 2 * SLICE_S)

    def after(self, every_s: float) -> _Marks:
        last = time.monotonic() >= self.end - 2 * SLICE_S
        return _Marks(self.watch, time.monotonic() + every_s, float("inf") if last else self.end)


def _told(api: Api, watch: Watch, event: Event) -> bytes:
    """Return what a client is told of a change: one that leaves what it asked for is deleted to it."""
    here = event.object["metadata"].get("namespace", "")
    if event.kind != watch.kind.name or watch.namespace not in ("", here):
        return b""
    before = event.before is not None and watch.meets(event.before)
    after = event.type != "DELETED" and watch.meets(event.object)
    if after:
        return _line(api, watch, "MODIFIED" if before else "ADDED", event.object)
    if before and event.before is not None:
        last = event.object if event.type == "DELETED" else _as_it_was(event)
        return _line(api, watch, "DELETED", last)
    return b""


def _as_it_was(event: Event) -> Object:
    old: Object = event.before or {}
    return {**old, "metadata": {**old["metadata"], "resourceVersion": str(event.version)}}


def _line(api: Api, watch: Watch, sort: str, obj: Object) -> bytes:
    shown = representing.shown(watch.kind, obj, watch.form, api.store.clock())
    return encode({"type": sort, "object": shown}) + b"\n"


def _bookmark(watch: Watch, version: int, annotations: dict[str, str]) -> bytes:
    meta: Any = {"resourceVersion": str(version), **({"annotations": annotations} if annotations else {})}
    kind, api_version = watch.kind.name, watch.kind.api_version
    if watch.form == representing.PARTIAL:
        kind, api_version = "PartialObjectMetadata", representing.META
    return encode({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api_version, "metadata": meta}}) + b"\n"
