"""What is kept of pods that were ended from outside, and could keep nothing themselves: their log, by partition."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.errors import RowmillError
from rowmill.kubejobs import naming
from rowmill.model import codec
from rowmill.model.attempt import Attempt, share_of
from rowmill.runners import attempts, failures
from rowmill.runners.kubernetes import choosing
from rowmill.runners.kubernetes.telling import INDEX
from rowmill.runners.opening import reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.storage import Storage

LOG_LINES = 1_000


def keep(
    cluster: Cluster, workspace: str, job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], error: RowmillError
) -> None:
    """Keep the logs of a process step's pods that told nothing, where the workspace is within reach.

    A client that does not see it leaves them in the cluster, for as long as that keeps the pods.
    """
    run_id = job["metadata"]["labels"].get(naming.RUN, "")
    place = reached(workspace)
    if place is None or not run_id or job["metadata"]["labels"].get(naming.STEP) != "process":
        return
    with suppress(RowmillError):  # the error itself is what has to be told
        for pod in pods:
            log = cluster.log(pod["metadata"]["name"], tail_lines=LOG_LINES)
            if log is not None:
                _keep(place, run_id, job, pod, error, log)


def _keep(
    place: Storage, run_id: str, job: Mapping[str, Any], pod: Mapping[str, Any], error: RowmillError, log: str
) -> None:
    index = partition_of(place, run_id, job, pod)
    if index is not None:
        name = pod["metadata"]["name"]
        told = failures.Told(choosing.attempt_of(job), name.rpartition("-")[2], name, error, log)
        failures.keep(place, run_id, index, told)


def partition_of(place: Storage, run_id: str, job: Mapping[str, Any], pod: Mapping[str, Any]) -> int | None:
    """Return the partition that a pod was at: the first of its share without a receipt."""
    own = job["metadata"]["labels"].get(naming.PARTITION)
    if own is not None:
        return int(own)
    name = attempts.name_of(run_id, choosing.attempt_of(job))
    data = place.get(name)
    attempt = None if data is None else codec.decode(data, Attempt, name=name)
    place_in_job = pod["metadata"].get("labels", {}).get(INDEX)
    if attempt is None or attempt.unfinished is None or place_in_job is None:
        return None
    there = set(place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"))
    mine = share_of(attempt.unfinished, int(place_in_job), job["spec"]["completions"])
    return next((index for index in mine if wire.receipt_name(run_id, index) not in there), None)
