"""The KubernetesJobs of a run, one function for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import naming
from rowmill.kubejobs.failing import pod_failure_policy
from rowmill.kubejobs.places import MOST_CODE_BYTES
from rowmill.kubejobs.pods import pod_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.kubejobs.asked import Pods, Request

RETRIES = 3  # of a pod, or an index, that ended with what may be better next time
COORDINATOR_RETRIES = 10  # it has nothing to do anew: it attaches to what is under way
RUN_LIVES = 4  # of a step, at most: a coordinator outlives the three, and what has to be done again
CANARY_S = 600


def split_job(pods: Pods, request: Request, *, attempt: int) -> dict[str, Any]:
    """Return the KubernetesJob that finds the partitions and tells the run's id."""
    digest = naming.request_digest(pods, request)
    words = ["split", *request.words, "--", pods.job, request.input]
    labels = naming.labels(pods, "split", attempt, request=digest)
    return _job(pods, naming.job_name(digest, "split", attempt), "split", words, labels)


def process_job(pods: Pods, run_id: str, *, attempt: int, completions: int, workers: int) -> dict[str, Any]:
    """Return the Indexed KubernetesJob that does an attempt's partitions.

    Args:
        pods: What its pods have.
        run_id: The run.
        attempt: The number under which the list of unfinished partitions is published.
        completions: Into how many pods the list is shared.
        workers: Pods at once.
    """
    words = ["process", run_id, f"--of={completions}", f"--attempt={attempt}"]
    made = _job(pods, naming.job_name(run_id, "process", attempt), "process", words, _labels(pods, run_id, attempt))
    del made["spec"]["backoffLimit"]
    made["spec"] |= {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": min(workers, completions),
        "backoffLimitPerIndex": RETRIES,
        "maxFailedIndexes": 0,
    }
    return made


def partition_job(pods: Pods, run_id: str, partition: int, *, attempt: int) -> dict[str, Any]:
    """Return the KubernetesJob that does one partition, for `--fan-out per-partition`."""
    words = ["process", run_id, f"--partition={partition}", f"--attempt={attempt}"]
    labels = _labels(pods, run_id, attempt) | {naming.PARTITION: str(partition)}
    name = naming.job_name(run_id, "process", attempt, partition)
    return _job(pods, name, "process", words, labels)


def merge_job(pods: Pods, run_id: str, *, attempt: int) -> dict[str, Any]:
    """Return the KubernetesJob that proves the laws and publishes the output."""
    labels = naming.labels(pods, "merge", attempt, run_id=run_id)
    return _job(pods, naming.job_name(run_id, "merge", attempt), "merge", ["merge", run_id, "--json"], labels)


def coordinator_job(pods: Pods, request: Request, *, attempt: int, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the KubernetesJob that starts and watches all others, so that the user's machine may go away.

    Args:
        pods: What its pod has; its service account may create, watch and delete KubernetesJobs.
        request: What the run is asked to do.
        attempt: Number of the try.
        settings: Values of settings that the coordinator goes by, `image` and `claim` for example, by name.
    """
    digest = naming.request_digest(pods, request)
    options = [f"--{name.replace('_', '-')}={settings[name]}" for name in sorted(settings)]
    words = ["run", "--on=kubernetes", "--no-progress", *options, *request.words, "--", pods.job, request.input]
    labels = naming.labels(pods, "run", attempt, request=digest)
    made = _job(pods, naming.job_name(digest, "run", attempt), "run", words, labels, token=True)
    made["spec"] |= {
        "backoffLimit": COORDINATOR_RETRIES,
        "activeDeadlineSeconds": RUN_LIVES * pods.deadline_s,
    }
    return made


def whole_job(pods: Pods, request: Request, *, attempt: int) -> dict[str, Any]:
    """Return the KubernetesJob whose one pod does the whole run, one partition after the other."""
    digest = naming.request_digest(pods, request)
    words = ["run", "--sequential", "--no-progress", *request.words, "--", pods.job, request.input]
    labels = naming.labels(pods, "run", attempt, request=digest)
    return _job(pods, naming.job_name(digest, "run", attempt), "run", words, labels)


def canary_job(pods: Pods, request: Request, *, attempt: int) -> dict[str, Any]:
    """Return the KubernetesJob whose one pod tries input, workspace, table and tracker."""
    digest = naming.request_digest(pods, request)
    words = ["check", "--places-only", *request.words, "--", pods.job, request.input]
    labels = naming.labels(pods, "check", attempt, request=digest)
    made = _job(pods, naming.job_name(digest, "check", attempt), "check", words, labels)
    made["spec"] |= {"backoffLimit": 0, "activeDeadlineSeconds": min(CANARY_S, pods.deadline_s)}
    return made


def code_config_map(pods: Pods, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the ConfigMap with the user's code; the name changes with the content, so that it is never changed.

    Args:
        pods: Where it goes, and its labels; its name is `code_name(files)`.
        files: Text by name.

    Raises:
        ConfigurationError: It is more than a ConfigMap takes.
    """
    size = sum(len(name.encode()) + len(text.encode()) for name, text in files.items())
    if size > MOST_CODE_BYTES:
        raise ConfigurationError(
            f"the job's code has {size:,} bytes, and a ConfigMap takes {MOST_CODE_BYTES:,}",
            hint="build an image with your job (docs/howto/image.md), and give --image",
        )
    ours = {"app.kubernetes.io/name": "rowmill", "app.kubernetes.io/managed-by": "rowmill"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(naming.code_name(files), pods.namespace, {**pods.labels, **ours}),
        "immutable": True,
        "data": dict(files),
    }


def _labels(pods: Pods, run_id: str, attempt: int) -> dict[str, str]:
    return naming.labels(pods, "process", attempt, run_id=run_id)


def _metadata(name: str, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"name": name, **where, "labels": dict(labels)}


def _job(
    pods: Pods, name: str, step: str, words: Sequence[str], labels: dict[str, str], *, token: bool = False
) -> dict[str, Any]:
    indexed = step == "process" and naming.PARTITION not in labels
    queue = {naming.QUEUE: pods.queue} if pods.queue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, pods.namespace, {**labels, **queue}),
        "spec": {
            "suspend": bool(pods.queue),
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": pods.deadline_s,
            "ttlSecondsAfterFinished": pods.ttl_s,
            "podFailurePolicy": pod_failure_policy(step, indexed=indexed),
            "template": pod_template(pods, words, labels, token=token),
        },
    }
