"""Whether the node can take a pod, and what Kubernetes says if it cannot. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.quantities import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rowmill.devcloud.kubernetes.answers import Object

RESOURCES = ("cpu", "memory", "ephemeral-storage")
PREFIX = "0/1 nodes are available: "
UNHELPFUL = (
    ". no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
NO_VICTIMS = (
    ". no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 No preemption victims found for incoming pod."
)


class Place(NamedTuple):
    """The node, as a pod looks for one: its labels and what it can give."""

    labels: dict[str, str]
    capacity: dict[str, str]


def requested(pod: Object, resource: str) -> Decimal:
    """Return what a pod asks for: its containers together, or the largest of those before them."""
    spec = pod["spec"]
    inits = [_asked(one, resource) for one in spec.get("initContainers") or ()]
    return max(sum((_asked(one, resource) for one in spec["containers"]), Decimal(0)), *inits, Decimal(0))


def _asked(container: Object, resource: str) -> Decimal:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    return number((resources.get("requests") or {}).get(resource, limits.get(resource, 0)))


def refusal(pod: Object, place: Place, others: Iterable[Object], claim: Callable[[str], Object | None]) -> str:
    """Return why a pod cannot be placed, in Kubernetes' words; empty if it can.

    Args:
        pod: The pod.
        place: The node.
        others: The pods that have not ended there.
        claim: Gives a PersistentVolumeClaim of the pod's namespace; None if it is not there.
    """
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            found = claim(name)
            if found is None:
                return f'{PREFIX}persistentvolumeclaim "{name}" not found. not found'
            if found.get("status", {}).get("phase") != "Bound":
                return f"{PREFIX}pod has unbound immediate PersistentVolumeClaims. not found"
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(place.labels.get(key) != value for key, value in wanted.items()):
        return f"{PREFIX}1 node(s) didn't match Pod's node affinity/selector{UNHELPFUL}"
    return _insufficient(pod, place, list(others))


def _insufficient(pod: Object, place: Place, others: list[Object]) -> str:
    for resource in RESOURCES:
        asked, given = requested(pod, resource), number(place.capacity.get(resource, "0"))
        if asked > given:
            return f"{PREFIX}1 Insufficient {resource}{UNHELPFUL}"
        if asked and asked + sum(requested(other, resource) for other in others) > given:
            return f"{PREFIX}1 Insufficient {resource}{NO_VICTIMS}"
    return ""
