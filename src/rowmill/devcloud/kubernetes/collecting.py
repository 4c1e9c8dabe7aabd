"""What goes with what: the owned with the owner, a namespace with all in it, KubernetesJobs when their time is over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import jobs_pods
from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.deleting import FOREGROUND, ORPHAN
from rowmill.devcloud.kubernetes.kinds import BY_NAME, KINDS
from rowmill.devcloud.kubernetes.looping import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.store import Event, Store

NAMESPACED = tuple(kind.name for kind in KINDS if kind.namespaced)


class Collector:
    """The garbage collector, the namespaces' end, and `ttlSecondsAfterFinished`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._over: dict[str, tuple[float, Object]] = {}
        self.loop = Loop(store, "collecting", self._see, self._work)

    def _see(self, event: Event) -> None:
        found = event.object
        if event.type == "DELETED":
            self._gone(found)
            return
        meta = found["metadata"]
        if "deletionTimestamp" in meta:
            self._going(found)
        elif event.type == "ADDED" and self._is_left_over(found):
            self._delete(found)
        if event.kind == "Job":
            self._time(found)

    def _going(self, found: Object) -> None:
        """Do what is to be done before an object goes."""
        finalizers = found["metadata"].get("finalizers", ())
        if found["kind"] == "Namespace":
            self._empty(found["metadata"]["name"])
        if ORPHAN in finalizers:
            for other in list(self._owned_by(found)):
                self._change(other, lambda old: _orphaned(old, found["metadata"]["uid"]))
            self._change(found, lambda old: _without(old, ORPHAN))
        if FOREGROUND in finalizers:
            owned = list(self._owned_by(found))
            for other in owned:
                self._delete(other)
            if not any(True for _ in self._owned_by(found)):
                self._change(found, lambda old: _without(old, FOREGROUND))

    def _gone(self, found: Object) -> None:
        """Delete what has no owner any more; let go who waited for it."""
        meta = found["metadata"]
        self._over.pop(meta["uid"], None)
        for other in list(self._owned_by(found)):
            if self._is_left_over(other):
                self._delete(other)
        for reference in meta.get("ownerReferences", ()):
            owner = self._owner(found, reference)
            if owner is not None and "deletionTimestamp" in owner["metadata"]:
                self._going(owner)
        if found["kind"] in NAMESPACED and found["kind"] != "Event":
            self._empty(meta["namespace"])

    def _empty(self, name: str) -> None:
        """Delete all in a namespace that is to go, pods first; let it go when it is empty."""
        namespace = self._store.get("Namespace", "", name)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        for kinds in (("Pod",), NAMESPACED):
            left = [found for kind in kinds for found in self._store.shared(kind, name)[0]]
            for found in left:
                if "deletionTimestamp" not in found["metadata"]:
                    self._delete(found, "Background")
            if any(self._store.shared(kind, name)[0] for kind in kinds):
                return
        self._change(namespace, lambda old: {**old, "spec": {**old.get("spec", {}), "finalizers": []}})

    def _owned_by(self, owner: Object) -> Iterator[Object]:
        uid = owner["metadata"]["uid"]
        for kind in NAMESPACED if "namespace" in owner["metadata"] else ():
            for found in self._store.shared(kind, owner["metadata"]["namespace"])[0]:
                if any(one["uid"] == uid for one in found["metadata"].get("ownerReferences", ())):
                    yield found

    def _owner(self, found: Object, reference: Object) -> Object | None:
        if reference["kind"] not in BY_NAME:
            return None
        owner = self._store.get(reference["kind"], found["metadata"].get("namespace", ""), reference["name"])
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _is_left_over(self, found: Object) -> bool:
        references = found["metadata"].get("ownerReferences", ())
        return bool(references) and not any(self._owner(found, reference) for reference in references)

    def _delete(self, found: Object, propagation: str = "") -> None:
        meta = found["metadata"]
        if "deletionTimestamp" in meta:
            return
        how = propagation or ("Foreground" if found["kind"] == "Job" else "")
        with contextlib.suppress(Refusal):  # somebody else was quicker
            where = (found["kind"], meta.get("namespace", ""), meta["name"])
            self._store.delete(*where, propagation=how, preconditions={"uid": meta["uid"]})

    def _change(self, found: Object, change: object) -> None:
        meta = found["metadata"]
        self._store.update(found["kind"], meta.get("namespace", ""), meta["name"], change)  # type: ignore[arg-type]

    def _time(self, job: Object) -> None:
        """Note when a KubernetesJob is to go."""
        limit, meta = job["spec"].get("ttlSecondsAfterFinished"), job["metadata"]
        ends = [jobs_pods.condition(job, sort) for sort in ("Complete", "Failed")]
        ended = [jobs_pods.seconds(end["lastTransitionTime"]) for end in ends if end.get("status") == "True"]
        if limit is None or not ended or "deletionTimestamp" in meta:
            self._over.pop(meta["uid"], None)
        else:
            self._over[meta["uid"]] = (ended[0] + limit, job)

    def _work(self) -> float | None:
        now = self._store.clock()
        for uid, (_, job) in [(uid, one) for uid, one in self._over.items() if one[0] <= now]:
            del self._over[uid]
            self._delete(job, "Foreground")
        return min(at for at, _ in self._over.values()) - now if self._over else None


def _without(old: Object, finalizer: str) -> Object:
    meta = old["metadata"]
    return {**old, "metadata": {**meta, "finalizers": [one for one in meta.get("finalizers", ()) if one != finalizer]}}


def _orphaned(old: Object, uid: str) -> Object:
    meta = old["metadata"]
    left = [one for one in meta.get("ownerReferences", ()) if one["uid"] != uid]
    rest = {key: value for key, value in meta.items() if key != "ownerReferences"}
    return {**old, "metadata": {**rest, "ownerReferences": left} if left else rest}
