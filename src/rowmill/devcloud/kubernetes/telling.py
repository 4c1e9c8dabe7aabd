"""Events: what the cluster tells people about an object."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes.answers import Refusal

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.store import Store

DIGITS = 16


def tell(store: Store, about: Object, sort: str, reason: str, message: str, *, by: str, place: str = "") -> None:
    """Tell something about an object; what was told before is counted instead.

    Args:
        store: The cluster's objects.
        about: The object.
        sort: `Normal` or `Warning`.
        reason: One word.
        message: A sentence.
        by: Who tells it: `kubelet`, `job-controller`.
        place: Which part of the object, `spec.containers{main}`.
    """
    meta = about["metadata"]
    involved = {"kind": about["kind"], "namespace": meta.get("namespace", "default"), "name": meta["name"]}
    involved |= {"uid": meta["uid"], "apiVersion": about.get("apiVersion", "v1")}
    if place:
        involved["fieldPath"] = place
    same = {"involvedObject": involved, "reason": reason, "message": message, "type": sort}
    digest = hashlib.sha256(repr(same).encode()).hexdigest()[:DIGITS]
    name = {"name": f"{meta['name']}.{digest}", "namespace": involved["namespace"]}
    if store.update("Event", name["namespace"], name["name"], lambda old: _again(store, old)):
        return
    times = {"firstTimestamp": store.now(), "lastTimestamp": store.now(), "count": 1, "eventTime": None}
    source = {"source": {"component": by}, "reportingComponent": by, "reportingInstance": ""}
    with contextlib.suppress(Refusal):  # a namespace that goes takes no events any more
        store.create("Event", {"metadata": name, **same, **source, **times})


def _again(store: Store, event: Object) -> Object:
    return {**event, "count": event.get("count", 1) + 1, "lastTimestamp": store.now()}
