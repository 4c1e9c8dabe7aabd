"""What a pod says of itself, from the states of its containers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.deleting import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rowmill.devcloud.kubernetes.answers import Object

ADDRESS = "127.0.0.1"  # pods use the machine's network
ORDER = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


class Box(NamedTuple):
    """A container and how it stands.

    Attributes:
        spec: Its specification.
        init: Whether it runs before the others.
        state: `waiting`, `running` or `terminated`, with what is known of it.
        last: How it ended the time before.
        restarts: How often it was started again.
        id: What its present or last start is called; empty before the first.
    """

    spec: Object
    init: bool
    state: Object
    last: Object
    restarts: int = 0
    id: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.spec["name"])

    @property
    def sidecar(self) -> bool:
        """Whether it runs beside the others, although it is started before them."""
        return self.init and self.spec.get("restartPolicy") == "Always"

    @property
    def code(self) -> int | None:
        """Its exit code; None unless it has ended."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return "running" in self.state

    @property
    def prepared(self) -> bool:
        """Whether those after it can start."""
        return self.runs if self.sidecar else self.code == 0

    @property
    def place(self) -> str:
        """Where it stands in its pod, as events have it."""
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"


def boxes(pod: Object) -> tuple[Box, ...]:
    """Return a pod's containers before anything has happened."""
    inits = pod["spec"].get("initContainers") or ()
    waiting = {"waiting": {"reason": "PodInitializing" if inits else "ContainerCreating"}}
    first = [Box(spec, True, waiting, {}) for spec in inits]
    return (*first, *(Box(spec, False, waiting, {}) for spec in pod["spec"]["containers"]))


def phase(all_: Sequence[Box], policy: str) -> str:
    """Return the phase that containers' states make."""
    inits, mains = [box for box in all_ if box.init], [box for box in all_ if not box.init]
    if policy == "Never" and any(box.code for box in inits if not box.sidecar):
        return "Failed"
    if not all(box.code is not None or box.runs or box.restarts for box in mains):
        return "Pending"
    if any(box.code is None for box in mains) or (policy == "OnFailure" and any(box.code for box in mains)):
        return "Running"
    return "Failed" if any(box.code for box in mains) else "Succeeded"


def status(pod: Object, all_: Sequence[Box], now: float, *, ready: bool, ended: str = "") -> Object:
    """Return a pod's new status.

    Args:
        pod: The pod, with its old one.
        all_: Its containers.
        now: Seconds since 1970.
        ready: Whether its folder and volumes are made.
        ended: The phase in which it has ended; empty while it goes on.
    """
    old = pod.get("status", {})
    going = phase(all_, pod["spec"].get("restartPolicy", "Always"))
    shown = ended or ("Running" if going in ("Succeeded", "Failed") and _started(all_) else going)
    if not ended and shown == "Failed":
        shown = "Pending"  # a container that prepares failed: told with the pod's end
    new: Object = {
        **old,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": shown,
        "conditions": _conditions(pod, _wanted(all_, going, ready=ready and not ended), now),
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        "startTime": old.get("startTime", moment(now)),
    }
    if ready:
        new |= {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    inits = [_told(box) for box in all_ if box.init]
    if inits:
        new["initContainerStatuses"] = inits
    new["containerStatuses"] = [_told(box) for box in all_ if not box.init]
    return new


def _started(all_: Iterable[Box]) -> bool:
    return any(box.state.get("terminated", {}).get("reason") != "StartError" for box in all_ if not box.init and box.id)


def _wanted(all_: Sequence[Box], going: str, *, ready: bool) -> list[tuple[str, bool, str, str]]:
    unprepared = [box.name for box in all_ if box.init and not (box.prepared or (box.sidecar and box.code is not None))]
    unready = [box.name for box in all_ if (box.sidecar or not box.init) and not box.runs]
    reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(going, "ContainersNotReady")
    message = f"containers with unready status: [{' '.join(unready)}]" if reason == "ContainersNotReady" else ""
    runs = (not unready, "", "") if not unready else (False, reason, message)
    initialized = (
        (False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(unprepared)}]")
        if unprepared
        else (True, "PodCompleted" if going == "Succeeded" else "", "")
    )
    made = (ready, "", "")
    return [(sort, *told) for sort, told in zip(ORDER, (made, initialized, runs, runs, (True, "", "")), strict=True)]


def _conditions(pod: Object, wanted: list[tuple[str, bool, str, str]], now: float) -> list[Object]:
    """Return a pod's conditions; one that stays keeps its time, and those of others stay."""
    old = {one["type"]: one for one in pod.get("status", {}).get("conditions", ())}
    found = []
    for sort, yes, reason, message in wanted:
        before, value = old.pop(sort, {}), "True" if yes else "False"
        since = before["lastTransitionTime"] if before.get("status") == value else moment(now)
        one = {"type": sort, "observedGeneration": pod["metadata"].get("generation", 1), "status": value}
        one |= {"lastProbeTime": None, "lastTransitionTime": since}
        one |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
        found.append(one)
    return [*found, *old.values()]


def _told(box: Box) -> Object:
    ready = box.runs or (box.init and not box.sidecar and box.code == 0)
    told: Object = {"name": box.name, "state": box.state, "lastState": box.last, "ready": ready}
    told |= {"restartCount": box.restarts, "image": box.spec["image"], "imageID": box.id and box.spec["image"]}
    if box.id:
        told["containerID"] = f"process://{box.id}"
    return told | {"started": box.runs}
