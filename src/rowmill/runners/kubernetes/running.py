"""A run in a cluster: split -> process -> merge, each a KubernetesJob that is attached to where it is under way.

The client needs the cluster and nothing else: what pods found they tell by their termination messages, and merge's
report stands in its log. A client that dies costs time only: the same command finds its KubernetesJobs by their labels.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import kubejobs
from rowmill.errors import RowmillError, StateError, Stopped, TransientError
from rowmill.kubejobs import naming
from rowmill.model.report import Report
from rowmill.runners.kubernetes import choosing, keeping, telling
from rowmill.runners.kubernetes.following import DELETED, Followed, Following, followed, jobs_of, pods_of
from rowmill.runners.kubernetes.progress import Counted, Found, view_of
from rowmill.runners.opening import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.runners.kubernetes.choosing import Object
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.pods import InPods
    from rowmill.tracker import View

ROUNDS = 5  # of redoing what merge finds broken
FRESH = "fresh"
FAILED_LOOKED_AT = 200  # pods whose messages are compared
OBJECT = re.compile(r"^\{$.*?^\}$", re.MULTILINE | re.DOTALL)  # as `--json` writes it


def run(made: InPods, cluster: Cluster, watch: Callable[[View], None] | None, tell: Callable[[str], None]) -> Report:
    """Take a request to its report.

    Args:
        made: The request, ready for pods.
        cluster: Where.
        watch: Takes the view of progress.
        tell: Takes what is worth knowing at once.

    Raises:
        RowmillError: What a pod failed with; the same command goes on later.
    """
    cluster.check_version()
    refuse_others(made, cluster)
    if made.files:
        cluster.create(kubejobs.code_config_map(made.pods, made.files))
    try:
        return rounds(made, cluster, watch or _nobody, tell)
    except (KeyboardInterrupt, Stopped):
        tell(f"the pods go on; the same command comes back to them, and `rowmill cancel {made.digest}` stops them")
        raise


def rounds(made: InPods, cluster: Cluster, watch: Callable[[View], None], tell: Callable[[str], None]) -> Report:
    """Take the three steps, again where merge finds partitions that do not verify.

    Raises:
        RowmillError: What a pod failed with.
    """
    ours = jobs_of(cluster, {naming.REQUEST: made.digest})
    merging = choosing.to_follow(steps_of(ours, "merge"))
    if merging is not None:  # it holds the run: a split would have to wait for it
        return merge(made, cluster, merging["metadata"]["labels"][naming.RUN], tell)
    found = split(made, cluster, tell, fresh=FRESH in made.request.flags and not is_begun(ours))
    for _ in range(ROUNDS):
        tell(f"run {found.run_id}: {found.rows:,} rows, {found.unfinished:,} of {found.partitions:,} partitions to do")
        if found.unfinished:
            process(made, Following(cluster, tell), found, watch)
        try:
            return merge(made, cluster, found.run_id, tell)
        except StateError as error:
            if DELETED in error.message:
                raise
            found = split(made, cluster, tell, fresh=False)
            if not found.unfinished:
                raise  # else merge has put aside what did not verify, and it is done again
    raise TransientError(f"partitions' data did not verify after {ROUNDS} tries", hint=telling.AGAIN)


def _nobody(view: View) -> None:
    del view


def split(made: InPods, cluster: Cluster, tell: Callable[[str], None], *, fresh: bool) -> Found:
    """Let a pod find the partitions, and what is left to do of them.

    Args:
        made: The request.
        cluster: Where.
        tell: Takes what is worth knowing at once.
        fresh: Whether what there is of the run is forgotten before.
    """
    flags = tuple(flag for flag in made.request.flags if fresh or flag != FRESH)
    request = msgspec.structs.replace(made.request, flags=flags)

    def manifest(attempt: int) -> Object:
        return kubejobs.split_job(made.pods, request, attempt=attempt)

    selector = {naming.REQUEST: made.digest, naming.STEP: "split"}
    job = step(made, Following(cluster, tell), selector, manifest)
    facts = telling.facts_of(pods_of(cluster, job, "Succeeded"))
    if facts is None:
        raise TransientError("the pod that split the input is gone, and with it what it found", hint=telling.AGAIN)
    return Found(**{name: facts[name] for name in Found._fields})


def is_begun(ours: list[Object]) -> bool:
    """Whether what `--fresh` asks for is begun already, so that it does not start anew a second time.

    A coordinator's own KubernetesJob tells since when; else what was split and is not merged yet is gone on with.
    """
    if any(map(choosing.is_going, [*steps_of(ours, "process"), *steps_of(ours, "merge")])):
        return True
    coordinator = choosing.to_follow(steps_of(ours, "run"))
    ended = [job for job in ours if (end := choosing.end_of(job)) is not None and end.well]
    split_at = max(map(_made_at, steps_of(ended, "split")), default="")
    merged_at = max(map(_made_at, steps_of(ended, "merge")), default="")
    if coordinator is not None:
        return split_at >= _made_at(coordinator)
    return split_at > merged_at


def _made_at(job: Mapping[str, Any]) -> str:
    return str(job["metadata"]["creationTimestamp"])


def steps_of(jobs: list[Object], step: str) -> list[Object]:
    """Return the KubernetesJobs of a step."""
    return [job for job in jobs if job["metadata"]["labels"].get(naming.STEP) == step]


def process(made: InPods, following: Following, found: Found, watch: Callable[[View], None]) -> None:
    """Let pods do the partitions."""
    if made.chosen["fan_out"].value == "per-partition":
        from rowmill.runners.kubernetes.partitions import each_partition  # noqa: PLC0415 - few runs want it

        each_partition(made, following, found, watch)
        return
    workers = made.chosen["workers"].value
    pods = kubejobs.completions(
        partitions=found.unfinished,
        rows=found.rows * found.unfinished // max(1, found.partitions),
        rows_per_s=kubejobs.ROWS_PER_S,
        workers=workers,
    )

    def manifest(attempt: int) -> Object:
        return kubejobs.process_job(made.pods, found.run_id, attempt=attempt, completions=pods, workers=workers)

    counted = Counted(reached(made.pods.workspace), found.run_id)
    seen = following._replace(seen=lambda job: watch(view_of(job, found, counted.done())))
    step(made, seen, {naming.RUN: found.run_id, naming.STEP: "process"}, manifest, found.next_attempt)


def merge(made: InPods, cluster: Cluster, run_id: str, tell: Callable[[str], None]) -> Report:
    """Let a pod prove the laws and publish the output; return its report."""

    def manifest(attempt: int) -> Object:
        return kubejobs.merge_job(made.pods, run_id, attempt=attempt)

    job = step(made, Following(cluster, tell), {naming.RUN: run_id, naming.STEP: "merge"}, manifest)
    for pod in pods_of(cluster, job, "Succeeded"):
        report = report_in(cluster.log(pod["metadata"]["name"]) or "")
        if report is not None:
            return report
    raise StateError(
        "the run has ended well, and its report cannot be read: the pod that wrote it is gone",
        hint="give the same command again: it reads the report, and does nothing anew",
        run_id=run_id,
    )


def step(
    made: InPods,
    following: Following,
    selector: Mapping[str, str],
    manifest: Callable[[int], Object],
    least: int = 1,
) -> Object:
    """Follow the newest KubernetesJob of a step that is under way, or a new one; return it when it has ended well.

    Args:
        made: The request.
        following: Where, and who is told.
        selector: Labels of the step's KubernetesJobs.
        manifest: Returns the KubernetesJob of a try.
        least: The lowest number of a new try.

    Raises:
        RowmillError: What its pods failed with.
    """
    name = begun(made, following.cluster, selector, manifest, least)
    following.tell(f"{selector[naming.STEP]} is the KubernetesJob {name}")
    return checked(made, following.cluster, followed(following, name))


def begun(
    made: InPods, cluster: Cluster, selector: Mapping[str, str], manifest: Callable[[int], Object], least: int = 1
) -> str:
    """Return the name of the KubernetesJob that a step is followed by; it is made where none is under way.

    Raises:
        StateError: One is, for another request.
    """
    there = jobs_of(cluster, selector)
    job = choosing.to_follow(there)
    if job is None:
        job = labelled(made, manifest(choosing.next_attempt(there, least)))
        cluster.create(job)  # or somebody else was quicker: it has the same name
    elif job["metadata"]["labels"].get(naming.REQUEST) != made.digest:
        raise others(cluster, job)
    return str(job["metadata"]["name"])


def refuse_others(made: InPods, cluster: Cluster) -> None:
    """Leave alone what is under way with other code or options: its results would be taken for ours.

    Raises:
        StateError: Something is.
    """
    for job in jobs_of(cluster, {naming.PLACE: made.place}):
        if choosing.is_going(job) and job["metadata"]["labels"].get(naming.REQUEST) != made.digest:
            raise others(cluster, job)


def others(cluster: Cluster, job: Mapping[str, Any]) -> StateError:
    """Return the error for what is under way for another request."""
    name = job["metadata"]["name"]
    return StateError(
        f"the same input is under way in the cluster with other code, image or options: {name}",
        hint=f"wait for it, or stop it: rowmill cancel {name} --namespace {cluster.namespace}",
        run_id=job["metadata"]["labels"].get(naming.RUN, ""),
    )


def labelled(made: InPods, manifest: Object) -> Object:
    """Return a KubernetesJob with the user's template, and with labels by which others know whose it is."""
    manifest = made.with_template(manifest)
    labels = manifest["metadata"]["labels"] | {
        naming.REQUEST: made.digest,
        naming.PLACE: made.place,
    }
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def checked(made: InPods, cluster: Cluster, end: Followed) -> Object:
    """Return a KubernetesJob that ended well.

    Raises:
        RowmillError: It did not.
    """
    if end.ended.well:
        return end.job
    raise error_of(made, cluster, end)


def error_of(made: InPods, cluster: Cluster, end: Followed) -> RowmillError:
    """Return what a KubernetesJob failed with; what its pods could not keep themselves is kept."""
    failed = telling.decisive(end.job, pods_of(cluster, end.job, "Failed", FAILED_LOOKED_AT))
    error = telling.error_of(end.ended, failed)
    if run_id := end.job["metadata"]["labels"].get(naming.RUN):
        error.at(run_id=run_id)
    silent = [pod for pod in failed if telling.message_of(pod) is None]
    keeping.keep(cluster, made.pods.workspace, end.job, silent, error)
    return error


def report_in(log: str) -> Report | None:
    """Return the report that a merge pod wrote into its log, between whatever else was written."""
    for text in reversed(OBJECT.findall(log)):
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(text, type=Report)
    return None
