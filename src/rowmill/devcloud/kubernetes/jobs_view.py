"""How a KubernetesJob stands: its pods counted, and whether it is to end. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import jobs_indexes, jobs_pods
from rowmill.devcloud.kubernetes.deleting import moment
from rowmill.devcloud.kubernetes.jobs_policies import early_success, fails_index, is_failed, judged

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs_backoff import Backoff
    from rowmill.devcloud.kubernetes.jobs_indexes import Indexes
    from rowmill.devcloud.kubernetes.jobs_pods import Pods

REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
TOO_OFTEN = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LATE = ("DeadlineExceeded", "Job was active longer than specified deadline")
TOO_MANY = ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
SOME = ("FailedIndexes", "Job has failed indexes")


class View(NamedTuple):
    """A KubernetesJob and its pods at one moment.

    Attributes:
        job: The object, as it was read.
        pods: Its pods, ended or not.
        now: The time, in seconds since 1970.
        active: The pods that work, or are about to.
        succeeded, failed: How many pods, those that are not counted yet included.
        done: The indexes that have succeeded; None where pods have none.
        lost: The indexes that have failed; None where they have no limit of their own.
        waiting: By index, the failed pod that is kept until the index is tried again.
        backoff: What is remembered of failures.
        ending: The condition with which it ends; None while it goes on.
    """

    job: Object
    pods: Pods
    now: float
    active: Pods
    succeeded: int
    failed: int
    done: Indexes | None
    lost: Indexes | None
    waiting: dict[int, Object]
    backoff: Backoff
    ending: Object | None

    @property
    def spec(self) -> Object:
        """What the user wants."""
        return self.job["spec"]  # type: ignore[no-any-return]

    @property
    def started(self) -> str | None:
        """When it was started, or resumed; now, if it is started with this look."""
        found = self.job.get("status", {}).get("startTime")
        return found or (None if self.spec.get("suspend") else moment(self.now))


def condition(sort: str, reason: str, message: str, now: float, status: str = "True") -> Object:
    """Return a condition of a KubernetesJob."""
    when = moment(now)
    times = {"lastProbeTime": when, "lastTransitionTime": when}
    return {"type": sort, "status": status, **times, "reason": reason, "message": message}


def is_finished(job: Object) -> bool:
    """Whether a KubernetesJob has ended."""
    return any(jobs_pods.condition(job, sort).get("status") == "True" for sort in ("Complete", "Failed"))


def seen(job: Object, pods: Pods, backoff: Backoff, now: float) -> View:
    """Return how a KubernetesJob stands."""
    uncounted = job.get("status", {}).get("uncountedTerminatedPods", {})
    succeeded = _new(job, pods, uncounted.get("succeeded", ()), "Succeeded")
    failed = _new(job, pods, uncounted.get("failed", ()), "Failed")
    counting = [pod for pod in failed if judged(pod, job).counts]
    done, lost = _done(job, pods), _lost(job, pods)
    status = job.get("status", {})
    view = View(
        job,
        sorted(pods, key=lambda pod: jobs_pods.index(pod) or 0),
        now,
        [pod for pod in pods if jobs_pods.is_active(pod)],
        status.get("succeeded", 0) + len(succeeded) + len(uncounted.get("succeeded", ()))
        if done is None
        else len(done),
        status.get("failed", 0) + len(counting) + len(uncounted.get("failed", ())),
        done,
        lost,
        {} if lost is None else _waiting(job, pods, (done or frozenset()) | lost),
        backoff.after(succeeded, failed),
        None,
    )
    return view._replace(ending=_ending(view))


def _new(job: Object, pods: Pods, known: tuple[str, ...], how: str) -> Pods:
    """Return the pods that have ended one way and are not counted yet."""
    ended = [
        pod for pod in pods if jobs_pods.is_tracked(pod) and jobs_pods.uid(pod) not in known and in_range(pod, job)
    ]
    return [pod for pod in ended if (is_failed(pod, job) if how == "Failed" else jobs_pods.phase(pod) == how)]


def is_indexed(job: Object) -> bool:
    """Whether each pod works on an index."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def in_range(pod: Object, job: Object) -> bool:
    """Whether a pod works on an index that the KubernetesJob has (any more)."""
    number = jobs_pods.index(pod)
    return not is_indexed(job) or (number is not None and number < job["spec"]["completions"])


def _done(job: Object, pods: Pods) -> Indexes | None:
    if not is_indexed(job):
        return None
    before = jobs_indexes.parse(job.get("status", {}).get("completedIndexes"), job["spec"]["completions"])
    return before | {jobs_pods.index(pod) or 0 for pod in _new(job, pods, (), "Succeeded")}


def _lost(job: Object, pods: Pods) -> Indexes | None:
    if job["spec"].get("backoffLimitPerIndex") is None:
        return None
    before = jobs_indexes.parse(job.get("status", {}).get("failedIndexes"), job["spec"]["completions"])
    failed = [pod for pod in _new(job, pods, (), "Failed") if fails_index(pod, job)]
    return before | {jobs_pods.index(pod) or 0 for pod in failed}


def _waiting(job: Object, pods: Pods, settled: Indexes) -> dict[int, Object]:
    working = {jobs_pods.index(pod) for pod in pods if jobs_pods.is_active(pod)}
    failed = [pod for pod in _new(job, pods, (), "Failed") if jobs_pods.index(pod) not in settled | working]
    failed.sort(key=lambda pod: jobs_pods.tries(pod) + jobs_pods.tries(pod, jobs_pods.IGNORED))
    return {jobs_pods.index(pod) or 0: pod for pod in failed}


def _ending(view: View) -> Object | None:
    """Return the condition with which a KubernetesJob ends: one that it has already, or a new one."""
    for sort in ("SuccessCriteriaMet", "FailureTarget"):
        found = jobs_pods.condition(view.job, sort)
        if found:
            return found
    why = _failure(view)
    if why:
        return condition("FailureTarget", *why, view.now)
    enough = early_success(view.job, view.done) if view.done is not None else ""
    return condition("SuccessCriteriaMet", "SuccessPolicy", enough, view.now) if enough else None


def _failure(view: View) -> tuple[str, str] | None:
    verdicts = [judged(pod, view.job).message for pod in view.pods if is_failed(pod, view.job)]
    told = next(filter(None, verdicts), "")
    if told:
        return "PodFailurePolicy", told
    if view.failed > view.spec["backoffLimit"] or _restarted_too_often(view):
        return TOO_OFTEN
    if deadline_in_s(view) <= 0:
        return TOO_LATE
    return _lost_too_many(view)


def _restarted_too_often(view: View) -> bool:
    if view.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    return jobs_pods.restarts(view.pods) >= max(1, int(view.spec["backoffLimit"]))


def _lost_too_many(view: View) -> tuple[str, str] | None:
    if not view.lost or view.done is None:
        return None
    limit = view.spec.get("maxFailedIndexes")
    if limit is not None and len(view.lost) > limit:
        return TOO_MANY
    return SOME if len(view.lost) + len(view.done) >= view.spec["completions"] else None


def deadline_in_s(view: View) -> float:
    """Return how long a KubernetesJob may go on; infinite where nobody set a limit, or it is suspended."""
    limit = view.spec.get("activeDeadlineSeconds")
    if limit is None or view.spec.get("suspend") or view.started is None:
        return float("inf")
    return jobs_pods.seconds(view.started) + float(limit) - view.now
