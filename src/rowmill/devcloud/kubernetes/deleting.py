"""What becomes of an object that is to go: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kinds import Kind

GRACE_S = 30
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def copied(value: Any) -> Any:
    """Return a deep copy of what JSON can say; quicker than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def moment(seconds: float) -> str:
    """Return a time as Kubernetes writes it, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_over(obj: Object) -> bool:
    """Whether nothing holds an object that is to go."""
    meta = obj["metadata"]
    waits = obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers")
    held = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds") or waits
    return "deletionTimestamp" in meta and not held


def check(kind: Kind, obj: Object, preconditions: dict[str, str]) -> None:
    """Make sure that an object is the one that is to be deleted."""
    meta = obj["metadata"]
    for key, word, what in (
        ("uid", "UID", answers.DELETED_AND_MADE_AGAIN),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ):
        wanted, found = preconditions.get(key), meta[key]
        if wanted not in (None, found):
            why = f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). {what}"
            raise answers.conflict(kind, meta["name"], why, by_kind=True)


def doomed(old: Object, propagation: str, grace_s: int | None, now: float) -> Object:
    """Return an object that is to go: since when, with which grace, and what is to be done before."""
    new = copied(old)
    meta = new["metadata"]
    grace = _grace(old, grace_s)
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = moment(now + grace)
        if "generation" in meta:
            meta["generation"] += 1
    elif grace < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = moment(now + grace)
    else:
        grace = meta.get("deletionGracePeriodSeconds", 0)
    if old["kind"] == "Namespace":
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}
    else:
        meta["deletionGracePeriodSeconds"] = grace
    meta["finalizers"] = _finalizers(old, propagation)
    if not meta["finalizers"]:
        del meta["finalizers"]
    return new  # type: ignore[no-any-return]


def _grace(obj: Object, asked_s: int | None) -> int:
    """Return how long an object may still take: only a pod that runs somewhere may."""
    if obj["kind"] != "Pod":
        return 0
    spec = obj.get("spec", {})
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(spec.get("terminationGracePeriodSeconds", GRACE_S) if asked_s is None else asked_s)


def _finalizers(obj: Object, propagation: str) -> list[str]:
    """Return an object's finalizers when it is to go; a KubernetesJob's pods stay if nobody says otherwise."""
    found = obj["metadata"].get("finalizers", [])
    if "deletionTimestamp" in obj["metadata"] and not propagation:
        return list(found)
    wanted = propagation or ("Orphan" if obj["kind"] == "Job" else "Background")
    kept = [word for word in found if word not in (FOREGROUND, ORPHAN)]
    return kept + {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(wanted, [])
