"""Whether a cluster would carry out a run: each object tried without being made, then a pod that tries the places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill import kubejobs
from rowmill.kubejobs import naming
from rowmill.runners.checking import Place
from rowmill.runners.kubernetes import running, telling
from rowmill.runners.kubernetes.following import Following, followed, pods_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.pods import InPods

NO_RUN = "0" * naming.SHORT_RUN  # stands for the id that only split knows
CANNOT_BEGIN_S = 60.0  # nobody waits longer for a check


def check(made: InPods, cluster: Cluster, tell: Callable[[str], None]) -> list[Place]:
    """Try what a run needs of the cluster and, from a pod, of its places; return what was found.

    Raises:
        ConfigurationError: An object is refused, in the words of whoever refuses it, or the pod cannot begin.
        RowmillError: A place does not do what a run needs.
    """
    cluster.check_version()
    objects = tried(made)
    for manifest in objects:
        cluster.create(manifest, dry_run=True)
    kinds = ", ".join(sorted({manifest["kind"] for manifest in objects}))
    found = [Place("cluster", cluster.server, f"takes {len(objects)} objects in {cluster.namespace}: {kinds}")]
    if made.files:
        cluster.create(kubejobs.code_config_map(made.pods, made.files))

    def canary(attempt: int) -> Object:
        return kubejobs.canary_job(made.pods, made.request, attempt=attempt)

    selector = {naming.REQUEST: made.digest, naming.STEP: "check"}
    name = running.begun(made, cluster, selector, canary)
    job = running.checked(made, cluster, followed(Following(cluster, tell, give_up_s=CANNOT_BEGIN_S), name))
    told = telling.facts_of(pods_of(cluster, job, "Succeeded")) or {}
    cluster.delete("Job", job["metadata"]["name"])
    return [*found, *(msgspec.convert(place, Place) for place in told.get("places", ()))]


def tried(made: InPods) -> list[Object]:
    """Return an object of each kind that a run makes, with the user's template."""
    pods, request = made.pods, made.request
    steps = [
        kubejobs.split_job(pods, request, attempt=1),
        kubejobs.process_job(pods, NO_RUN, attempt=1, completions=1, workers=1),
        kubejobs.partition_job(pods, NO_RUN, 0, attempt=1),
        kubejobs.merge_job(pods, NO_RUN, attempt=1),
    ]
    code = [kubejobs.code_config_map(pods, made.files)] if made.files else []
    return [*code, *(running.labelled(made, manifest) for manifest in steps)]
