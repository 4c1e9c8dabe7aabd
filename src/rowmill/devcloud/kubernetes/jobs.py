"""The KubernetesJob controller's decisions, as Kubernetes 1.36 makes them: pure.

One look goes: `seen` -> `planned` -> pods are deleted or created -> `settled` -> the status is written -> finalizers
are taken off -> the second status is written. A pod is never noted and counted in one status: whoever stops in between
finds its uid in the first one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import jobs_backoff, jobs_indexes, jobs_pods
from rowmill.devcloud.kubernetes.deleting import copied, moment
from rowmill.devcloud.kubernetes.jobs_policies import is_failed, judged, only_failed_are_replaced
from rowmill.devcloud.kubernetes.jobs_view import REACHED, View, condition, deadline_in_s, in_range, seen

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs_backoff import Backoff
    from rowmill.devcloud.kubernetes.jobs_pods import Pods

AT_ONCE = 500  # pods that one look creates, deletes or counts
BACKOFF_S = 10.0


class Birth(NamedTuple):
    """A pod to create: its index, where it has one, and how often that failed and was ignored before."""

    number: int | None = None
    failures: int | None = None
    ignored: int = 0


class Plan(NamedTuple):
    """What to do before the status is written.

    Attributes:
        view: What it was decided from.
        delete: Names of pods.
        uncounted: Whether they leave without being counted: their finalizer goes first.
        create: Pods to create, in order.
        again_s: When to look again if nothing changes; None = never.
        called: Whether pods were to be managed: only then may it be suspended, or be complete.
        waits: Whether pods are missing and have to wait. Kubernetes then says that none is active.
    """

    view: View
    delete: tuple[str, ...] = ()
    uncounted: bool = False
    create: tuple[Birth, ...] = ()
    again_s: float | None = None
    called: bool = False
    waits: bool = False


class Outcome(NamedTuple):
    """What to write once pods are deleted and created.

    Attributes:
        status: The first status; None if it stays.
        release: Names of pods whose finalizer goes after it.
        last: The second status, written when they are released; None if the first stays.
        events: Reason and message of what is to be told, with its type.
    """

    status: Object | None
    release: tuple[str, ...]
    last: Object | None
    events: tuple[tuple[str, str, str], ...]


def planned(job: Object, pods: Pods, backoff: Backoff, now: float, base_s: float = BACKOFF_S) -> Plan:
    """Return what a KubernetesJob that has not ended needs now.

    Args:
        job: The KubernetesJob.
        pods: Its pods, those that have ended and those about to go included.
        backoff: What is remembered of its failures.
        now: Seconds since 1970.
        base_s: How long to wait after the first failure.
    """
    view = seen(job, pods, backoff, now)
    if view.ending:
        return Plan(view, _names(view.active))
    deadline = deadline_in_s(view)
    plan = Plan(view) if jobs_pods.is_deleting(job) else _managed(view, base_s)
    waits = [wait for wait in (plan.again_s, deadline) if wait is not None and wait != float("inf")]
    return plan._replace(again_s=min(waits) if waits else None)


def _names(pods: Pods) -> tuple[str, ...]:
    return tuple(pod["metadata"]["name"] for pod in pods)


def _managed(view: View, base_s: float) -> Plan:
    """Return the pods to delete, or those to create, never both: deletion comes first."""
    spec = view.spec
    if spec.get("suspend"):
        return Plan(view, _names(view.active), uncounted=True, called=True)
    wanted = _wanted(view)
    completions = spec["completions"] if view.done is not None else None
    surplus = jobs_pods.for_removal(view.active, max(0, len(view.active) - wanted), completions)
    if surplus:
        return Plan(view, _names(surplus)[:AT_ONCE], uncounted=True, called=True)
    held = sum(map(jobs_pods.is_terminating, view.pods)) if only_failed_are_replaced(view.job) else 0
    missing = min(wanted - held - len(view.active), AT_ONCE)
    return _born(view, missing, base_s) if missing > 0 else Plan(view, called=True)


def _wanted(view: View) -> int:
    """Return how many pods should be active."""
    parallelism, completions = int(view.spec["parallelism"]), view.spec.get("completions")
    if completions is None:
        return len(view.active) if view.succeeded else parallelism
    return max(0, min(parallelism, int(completions) - view.succeeded))


def _born(view: View, missing: int, base_s: float) -> Plan:
    if view.lost is None:
        wait = view.backoff.remaining_s(view.now, base_s)
        if wait > 0:
            return Plan(view, again_s=wait, called=True, waits=True)
    if view.done is None:
        return Plan(view, create=(Birth(),) * missing, called=True)
    numbers = jobs_indexes.first_free(_taken(view), missing, view.spec["completions"])
    if view.lost is None:
        return Plan(view, create=tuple(map(Birth, numbers)), called=True)
    return _retried(view, numbers, base_s)


def _taken(view: View) -> jobs_indexes.Indexes:
    keeping = jobs_pods.is_terminating if only_failed_are_replaced(view.job) else jobs_pods.is_active
    working = {jobs_pods.index(pod) for pod in view.pods if jobs_pods.is_active(pod) or keeping(pod)}
    return (
        (view.done or frozenset()) | (view.lost or frozenset()) | {number for number in working if number is not None}
    )


def _retried(view: View, numbers: list[int], base_s: float) -> Plan:
    """Return the indexes that need not wait any more; if all have to, how long."""
    waits = {
        number: jobs_backoff.of_index_s(view.waiting[number], view.now, base_s) if number in view.waiting else 0.0
        for number in numbers
    }
    births = tuple(_birth(view, number) for number in numbers if not waits[number])
    again_s = None if births else min(waits.values(), default=None)
    return Plan(view, create=births, again_s=again_s, called=True, waits=again_s is not None)


def _birth(view: View, number: int) -> Birth:
    last = view.waiting.get(number)
    if last is None:
        return Birth(number, 0)
    failures, ignored = jobs_pods.tries(last), jobs_pods.tries(last, jobs_pods.IGNORED)
    counts = judged(last, view.job).counts
    return Birth(number, failures + counts, ignored + (not counts))


def settled(plan: Plan, created: int) -> Outcome:
    """Return what to write when a plan is carried out.

    Args:
        plan: The plan; all it wanted deleted has been.
        created: How many pods could be created.
    """
    view = plan.view
    active = 0 if plan.waits else len(view.active) - len(plan.delete) + created
    status, events = _counted(plan, active)
    if status["ready"] > active:
        return Outcome(None, (), None, ())  # Kubernetes' own server refuses such a status: all waits with the pod
    ending = view.ending or _complete(view, active)
    events += () if ending else _suspension(plan, status)
    release = [pod for pod in view.pods if jobs_pods.is_tracked(pod) and _is_releasable(pod, view, ending)][:AT_ONCE]
    _note(status, view, release, ending)
    if ending and ending not in status.get("conditions", ()):
        status["conditions"] = [*status.get("conditions", ()), ending]
    last, told = _last(status, view, release, ending)
    return Outcome(
        None if status == view.job.get("status") else status,
        _names(release),
        None if last == status else last,
        events + told,
    )


def _counted(plan: Plan, active: int) -> tuple[Object, tuple[tuple[str, str, str], ...]]:
    """Return the status with the numbers of pods."""
    view, gone = plan.view, set(plan.delete)
    status: Object = copied(view.job.get("status", {}))
    if view.started:
        status["startTime"] = view.started
    _set(status, "active", active)
    status["ready"] = sum(jobs_pods.is_ready(pod) for pod in view.active if pod["metadata"]["name"] not in gone)
    status["terminating"] = sum(map(jobs_pods.is_terminating, view.pods)) + len(gone)
    uncounted = status.get("uncountedTerminatedPods", {})
    tracked = {jobs_pods.uid(pod) for pod in view.pods if jobs_pods.is_tracked(pod)}
    status["uncountedTerminatedPods"] = dict(uncounted)
    _clean(status, tracked)
    if view.done is not None:
        _set(status, "completedIndexes", jobs_indexes.written(view.done))
        _set(status, "succeeded", len(view.done))
    if view.lost is not None:
        status["failedIndexes"] = jobs_indexes.written(view.lost)
    return status, ()


def _set(status: Object, name: str, value: object) -> None:
    """Write a field that is left out when it is empty."""
    if value:
        status[name] = value
    else:
        status.pop(name, None)


def _complete(view: View, active: int) -> Object | None:
    if active:
        return None
    completions = view.spec.get("completions")
    enough = view.succeeded > 0 if completions is None else view.succeeded >= completions
    return condition("SuccessCriteriaMet", *REACHED, view.now) if enough else None


def _suspension(plan: Plan, status: Object) -> tuple[tuple[str, str, str], ...]:
    """Note that a KubernetesJob is suspended, or resumed; return what to tell."""
    view = plan.view
    found = jobs_pods.condition(view.job, "Suspended")
    wanted = "True" if view.spec.get("suspend") else "False"
    if not plan.called or found.get("status", "False") == wanted:
        return ()
    told = ("JobSuspended", "Job suspended") if wanted == "True" else ("JobResumed", "Job resumed")
    others = [other for other in status.get("conditions", ()) if other["type"] != "Suspended"]
    status["conditions"] = [condition("Suspended", *told, view.now, wanted), *others]
    if wanted == "True":
        status.pop("startTime", None)
    else:
        status["startTime"] = moment(view.now)  # the deadline's clock starts again
    return (("Normal", told[0].removeprefix("Job"), told[1]),)


def _is_releasable(pod: Object, view: View, ending: Object | None) -> bool:
    """Whether a pod's finalizer can go: it is counted, or its KubernetesJob is about to end."""
    if jobs_pods.is_deleting(view.job) or ending or jobs_pods.phase(pod) == "Succeeded":
        return True
    kept = view.waiting.get(jobs_pods.index(pod) or 0) if view.lost is not None else None
    return is_failed(pod, view.job) and not (kept and jobs_pods.uid(kept) == jobs_pods.uid(pod))


