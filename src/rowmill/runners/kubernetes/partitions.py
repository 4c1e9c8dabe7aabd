"""One KubernetesJob for each partition, so many at once: the shape of the public sample."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from rowmill import kubejobs
from rowmill.errors import StateError
from rowmill.kubejobs import naming
from rowmill.runners.kubernetes import choosing, progress, running, troubles
from rowmill.runners.kubernetes.following import (
    DELETED,
    LOOK_MOST_S,
    TROUBLE_S,
    Followed,
    jobs_of,
    troubles_of,
)
from rowmill.runners.kubernetes.telling import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.kubernetes.progress import Found
    from rowmill.runners.pods import InPods
    from rowmill.tracker import View

LOOK_S, LOOKED_AT = 0.5, 5


def each_partition(
    made: InPods, cluster: Cluster, found: Found, watch: Callable[[View], None], tell: Callable[[str], None]
) -> None:
    """Let each partition have its KubernetesJob, in order, as many at once as there are workers.

    The first that fails ends the step; those under way are taken back. One that has its receipt ends at once.

    Raises:
        RowmillError: What a pod failed with.
    """
    selector = {naming.RUN: found.run_id, naming.STEP: "process"}
    there = jobs_of(cluster, selector)
    followed = choosing.to_follow(there)
    attempt = choosing.next_attempt(there, found.next_attempt) if followed is None else choosing.attempt_of(followed)
    mine = selector | {naming.ATTEMPT: str(attempt)}
    next_look = time.monotonic() + TROUBLE_S
    pause_s, told, seen = LOOK_S, set[tuple[str, str]](), set[int]()
    while True:
        jobs = {partition_of(job): job for job in jobs_of(cluster, mine)}
        if gone := seen - {index for index, job in jobs.items() if "deletionTimestamp" not in job["metadata"]}:
            raise StateError(f"the KubernetesJob of partition {min(gone)} {DELETED}", hint=AGAIN, run_id=found.run_id)
        seen |= set(jobs)
        ended = {index: end for index, job in jobs.items() if (end := choosing.end_of(job)) is not None}
        for index, end in ended.items():
            if not end.well:
                _take_back(cluster, jobs)
                raise running.error_of(made, cluster, Followed(jobs[index], end))
        watch(progress.view(found, len(ended)))
        if len(ended) == found.partitions:
            return
        room = made.chosen["workers"].value - (len(jobs) - len(ended))
        waiting = [index for index in range(found.partitions) if index not in jobs][: max(0, room)]
        if suspended(jobs):  # the run is paused, or a queue holds it: no new ones come
            waiting = []
        for index in waiting:
            manifest = kubejobs.partition_job(made.pods, found.run_id, index, attempt=attempt)
            cluster.create(running.labelled(made, manifest))
            seen.add(index)
        pause_s = LOOK_S if waiting else min(LOOK_MOST_S, pause_s * 1.3)
        found_now = list(map(troubles.suspended, suspended(jobs)))
        if time.monotonic() > next_look:
            next_look = time.monotonic() + TROUBLE_S
            found_now += [trouble for job in waiting_of(jobs) for trouble in troubles_of(cluster, job)]
        for trouble in troubles.new_ones(found_now, told):
            tell(trouble.text)
        time.sleep(pause_s)


def partition_of(job: Object) -> int:
    """Return which partition a KubernetesJob is for."""
    return int(job["metadata"]["labels"][naming.PARTITION])


def _take_back(cluster: Cluster, jobs: dict[int, Object]) -> None:
    for job in jobs.values():
        if choosing.is_going(job):
            cluster.delete("Job", job["metadata"]["name"])


def waiting_of(jobs: dict[int, Object]) -> list[Object]:
    """Return some KubernetesJobs that are under way and of which no pod runs."""
    under_way = (job for job in jobs.values() if choosing.is_going(job) and not job.get("status", {}).get("ready"))
    return list(islice(under_way, LOOKED_AT))


def suspended(jobs: dict[int, Object]) -> list[str]:
    """Return the names of KubernetesJobs that wait for somebody."""
    return [job["metadata"]["name"] for job in jobs.values() if job["spec"].get("suspend")]
