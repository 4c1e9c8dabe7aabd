"""A coordinator in the cluster, so that the user's machine may go away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import naming
from rowmill.kubejobs.bundle import bundle
from rowmill.runners.kubernetes import choosing, running
from rowmill.runners.kubernetes.cluster import FORBIDS
from rowmill.runners.kubernetes.following import jobs_of
from rowmill.runners.pods import for_coordinator

if TYPE_CHECKING:
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.pods import InPods


def detach(made: InPods, cluster: Cluster) -> str:
    """Start a coordinator, or find the one that is under way; return its KubernetesJob's name.

    What it needs is made where it is not there: a service account that may do what a coordinator does, and no more.
    """
    cluster.check_version()
    running.refuse_others(made, cluster)
    selector = {naming.REQUEST: made.digest, naming.STEP: "run"}
    there = jobs_of(cluster, selector)
    job = choosing.to_follow(there)
    if job is None:
        pods, files, settings = for_coordinator(made)
        *others, job = bundle(
            pods,
            made.request,
            files=files,
            settings=settings,
            attempt=choosing.next_attempt(there),
        )
        for manifest in others:
            _made(cluster, manifest)
        job = running.labelled(made, job)  # with the template, which fits once
        cluster.create(job)
    return str(job["metadata"]["name"])


def _made(cluster: Cluster, manifest: dict[str, Any]) -> None:
    """Create an object; rights that this user may not give must have been given by somebody before."""
    try:
        cluster.create(manifest)
    except ConfigurationError as error:
        if manifest["kind"] == "ConfigMap" or FORBIDS not in error.message:
            raise