def _note(status: Object, view: View, release: Pods, ending: Object | None) -> None:
    """Note the uids of pods that are to be counted: all that go on are failed if the KubernetesJob is."""
    failing = ending is not None and ending["type"] == "FailureTarget"
    uncounted = status["uncountedTerminatedPods"]
    for pod in release:
        uid = jobs_pods.uid(pod)
        if not in_range(pod, view.job) or uid in uncounted.get("failed", ()):
            continue
        if jobs_pods.phase(pod) == "Succeeded":
            if view.done is None and uid not in uncounted.get("succeeded", ()):
                uncounted["succeeded"] = [*uncounted.get("succeeded", ()), uid]
        elif (is_failed(pod, view.job) or failing) and judged(pod, view.job).counts:
            uncounted["failed"] = [*uncounted.get("failed", ()), uid]


def _clean(status: Object, tracked: set[str]) -> None:
    """Count the noted pods that have lost their finalizer."""
    uncounted = status["uncountedTerminatedPods"]
    for word in ("succeeded", "failed"):
        left = [uid for uid in uncounted.get(word, ()) if uid in tracked]
        _set(status, word, status.get(word, 0) + len(uncounted.get(word, ())) - len(left))
        _set(uncounted, word, left)


def _last(
    status: Object, view: View, release: Pods, ending: Object | None
) -> tuple[Object, tuple[tuple[str, str, str], ...]]:
    """Return the status once finalizers are off: pods counted, and the end, if no pod is still about to go."""
    last: Object = copied(status)
    released = {jobs_pods.uid(pod) for pod in release}
    _clean(last, {jobs_pods.uid(pod) for pod in view.pods if jobs_pods.is_tracked(pod)} - released)
    if not ending or last["uncountedTerminatedPods"] or last["terminating"]:
        return last, ()
    good = ending["type"] == "SuccessCriteriaMet"
    end = condition("Complete" if good else "Failed", ending["reason"], ending["message"], view.now)
    last["conditions"] = [*last.get("conditions", ()), end]
    if good:
        last["completionTime"] = end["lastTransitionTime"]
        return last, (("Normal", "Completed", "Job completed"),)
    return last, (("Warning", ending["reason"], ending["message"]),)
