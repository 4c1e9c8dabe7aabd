"""What may be done to a run under way in a cluster: stop it, let it wait, change how many pods it has at once.

A control that would change nothing is refused: nobody takes a run for stopped, or for going on, that is not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import StateError
from rowmill.kubejobs import naming
from rowmill.runners.kubernetes import choosing, telling
from rowmill.runners.kubernetes.following import jobs_of, pods_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster

COORDINATOR, PROCESS, CHECK = "run", "process", "check"
GONE_MOST_S, GONE_LOOK_S = 40.0, 0.2  # a pod has 30 s to end
ALIVE = ("Pending", "Running")


class Asked(NamedTuple):
    """Whose KubernetesJobs are meant.

    Attributes:
        run_id: The run, empty where it is not known yet.
        requests: Digests of its requests: what splits and what coordinates is labelled by them alone.
    """

    run_id: str
    requests: frozenset[str]


def cancel(cluster: Cluster, named: str) -> list[str]:
    """Delete a run's KubernetesJobs, its coordinator first, which would make them anew; return their names.

    What has a receipt stays.
    """
    asked = found(cluster, named)
    going = _going(cluster, asked, named)
    coordinators = [job for job in going if _step(job) == COORDINATOR]
    for job in coordinators:
        _delete(cluster, job)
    for job in coordinators:
        _wait_until_gone(cluster, job)
    rest = under_way(cluster, asked) if coordinators else going
    for job in rest:
        _delete(cluster, job)
    return [job["metadata"]["name"] for job in [*coordinators, *rest]]


def pause(cluster: Cluster, named: str) -> list[str]:
    """Let a run's pods end, and none begin, until it is resumed; return its KubernetesJobs' names."""
    going = _ours(cluster, named, "Kueue lets it wait and go on")
    return _changed(cluster, going, "suspend", True, f"the run {named} is paused already", "give `rowmill resume`")


def resume(cluster: Cluster, named: str) -> list[str]:
    """Let a run that was paused go on; return its KubernetesJobs' names."""
    going = _ours(cluster, named, "Kueue lets it wait and go on")
    return _changed(cluster, going, "suspend", False, f"the run {named} is not paused", "wait for it")


def scale(cluster: Cluster, named: str, workers: int) -> list[str]:
    """Change how many pods a run's process step has at once; return its KubernetesJobs' names.

    Raises:
        StateError: It has no such step under way, or its partitions are not shared into so many pods.
    """
    going = _ours(cluster, named, "Kueue counts its pods")
    jobs = [job for job in going if _step(job) == PROCESS]
    if not jobs:
        raise StateError(
            f"the process step of the run {named} is not under way, {going[0]['metadata']['name']} is",
            hint="wait until it is; it begins with the --workers of its command",
        )
    if any(job["spec"].get("completionMode") != "Indexed" for job in jobs):
        raise StateError(
            "each partition of the run has a KubernetesJob of its own, so many at once as its command said",
            hint="stop it (`rowmill cancel`), and give the command with other --workers: what has a receipt stays",
        )
    most = max(job["spec"]["completions"] for job in jobs)
    if workers > most:
        raise StateError(
            f"the run's partitions are shared into {most} pods: more of them cannot work at once",
            hint=f"give --workers {most}; or cancel, and give the run's command with --workers {workers}",
        )
    already = f"the run {named} has {workers} pods at once already"
    return _changed(cluster, jobs, "parallelism", workers, already, "give another number")


def found(cluster: Cluster, named: str) -> Asked:
    """Return whose KubernetesJobs are meant by a run's id, the name of one of them, or a request's digest.

    A run's id that no KubernetesJob has yet is known to the pod that split.
    """
    if not naming.LABEL.fullmatch(named):
        return Asked(named, frozenset())
    if of_run := jobs_of(cluster, {naming.RUN: named}):
        return Asked(named, requests_of(of_run))
    one = cluster.get("Job", named)
    if one is not None and naming.STEP in one["metadata"].get("labels", {}):
        return Asked(one["metadata"]["labels"].get(naming.RUN, ""), requests_of([one]))
    if jobs_of(cluster, {naming.REQUEST: named}):
        return Asked("", frozenset({named}))
    splits = cluster.list("Pod", labels=f"{naming.STEP}=split", fields="status.phase=Succeeded")
    return Asked(named, requests_of(pod for pod in splits if (telling.facts_of([pod]) or {}).get("run_id") == named))


def requests_of(objects: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the digests of requests that objects are labelled with."""
    labels = (made["metadata"]["labels"] for made in objects)
    return frozenset(one[naming.REQUEST] for one in labels if naming.REQUEST in one)


def under_way(cluster: Cluster, asked: Asked) -> list[Object]:
    """Return the KubernetesJobs of a run that have not ended."""
    selectors = [{naming.REQUEST: request} for request in sorted(asked.requests)]
    selectors += [{naming.RUN: asked.run_id}] if asked.run_id and naming.LABEL.fullmatch(asked.run_id) else []
    there = {job["metadata"]["name"]: job for selector in selectors for job in jobs_of(cluster, selector)}
    return chosen(there.values(), asked.run_id)


def chosen(jobs: Iterable[Object], run_id: str) -> list[Object]:
    """Return those that are under way for a run; the same command may be at another, of another version of its input.

    What has no run yet is taken for the run's own, if nothing of another run is under way.
    """
    going = [job for job in jobs if choosing.is_going(job) and _step(job) != CHECK]
    others = {_run(job) for job in going} - {"", run_id}
    return [job for job in going if _run(job) == run_id] if run_id and others else going


def _going(cluster: Cluster, asked: Asked, named: str) -> list[Object]:
    going = under_way(cluster, asked)
    if not going:
        raise StateError(
            f"the run {named} is not under way in the namespace {cluster.namespace}",
            hint="check --namespace and --kube-context; between two KubernetesJobs of a command nothing is: try again",
        )
    return going


def _ours(cluster: Cluster, named: str, why: str) -> list[Object]:
    going = _going(cluster, found(cluster, named), named)
    if any(naming.QUEUE in job["metadata"]["labels"] for job in going):
        raise StateError(f"the run is in a queue: {why}", hint="ask Kueue, or whoever runs it")
    return sorted(going, key=lambda job: _step(job) != COORDINATOR)  # else it begins the next step meanwhile


def _changed(cluster: Cluster, jobs: list[Object], name: str, value: object, already: str, hint: str) -> list[str]:
    """Change a field where it is another; refuse where it is nowhere."""
    others = [job["metadata"]["name"] for job in jobs if job["spec"].get(name) != value]
    if not others:
        raise StateError(already, hint=hint)
    for one in others:
        cluster.patch("Job", one, {"spec": {name: value}})
    return others


def _delete(cluster: Cluster, job: Object) -> None:
    cluster.delete("Job", job["metadata"]["name"])


def _wait_until_gone(cluster: Cluster, job: Object) -> None:
    """Wait for the end of a KubernetesJob's pods; one whose node is lost is not waited for any longer."""
    end = time.monotonic() + GONE_MOST_S
    while time.monotonic() < end and any(next(pods_of(cluster, job, phase), None) for phase in ALIVE):
        time.sleep(GONE_LOOK_S)


def _step(job: Mapping[str, Any]) -> str:
    return str(job["metadata"]["labels"].get(naming.STEP, ""))


def _run(job: Mapping[str, Any]) -> str:
    return str(job["metadata"]["labels"].get(naming.RUN, ""))
