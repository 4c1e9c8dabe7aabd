"""One KubernetesJob for each partition, so many at once: the shape of the public sample."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from rowmill import kubejobs
from rowmill.errors import ConfigurationError, StateError
from rowmill.kubejobs import naming
from rowmill.runners.kubernetes import choosing, progress, running
from rowmill.runners.kubernetes.following import DELETED, LOOK_MOST_S, Followed, Patience, jobs_of, troubles_of
from rowmill.runners.kubernetes.telling import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.kubernetes.following import Following
    from rowmill.runners.kubernetes.progress import Found
    from rowmill.runners.kubernetes.troubles import Trouble
    from rowmill.runners.pods import InPods
    from rowmill.tracker import View

LOOK_S, LOOKED_AT = 0.5, 5


def each_partition(made: InPods, following: Following, found: Found, watch: Callable[[View], None]) -> None:
    """Let each partition have its KubernetesJob, in order, as many at once as there are workers.

    The first that fails ends the step; those under way are taken back. One that has its receipt ends at once.

    Raises:
        RowmillError: What a pod failed with.
        ConfigurationError: No pod can begin, and somebody must act.
    """
    cluster, patience, pause_s = following.cluster, Patience(following), LOOK_S
    attempt, mine = _attempt(cluster, found)
    before, seen = 0, set[int]()
    while True:
        jobs = {partition_of(job): job for job in jobs_of(cluster, mine)}
        _refuse_gone(cluster, jobs, seen, found.run_id)
        ended = _ended(made, cluster, jobs)
        watch(progress.view(found, ended))
        if ended == found.partitions:
            return
        under_way = list(filter(choosing.is_going, jobs.values()))
        patience.note(under_way, moved=ended > before)
        try:
            patience.look(partial(_troubles, cluster, under_way))
        except ConfigurationError:
            _take_back(cluster, under_way)
            raise
        room = 0 if _are_held(under_way) else made.chosen["workers"].value - len(under_way)
        new = [index for index in range(found.partitions) if index not in jobs][: max(0, room)]
        for index in new:
            manifest = kubejobs.partition_job(made.pods, found.run_id, index, attempt=attempt)
            cluster.create(running.labelled(made, manifest))
        before, seen = ended, {*seen, *jobs, *new}
        pause_s = LOOK_S if new else min(LOOK_MOST_S, pause_s * 1.3)
        time.sleep(pause_s)


def _attempt(cluster: Cluster, found: Found) -> tuple[int, dict[str, str]]:
    """Return the number of the try that is under way, or of a new one, and the labels of its KubernetesJobs."""
    selector = {naming.RUN: found.run_id, naming.STEP: "process"}
    there = jobs_of(cluster, selector)
    followed = choosing.to_follow(there)
    attempt = choosing.next_attempt(there, found.next_attempt) if followed is None else choosing.attempt_of(followed)
    return attempt, selector | {naming.ATTEMPT: str(attempt)}


def _refuse_gone(cluster: Cluster, jobs: dict[int, Object], seen: set[int], run_id: str) -> None:
    """End with a KubernetesJob that somebody has deleted; those that were made while he did so are taken back.

    Raises:
        StateError: There is one.
    """
    gone = seen - {index for index, job in jobs.items() if "deletionTimestamp" not in job["metadata"]}
    if gone:
        _take_back(cluster, filter(choosing.is_going, jobs.values()))
        raise StateError(f"the KubernetesJob of partition {min(gone)} {DELETED}", hint=AGAIN, run_id=run_id)


def _ended(made: InPods, cluster: Cluster, jobs: dict[int, Object]) -> int:
    """Return how many have ended well.

    Raises:
        RowmillError: One has not.
    """
    ended = {index: end for index, job in jobs.items() if (end := choosing.end_of(job)) is not None}
    for index, end in ended.items():
        if not end.well:
            _take_back(cluster, filter(choosing.is_going, jobs.values()))
            raise running.error_of(made, cluster, Followed(jobs[index], end))
    return len(ended)


def partition_of(job: Object) -> int:
    """Return which partition a KubernetesJob is for."""
    return int(job["metadata"]["labels"][naming.PARTITION])


def _take_back(cluster: Cluster, jobs: Iterable[Object]) -> None:
    for job in jobs:
        cluster.delete("Job", job["metadata"]["name"])


def _troubles(cluster: Cluster, under_way: Iterable[Object]) -> Iterator[Trouble]:
    """Look at some KubernetesJobs of which no pod runs."""
    waiting = (job for job in under_way if not job.get("status", {}).get("ready"))
    for job in islice(waiting, LOOKED_AT):
        yield from troubles_of(cluster, job)


def _are_held(under_way: Iterable[Object]) -> bool:
    """Whether the run is paused, or a queue holds it: no new ones come."""
    return any(job["spec"].get("suspend") for job in under_way)
