"""What a KubernetesJob's controller reads off a pod: pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rowmill.devcloud.kubernetes.answers import Object

Pods = list[dict[str, Any]]

TRACKED = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
PHASES = ("Pending", "Unknown", "Running")


def seconds(moment: str) -> float:
    """Return a time as objects carry it in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def uid(pod: Object) -> str:
    """Return a pod's uid."""
    return str(pod["metadata"]["uid"])


def phase(pod: Object) -> str:
    """Return a pod's phase."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def is_deleting(pod: Object) -> bool:
    """Whether a pod is to go."""
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: Object) -> bool:
    """Whether a pod has ended."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether a pod works for its KubernetesJob, or is about to."""
    return not is_over(pod) and not is_deleting(pod)


def is_terminating(pod: Object) -> bool:
    """Whether a pod is to go and has not ended."""
    return not is_over(pod) and is_deleting(pod)


def is_ready(pod: Object) -> bool:
    """Whether a pod's containers all run."""
    return condition(pod, "Ready").get("status") == "True"


def is_tracked(pod: Object) -> bool:
    """Whether a pod has not been counted to the end: it still has the finalizer."""
    return TRACKED in pod["metadata"].get("finalizers", ())


def condition(obj: Object, sort: str) -> Object:
    """Return an object's condition; empty if it has none of that sort."""
    found: Object
    for found in obj.get("status", {}).get("conditions", ()):
        if found["type"] == sort:
            return found
    return {}


def index(pod: Object) -> int | None:
    """Return the index that a pod of an Indexed KubernetesJob works on."""
    found = pod["metadata"].get("annotations", {}).get(INDEX, "")
    return int(found) if found.isdigit() else None


def tries(pod: Object, sort: str = FAILURES) -> int:
    """Return how often a pod's index failed before it."""
    return int(pod["metadata"].get("annotations", {}).get(sort, 0))


def containers(pod: Object) -> Iterator[Object]:
    """Return the states of a pod's containers, those that only prepare it last."""
    status = pod.get("status", {})
    yield from status.get("containerStatuses", ())
    yield from status.get("initContainerStatuses", ())


def restarts(pods: Iterable[Object]) -> int:
    """Return how often containers of pods that have not ended were started again."""
    return sum(state.get("restartCount", 0) for pod in pods if not is_over(pod) for state in containers(pod))


def finished_at(pod: Object) -> float:
    """Return when a pod ended, as well as it can be told."""
    ends = [state.get("state", {}).get("terminated", {}).get("finishedAt") for state in containers(pod)]
    if ends and all(ends):
        return max(seconds(end) for end in ends)
    ready, meta = condition(pod, "Ready"), pod["metadata"]
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return seconds(ready["lastTransitionTime"])
    if is_deleting(pod):
        return seconds(meta["deletionTimestamp"]) - float(meta.get("deletionGracePeriodSeconds") or 0)
    return seconds(meta["creationTimestamp"])


def for_removal(pods: Pods, at_least: int, completions: int | None) -> Pods:
    """Return the pods to delete: whose index is taken or out of range, then those that have done least.

    Args:
        pods: The active ones.
        at_least: How many are too many.
        completions: The number of indexes; None where pods have none.
    """
    surplus, rest = ([], pods) if completions is None else _beside_indexes(pods, completions)
    left = sorted(rest, key=_worth)
    return surplus + left[: max(0, at_least - len(surplus))]


def _beside_indexes(pods: Pods, completions: int) -> tuple[Pods, Pods]:
    """Part pods that no index needs from those that work on one, the best of each index."""
    surplus: Pods = []
    kept: dict[int, Object] = {}
    for pod in sorted(pods, key=_worth):
        number = index(pod)
        if number is None or number >= completions:
            surplus.append(pod)
            continue
        if number in kept:
            surplus.append(kept[number])
        kept[number] = pod
    return surplus, [kept[number] for number in sorted(kept)]


def _worth(pod: Object) -> tuple[float, ...]:
    """Return how much would be lost with a pod, as Kubernetes has it."""
    since = condition(pod, "Ready").get("lastTransitionTime") if is_ready(pod) else None
    state = phase(pod)
    return (
        1 if pod.get("spec", {}).get("nodeName") else 0,
        PHASES.index(state) if state in PHASES else len(PHASES),
        1 if is_ready(pod) else 0,
        -seconds(since) if since else 0,
        -restarts([pod]),
        -seconds(pod["metadata"]["creationTimestamp"]),
        -(index(pod) or 0),
    )
