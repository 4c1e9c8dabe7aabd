"""A KubernetesJob from its creation to its end: attached to if it is there, watched, its troubles told.

It is looked at again and again, and no watch is held: what an API server forgets, cuts or repeats changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import ConfigurationError, StateError
from rowmill.runners.kubernetes import choosing, telling, troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowmill.runners.kubernetes.choosing import Ended, Object
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.kubernetes.troubles import Trouble

FIRST_LOOK_S, LOOK_MOST_S, GROWTH = 0.1, 2.0, 1.3
TROUBLE_S = 5.0  # how often pods are looked at that do not run
GIVE_UP_S = 600.0  # how long a step that nothing runs of is waited for, if somebody must act
LOOKED_AT = 20  # pods of one look
DELETED = "was deleted"
JOB_NAME = "batch.kubernetes.io/job-name"


class Followed(NamedTuple):
    """A KubernetesJob that has ended.

    Attributes:
        job: The object.
        ended: How.
    """

    job: Object
    ended: Ended


class Following(NamedTuple):
    """What is told while a step is followed.

    Attributes:
        cluster: Where.
        tell: Takes a text that is worth knowing at once.
        seen: Takes the KubernetesJob at each look.
        give_up_s: How long a step is waited for that cannot begin.
    """

    cluster: Cluster
    tell: Callable[[str], None]
    seen: Callable[[Object], None] = lambda _: None
    give_up_s: float = GIVE_UP_S


def jobs_of(cluster: Cluster, selector: Mapping[str, str]) -> list[Object]:
    """Return the KubernetesJobs that have these labels."""
    return list(cluster.list("Job", labels=",".join(f"{name}={value}" for name, value in selector.items())))


def followed(following: Following, name: str) -> Followed:
    """Wait for a KubernetesJob's end.

    Raises:
        StateError: It is deleted meanwhile.
        ConfigurationError: Its pods cannot begin, and somebody must act.
    """
    cluster, pause_s = following.cluster, FIRST_LOOK_S
    told: set[tuple[str, str]] = set()
    looked = begun = time.monotonic()
    while True:
        job = cluster.get("Job", name)
        if job is None or "deletionTimestamp" in job["metadata"]:
            raise StateError(f"the KubernetesJob {name} {DELETED}", hint=telling.AGAIN)
        following.seen(job)
        ended = choosing.end_of(job)
        if ended is not None:
            return Followed(job, ended)
        now = time.monotonic()
        if job["spec"].get("suspend"):
            begun = now
            for trouble in troubles.new_ones([troubles.suspended(name)], told):
                following.tell(trouble.text)
        if _runs(job):
            begun = now
        if now - looked > TROUBLE_S:
            looked = now
            found = list(troubles_of(cluster, job))
            for trouble in troubles.new_ones(found, told):
                until = f" (given up after {following.give_up_s / 60:g} minutes)" if trouble.lasting else ""
                following.tell(f"{trouble.text}{until}")
            _give_up(following, name, found, now - begun)
        time.sleep(pause_s)
        pause_s = min(LOOK_MOST_S, pause_s * GROWTH)


def _runs(job: Mapping[str, Any]) -> bool:
    return bool(job.get("status", {}).get("ready", 0))


def troubles_of(cluster: Cluster, job: Object) -> Iterator[Trouble]:
    """Look at pods that wait, at those that have failed, and at what is said about the KubernetesJob itself."""
    selector = f"{JOB_NAME}={job['metadata']['name']}"
    for phase in ("Pending", "Failed"):
        for pod in cluster.list("Pod", labels=selector, fields=f"status.phase={phase}", most=LOOKED_AT):
            found = list(troubles.of_pod(pod))
            yield from found
            if phase == "Pending" and not found:
                yield from _said(cluster, pod)
    yield from _said(cluster, job)


def _said(cluster: Cluster, about: Object) -> Iterator[Trouble]:
    """Return what is told about an object, and not about an earlier one of its name."""
    name, uid = about["metadata"]["name"], about["metadata"]["uid"]
    for event in cluster.list("Event", fields=f"involvedObject.name={name},involvedObject.uid={uid}", most=LOOKED_AT):
        if (trouble := troubles.of_event(event)) is not None:
            yield trouble


def _give_up(following: Following, name: str, found: list[Trouble], waited_s: float) -> None:
    """Take a step back that cannot begin: with other settings it would attach to the same KubernetesJob."""
    lasting = [trouble for trouble in found if trouble.lasting]
    if not lasting or waited_s < following.give_up_s:
        return
    following.cluster.delete("Job", name)
    first = lasting[0]
    raise ConfigurationError(
        f"pods cannot begin: {first.about} {first.reason}: {first.words}",
        hint=f"{first.hint}; then give the same command again",
    )


def pods_of(cluster: Cluster, job: Object, phase: str, most: int | None = None) -> Iterator[Object]:
    """Return a KubernetesJob's pods that ended in one way."""
    return cluster.list(
        "Pod", labels=f"{JOB_NAME}={job['metadata']['name']}", fields=f"status.phase={phase}", most=most
    )
