"""A KubernetesJob from its creation to its end: attached to if it is there, watched, its troubles told.

It is looked at again and again, and no watch is held: what an API server forgets, cuts or repeats changes nothing.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import ConfigurationError, StateError
from rowmill.runners.kubernetes import choosing, telling, troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
    cluster, pause_s, patience = following.cluster, FIRST_LOOK_S, Patience(following)
    while True:
        job = cluster.get("Job", name)
        if job is None or "deletionTimestamp" in job["metadata"]:
            raise StateError(f"the KubernetesJob {name} {DELETED}", hint=telling.AGAIN)
        following.seen(job)
        ended = choosing.end_of(job)
        if ended is not None:
            return Followed(job, ended)
        patience.note([job])
        try:
            patience.look(partial(troubles_of, cluster, job))
        except ConfigurationError:
            cluster.delete("Job", name)  # with other settings it would be attached to
            raise
        time.sleep(pause_s)
        pause_s = min(LOOK_MOST_S, pause_s * GROWTH)


class Patience:
    """How long a step of which nothing runs is waited for, and which of its troubles were told.

    Args:
        following: Who is told, and how long.
    """

    def __init__(self, following: Following) -> None:
        self._following = following
        self._told: set[tuple[str, str]] = set()
        self._looked = self._began = time.monotonic()

    def note(self, jobs: Iterable[Object], *, moved: bool = False) -> None:
        """Take how a step's KubernetesJobs are now: one that runs, or waits for somebody by intent, is not stuck.

        Args:
            jobs: Those that are under way.
            moved: Whether something has ended well since the last time.
        """
        here = list(jobs)
        waits = [job["metadata"]["name"] for job in here if job["spec"].get("suspend")]
        self._tell(map(troubles.suspended, waits))
        if moved or waits or any(job.get("status", {}).get("ready") for job in here):
            self._began = time.monotonic()

    def look(self, find: Callable[[], Iterable[Trouble]]) -> None:
        """Look every few seconds for what keeps pods from their work, and tell it.

        Args:
            find: Asks the cluster.

        Raises:
            ConfigurationError: It has been waited for long enough, and somebody must act.
        """
        now = time.monotonic()
        if now - self._looked <= TROUBLE_S:
            return
        self._looked, found = now, list(find())
        self._tell(found)
        lasting = next((trouble for trouble in found if trouble.lasting), None)
        if lasting is not None and now - self._began >= self._following.give_up_s:
            raise ConfigurationError(
                f"pods cannot begin: {lasting.about} {lasting.reason}: {lasting.words}",
                hint=f"{lasting.hint}; then give the same command again",
            )

    def _tell(self, found: Iterable[Trouble]) -> None:
        for trouble in troubles.new_ones(found, self._told):
            until = f" (given up after {self._following.give_up_s / 60:g} minutes)" if trouble.lasting else ""
            self._following.tell(f"{trouble.text}{until}")


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


def pods_of(cluster: Cluster, job: Object, phase: str, most: int | None = None) -> Iterator[Object]:
    """Return a KubernetesJob's pods that ended in one way."""
    return cluster.list(
        "Pod", labels=f"{JOB_NAME}={job['metadata']['name']}", fields=f"status.phase={phase}", most=most
    )
