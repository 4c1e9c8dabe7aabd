"""What pods told when they ended, and which of it decides. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError, ProcessingError, RowmillError, TransientError
from rowmill.kubejobs.failing import CONTAINER
from rowmill.model.termination import ERROR_SCHEMA, STEP_SCHEMA, read_message
from rowmill.runners.kubernetes import choosing, troubles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rowmill.runners.kubernetes.choosing import Ended

STOPPED, INDEX = "Stopped", "batch.kubernetes.io/job-completion-index"
MOUNTED = re.compile(r"/job/(?:\.\.\d{4}_[\d_.]+/)?")  # where a ConfigMap is mounted; the user knows the file's name
AGAIN = "give the same command again: partitions with a receipt are not done again"
LEAST_DECISIVE = (75, 1)  # these were tried again; what ended the step is something else, if anything else was told


def message_of(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a pod's program told at its end; None if it told nothing."""
    for status in pod.get("status", {}).get("containerStatuses", ()):
        ended = status.get("state", {}).get("terminated")
        if status["name"] == CONTAINER and ended:
            return read_message(ended.get("message", ""))
    return None


def facts_of(pods: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what a step's pod told when it ended well; None if no such pod is left."""
    told = (message_of(pod) for pod in pods)
    return next((one for one in told if one and one["schema"] == STEP_SCHEMA), None)


def decisive(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the failed pods whose index failed in the end; all of them where no index did."""
    failed, ended = list(pods), choosing.indexes(job.get("status", {}).get("failedIndexes", ""))
    return [pod for pod in failed if pod["metadata"].get("labels", {}).get(INDEX) in map(str, ended)] or failed


def error_of(ended: Ended, pods: Iterable[Mapping[str, Any]]) -> RowmillError:
    """Return the error of a KubernetesJob that failed: the most decisive that its pods told, else Kubernetes' own.

    Of several the one that comes first in the input is told.
    """
    failed = list(pods)
    told = [one for one in map(message_of, failed) if one and one["schema"] == ERROR_SCHEMA]
    errors = [one for one in told if one["error"] != STOPPED]
    ended_from_outside = [one for pod in failed for one in troubles.of_pod(pod)]
    if errors and not (ended_from_outside and all(one["exit_code"] in LEAST_DECISIVE for one in errors)):
        first: dict[str, Any] = min(errors, key=_place)
        error = RowmillError.from_dict({"message": "", "hint": "", **first})  # one that was cut may lack them
        error.message = MOUNTED.sub("", error.message)
        if isinstance(error, ConfigurationError):  # what is set on this machine is not what a pod has
            error.message = f"in the pod: {error.message}"
        return error
    for trouble in ended_from_outside:
        kind = ProcessingError if trouble.reason == troubles.OOM_KILLED else ConfigurationError
        hint = f"{_hint(trouble.reason)}; what it wrote: kubectl logs {trouble.about}"
        return kind(f"pod {trouble.about}: {trouble.reason} {trouble.words}".rstrip(), hint=hint)
    if ended.reason == "DeadlineExceeded":
        return TransientError(
            f"the KubernetesJob ran longer than it may: {ended.words}", hint=f"give a longer --pod-deadline; {AGAIN}"
        )
    return TransientError(f"the KubernetesJob failed: {ended.reason}: {ended.words}", hint=AGAIN)


def _place(error: Mapping[str, Any]) -> tuple[bool, int, int]:
    ordinal = error.get("ordinal", error.get("partition", 0))
    return error["exit_code"] in LEAST_DECISIVE, ordinal if isinstance(ordinal, int) else 0, error["exit_code"]


def _hint(reason: str) -> str:
    return troubles.HINTS.get(reason, AGAIN)
