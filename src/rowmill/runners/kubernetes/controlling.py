"""What may be done to a run under way in a cluster: stop it, let it wait, change how many pods it has at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import StateError
from rowmill.kubejobs import naming
from rowmill.runners.kubernetes import choosing
from rowmill.runners.kubernetes.following import jobs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster


def cancel(cluster: Cluster, run_id: str) -> list[str]:
    """Delete a run's KubernetesJobs, its coordinator first; what has a receipt stays. Return their names."""
    going = _going(cluster, run_id)
    requests = {
        job["metadata"]["labels"][naming.REQUEST] for job in going if naming.REQUEST in job["metadata"]["labels"]
    }
    asked = [job for request in sorted(requests) for job in jobs_of(cluster, {naming.REQUEST: request})]
    names = [job["metadata"]["name"] for job in [*asked, *going] if choosing.is_going(job)]
    names.sort(key=lambda name: "-run-" not in name)  # else it would make them anew
    for name in dict.fromkeys(names):
        cluster.delete("Job", name)
    return list(dict.fromkeys(names))


def pause(cluster: Cluster, run_id: str) -> list[str]:
    """Let a run's pods end, and none begin, until it is resumed; return its KubernetesJobs' names."""
    return _changed(cluster, _ours(cluster, run_id, "Kueue lets it wait and go on"), {"suspend": True})


def resume(cluster: Cluster, run_id: str) -> list[str]:
    """Let a run that was paused go on; return its KubernetesJobs' names."""
    return _changed(cluster, _ours(cluster, run_id, "Kueue lets it wait and go on"), {"suspend": False})


def scale(cluster: Cluster, run_id: str, workers: int) -> list[str]:
    """Change how many pods a run's process step has at once; return its KubernetesJobs' names.

    Raises:
        StateError: It has no such step under way, or each partition has a KubernetesJob of its own.
    """
    jobs = [job for job in _ours(cluster, run_id, "Kueue counts its pods") if _indexed(job)]
    if not jobs:
        raise StateError(
            "the run has no Indexed KubernetesJob under way",
            hint="give the command of the run again, with other --workers",
            run_id=run_id,
        )
    return _changed(cluster, jobs, {"parallelism": workers})


def _indexed(job: Mapping[str, Any]) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _going(cluster: Cluster, run_id: str) -> list[Object]:
    jobs = [job for job in jobs_of(cluster, {naming.RUN: run_id}) if choosing.is_going(job)]
    if not jobs:
        raise StateError(
            f"the run {run_id} is not under way in the namespace {cluster.namespace}",
            hint="check --namespace and --kube-context",
            run_id=run_id,
        )
    return jobs


def _ours(cluster: Cluster, run_id: str, why: str) -> list[Object]:
    jobs = _going(cluster, run_id)
    if any(naming.QUEUE in job["metadata"].get("labels", {}) for job in jobs):
        raise StateError(f"the run is in a queue: {why}", hint="ask Kueue, or whoever runs it", run_id=run_id)
    return jobs


def _changed(cluster: Cluster, jobs: list[Object], change: dict[str, Any]) -> list[str]:
    names = [job["metadata"]["name"] for job in jobs]
    for name in names:
        cluster.patch("Job", name, {"spec": change})
    return names
