"""All objects of the cluster, in memory, and every change of them in order: what etcd is to Kubernetes."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.devcloud.kubernetes import answers, deleting
from rowmill.devcloud.kubernetes.deleting import copied, moment
from rowmill.devcloud.kubernetes.kinds import BY_NAME, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.devcloud.kubernetes.answers import Object

KEPT = 20_000
LONGEST_PREFIX = 58  # of a generated name: 63 with its suffix
LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # without vowels and what looks alike, as Kubernetes has it
Key = tuple[str, str, str]
Objects = list[dict[str, Any]]


class Event(NamedTuple):
    """One change: what an object is now, and what it was before.

    Attributes:
        version: The change's number; there is one change for each number.
        type: `ADDED`, `MODIFIED`, `DELETED`.
        object: What it is now, or was last. Shared by all who watch: never change it.
        before: What it was; None if it was not.
    """

    version: int
    type: str
    kind: str
    object: Object
    before: Object | None


class Deleted(NamedTuple):
    """What a deletion did: the object as it is now or was last, and whether it is gone already."""

    object: Object
    gone: bool


Events = list[Event]


def suffix() -> str:
    """Return five letters that make a name unique."""
    return "".join(secrets.choice(LETTERS) for _ in range(5))


def admit_all(_store: Store, obj: Object) -> Object:
    """Let an object in as it is."""
    return obj


class Store:
    """Objects by kind, namespace (empty where there is none) and name; every method may be called by any thread.

    Args:
        clock: Seconds since 1970; tests move it.
        admit: What becomes of an object before it is stored: defaults, validation, admission.
            It raises `Refusal`, and does so whether a client or a controller creates.
        kept: How many changes are kept for those who watch.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        admit: Callable[[Store, Object], Object] = admit_all,
        kept: int = KEPT,
    ) -> None:
        self.clock, self._admit, self._kept = clock, admit, kept
        self._objects: dict[Key, Object] = {}
        self._history: list[Event] = []
        self._version, self._woken = 1, 0
        self._changed = threading.Condition(threading.RLock())

    @property
    def version(self) -> int:
        """The number of the last change."""
        with self._changed:
            return self._version

    @property
    def oldest(self) -> int:
        """The version before the first change that is still kept; who saw it has missed nothing."""
        with self._changed:
            return self._version - len(self._history)

    def now(self) -> str:
        """Return the time as objects carry it."""
        return moment(self.clock())

    def create(self, kind: str, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object; return it with all that was filled in.

        Raises:
            Refusal: Its name is taken, or it was not let in.
        """
        with self._changed:
            new = self._admit(self, self._born(BY_NAME[kind], copied(obj)))
            key = _key(kind, new)
            if key in self._objects:
                raise answers.exists(BY_NAME[kind], key[2])
            return copied(new if dry_run else self._put("ADDED", kind, new, None))  # type: ignore[no-any-return]

    def _born(self, kind: Kind, obj: Object) -> Object:
        given = dict(obj.get("metadata") or {})
        prefix = given.get("generateName", "")[:LONGEST_PREFIX]
        name = given.pop("name", "") or (prefix + suffix() if prefix else "")
        meta = {"name": name, **given, "uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        meta.pop("resourceVersion", None)
        if kind.generation:
            meta["generation"] = 1
        if kind.namespaced:
            meta.setdefault("namespace", "default")
        return {"kind": kind.name, "apiVersion": kind.api_version, **obj, "metadata": meta}

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return a copy of an object; None if it is not there."""
        with self._changed:
            found = self._objects.get((kind, namespace, name))
        return None if found is None else copied(found)

    def list(self, kind: str, namespace: str | None = None) -> tuple[Objects, int]:
        """Return copies of a kind's objects, by namespace and name, and the version they are of."""
        found, version = self.shared(kind, namespace)
        return [copied(obj) for obj in found], version

    def shared(self, kind: str, namespace: str | None = None) -> tuple[Objects, int]:
        """Return a kind's objects as they are stored, for who only reads: never change them."""
        with self._changed:
            keys = [key for key in self._objects if key[0] == kind and namespace in (None, key[1])]
            return [self._objects[key] for key in sorted(keys)], self._version

    def at(self, kind: str, namespace: str | None, version: int) -> tuple[Objects, int]:
        """Return a kind's objects as they were at a version, 0 = now: never change them.

        Raises:
            Refusal: 410, too many changes have come since.
        """
        with self._changed:
            if not version:
                return self.shared(kind, namespace)
            if version < self.oldest:
                raise answers.expired(version, self.oldest)
            found = {key: obj for key, obj in self._objects.items() if key[0] == kind}
            for event in reversed(self.watch(version)):
                if event.kind == kind and event.before is None:
                    found.pop(_key(kind, event.object), None)
                elif event.kind == kind and event.before is not None:
                    found[_key(kind, event.object)] = event.before
        return [found[key] for key in sorted(found) if namespace in (None, key[1])], version

    def update(
        self,
        kind: str,
        namespace: str,
        name: str,
        change: Callable[[Object], Object | None],
        *,
        status: bool = False,
        dry_run: bool = False,
    ) -> Object | None:
        """Change an object while nobody else does; return it, or None if it is not there (any more).

        Args:
            kind: Its kind.
            namespace: Its namespace; empty where there is none.
            name: Its name.
            change: Gets a copy, returns the new object, or None to leave it.
            status: Whether the status is changed; else it stays as it was. The spec then stays as it was.
            dry_run: Whether only to return what it would become.
        """
        with self._changed:
            old = self._objects.get((kind, namespace, name))
            if old is None:
                return None
            wanted = change(copied(old))
            new = old if wanted is None else _settled(BY_NAME[kind], old, wanted, status=status)
            if new == old or dry_run:
                return copied(new)  # type: ignore[no-any-return]
            return copied(self._put("DELETED" if deleting.is_over(new) else "MODIFIED", kind, new, old))  # type: ignore[no-any-return]

    def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        propagation: str = "",
        grace_s: int | None = None,
        preconditions: dict[str, str] | None = None,
        dry_run: bool = False,
    ) -> Deleted:
        """Delete an object, or say that it is to go: when it has finalizers, or is a pod that runs.

        Args:
            kind: Its kind.
            namespace: Its namespace; empty where there is none.
            name: Its name.
            propagation: `Foreground`, `Background`, `Orphan`; empty = the kind's own.
            grace_s: How long a pod's processes have; None = as its spec says.
            preconditions: `uid` and `resourceVersion` that it must have.
            dry_run: Whether only to return what it would become.

        Raises:
            Refusal: It is not there, or another.
        """
        with self._changed:
            old = self._objects.get((kind, namespace, name))
            if old is None:
                raise answers.missing(BY_NAME[kind], name)
            deleting.check(BY_NAME[kind], old, preconditions or {})
            new = deleting.doomed(old, propagation, grace_s, self.clock())
            gone = deleting.is_over(new)
            if gone and "deletionTimestamp" not in old["metadata"]:
                new = copied(old)  # it goes without ever having been about to
            if not dry_run and (gone or new != old):
                new = self._put("DELETED" if gone else "MODIFIED", kind, new, old)
            return Deleted(copied(new), gone)

    def _put(self, sort: str, kind: str, new: Object, old: Object | None) -> Object:
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        if sort == "DELETED":
            del self._objects[_key(kind, new)]
        else:
            self._objects[_key(kind, new)] = new
        self._history.append(Event(self._version, sort, kind, new, old))
        if len(self._history) > 2 * self._kept:
            self.compact(self._kept)
        self._changed.notify_all()
        return new

    def compact(self, kept: int = 0) -> None:
        """Forget all changes but the last ones: who watches from before is told that it is too late."""
        with self._changed:
            del self._history[: max(0, len(self._history) - kept)]

    def watch(self, since: int, timeout_s: float = 0.0) -> Events:
        """Return the changes of all kinds after a version, in order; wait for the first of them.

        Raises:
            Refusal: 410, the changes are no longer kept: list again.
        """
        with self._changed:
            if since < self.oldest:
                raise answers.expired(since, self.oldest)
            woken = self._woken
            self._changed.wait_for(lambda: self._version > since or self._woken != woken, timeout_s)
            if since < self.oldest:
                raise answers.expired(since, self.oldest)
            return self._history[since - self.oldest :]

    def wake(self) -> None:
        """Let all who watch look up: somebody wants them to end."""
        with self._changed:
            self._woken += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Remove every object at once, each with its event."""
        with self._changed:
            for (kind, _, _), old in list(self._objects.items()):
                self._put("DELETED", kind, copied(old), old)


def _key(kind: str, obj: Object) -> Key:
    return kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _settled(kind: Kind, old: Object, wanted: Object, *, status: bool) -> Object:
    """Return what an object becomes: who it is and when it began stay, as does the half that is not asked for."""
    meta = dict(wanted["metadata"])
    for name in ("uid", "creationTimestamp", "name", "namespace", "generation", "resourceVersion"):
        if name in old["metadata"]:
            meta[name] = old["metadata"][name]
    new = {**wanted, "metadata": meta}
    for half in ("spec",) if status else ("status",) if kind.status else ():
        new.pop(half, None)
        if half in old:
            new[half] = copied(old[half])
    if kind.generation and _wish(new) != _wish(old):
        meta["generation"] = old["metadata"]["generation"] + 1
    return new


def _wish(obj: Object) -> Object:
    """Return what somebody wants of an object: where a pod was placed is no part of it."""
    return {key: value for key, value in (obj.get("spec") or {}).items() if key != "nodeName"}
