"""What keeps pods from their work, in the cluster's own words, and what to do about it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OOM_KILLED, SUSPENDED = "OOMKilled", "is suspended"
HINTS = {
    "ErrImagePull": "check --image; for a private registry give imagePullSecrets in the pod template",
    "ImagePullBackOff": "check --image; for a private registry give imagePullSecrets in the pod template",
    "InvalidImageName": "check --image",
    "ErrImageNeverPull": "the image must be on the node, or may be pulled: check --image",
    "CreateContainerConfigError": "a Secret, a ConfigMap or a user id is missing: see what the message names",
    "CreateContainerError": "see what the message names",
    "RunContainerError": "see what the message names",
    "StartError": "the image has no `rowmill`: build it on ours (docs/howto/image.md)",
    "Unschedulable": "lower --cpu or --memory, add nodes, or correct nodeSelector and tolerations of the pod template",
    "FailedScheduling": "lower --cpu or --memory, add nodes, or correct nodeSelector and tolerations",
    "FailedMount": "check --claim: the volume claim must be there, be bound, and be mountable by several nodes",
    "FailedAttachVolume": "check --claim: its access mode must be ReadWriteMany where pods are on several nodes",
    "FailedCreate": "quota, a missing service account or an admission policy: see what the message names",
    SUSPENDED: "Kueue admits it, or give `rowmill resume`",
    OOM_KILLED: "give more --memory, or smaller partitions with --rows-per-partition",
    "Evicted": "the node ran short: give --memory what the function needs",
}
PASSING = {"ContainerCreating", "PodInitializing", "ContainersNotReady", "Pending"}
CLAIM = "persistentvolumeclaim"
WORDS_MOST = 600


class Trouble(NamedTuple):
    """Something that keeps pods from their work.

    Attributes:
        about: The pod, or the KubernetesJob.
        reason: Kubernetes' word for it.
        words: Its message.
        lasting: Whether it does not go by itself: somebody must act.
    """

    about: str
    reason: str
    words: str
    lasting: bool

    @property
    def text(self) -> str:
        """What is told, with what to do."""
        words = f": {self.words[:WORDS_MOST]}" if self.words else ""
        return f"{self.about} {self.reason}{words}; next: {self.hint}"

    @property
    def hint(self) -> str:
        """What to do."""
        if CLAIM in self.words:  # a pod without its claim is unschedulable, whatever it requests
            return HINTS["FailedMount"]
        return HINTS.get(self.reason, "see kubectl describe")


def of_pod(pod: Mapping[str, Any]) -> Iterator[Trouble]:
    """Return what keeps a pod from running, and how its program was ended from outside."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason", "") not in PASSING:
            yield Trouble(name, waiting["reason"], waiting.get("message", ""), lasting=True)
        for ended in (container.get("state", {}).get("terminated"), container.get("lastState", {}).get("terminated")):
            if ended and ended.get("reason") in (OOM_KILLED, "StartError"):
                yield Trouble(name, ended["reason"], ended.get("message", ""), lasting=ended["reason"] != OOM_KILLED)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield Trouble(name, condition.get("reason", "Unschedulable"), condition.get("message", ""), lasting=True)
    if status.get("phase") == "Failed" and status.get("reason") == "Evicted":
        yield Trouble(name, "Evicted", status.get("message", ""), lasting=False)


def of_event(event: Mapping[str, Any]) -> Trouble | None:
    """Return what a warning says that no status does: volumes that do not mount, pods that may not be made."""
    reason = event.get("reason", "")
    if event.get("type") != "Warning" or reason not in ("FailedMount", "FailedAttachVolume", "FailedCreate"):
        return None
    return Trouble(event["involvedObject"]["name"], reason, event.get("message", ""), lasting=True)


def suspended(name: str) -> Trouble:
    """Return that a KubernetesJob waits for somebody."""
    return Trouble(name, SUSPENDED, "", lasting=False)


def new_ones(found: Iterable[Trouble], told: set[tuple[str, str]]) -> list[Trouble]:
    """Return the troubles that were not told yet, one for each reason and message; they are told from now on.

    Many pods have the same trouble, and their messages differ by names alone: one of a reason is enough, and
    another when its words are others.
    """
    fresh: list[Trouble] = []
    for trouble in found:
        key = (trouble.reason, trouble.words.replace(trouble.about, ""))
        if key not in told:
            told.add(key)
            fresh.append(trouble)
    return fresh
