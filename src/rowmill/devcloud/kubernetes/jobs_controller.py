"""The KubernetesJob controller: carries out what `jobs` decides."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import jobs, jobs_births, jobs_pods, telling
from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.jobs_backoff import Backoff
from rowmill.devcloud.kubernetes.jobs_view import is_finished
from rowmill.devcloud.kubernetes.looping import Loop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs import Birth, Plan
    from rowmill.devcloud.kubernetes.jobs_pods import Pods
    from rowmill.devcloud.kubernetes.store import Event, Store

BY = "job-controller"
LONGEST_RETRY_S = 60.0
Place = tuple[str, str]


def owner_of(pod: Object) -> Object | None:
    """Return the reference to the KubernetesJob that a pod belongs to."""
    for reference in pod["metadata"].get("ownerReferences", ()):
        if reference.get("controller") and reference["kind"] == "Job":
            return dict(reference)
    return None


class JobController:
    """Looks at KubernetesJobs whose pods or wishes have changed; one thread does it all.

    Args:
        store: The cluster's objects.
        batch_s: How long changes of pods are gathered before a look.
        backoff_s: How long a KubernetesJob waits after its first failure.
        retry_s: How long it waits after a pod that could not be created; then twice as long each time.
    """

    def __init__(self, store: Store, batch_s: float, backoff_s: float, retry_s: float) -> None:
        self._store, self._batch_s, self._backoff_s, self._retry_s = store, batch_s, backoff_s, retry_s
        self._due: dict[Place, float] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._refused: dict[str, int] = {}
        self.loop = Loop(store, "jobs", self._see, self._work)

    def _see(self, event: Event) -> None:
        if event.kind == "Job":
            self._see_job(event)
        elif event.kind == "Pod":
            self._see_pod(event.object)

    def _see_job(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.type == "DELETED":
            self._backoffs.pop(meta["uid"], None)
            self._refused.pop(meta["uid"], None)
            self._release(self._pods(event.object))
            return
        before = event.before["metadata"].get("generation") if event.before else None
        self._soon((meta["namespace"], meta["name"]), 0.0 if before != meta.get("generation") else self._batch_s)

    def _see_pod(self, pod: Object) -> None:
        owner, namespace = owner_of(pod), pod["metadata"]["namespace"]
        if owner is None:
            self._release([pod])  # its KubernetesJob went without it
            return
        job = self._store.get("Job", namespace, owner["name"])
        if job is None or job["metadata"]["uid"] != owner["uid"]:
            self._release([pod])
        else:
            self._soon((namespace, owner["name"]), self._batch_s)

    def _soon(self, place: Place, wait: float) -> None:
        at = time.monotonic() + wait
        self._due[place] = min(at, self._due.get(place, at))

    def _work(self) -> float | None:
        for place in [place for place, at in self._due.items() if at <= time.monotonic()]:
            del self._due[place]
            job = self._store.get("Job", *place)
            if job is not None:
                self._look(job)
        return min(self._due.values()) - time.monotonic() if self._due else None

    def _pods(self, job: Object) -> Pods:
        uid = job["metadata"]["uid"]
        pods = self._store.shared("Pod", job["metadata"]["namespace"])[0]
        return [pod for pod in pods if (owner_of(pod) or {}).get("uid") == uid]

    def _look(self, job: Object) -> None:
        pods, uid = self._pods(job), job["metadata"]["uid"]
        if is_finished(job):
            self._release(pods)
            return
        plan = jobs.planned(job, pods, self._backoffs.get(uid, Backoff()), self._store.clock(), self._backoff_s)
        self._delete(job, plan)
        outcome = jobs.settled(plan, self._create(job, plan.create))
        self._backoffs[uid] = plan.view.backoff
        self._write(job, outcome.status)
        names = set(outcome.release)
        self._release(pod for pod in pods if pod["metadata"]["name"] in names)
        self._write(job, outcome.last)
        for sort, reason, message in outcome.events:
            telling.tell(self._store, job, sort, reason, message, by=BY)
        if plan.again_s is not None:
            self._soon((job["metadata"]["namespace"], job["metadata"]["name"]), plan.again_s)

    def _delete(self, job: Object, plan: Plan) -> None:
        for name in plan.delete:
            pod = next(pod for pod in plan.view.pods if pod["metadata"]["name"] == name)
            if plan.uncounted:
                self._release([pod])
            meta = pod["metadata"]
            try:
                self._store.delete("Pod", meta["namespace"], name, preconditions={"uid": meta["uid"]})
            except Refusal:
                continue  # somebody else was quicker; the next look sees it
            telling.tell(self._store, job, "Normal", "SuccessfulDelete", f"Deleted pod: {name}", by=BY)

    def _create(self, job: Object, births: Iterable[Birth]) -> int:
        """Create pods; return how many there are before one is refused."""
        uid, count = job["metadata"]["uid"], 0
        for birth in births:
            try:
                pod = self._store.create("Pod", jobs_births.pod(job, birth))
            except Refusal as refusal:
                telling.tell(self._store, job, "Warning", "FailedCreate", f"Error creating: {refusal.message}", by=BY)
                times = self._refused[uid] = self._refused.get(uid, 0) + 1
                wait = min(self._retry_s * 2.0 ** (times - 1), LONGEST_RETRY_S)
                self._soon((job["metadata"]["namespace"], job["metadata"]["name"]), wait)
                return count
            count += 1
            self._refused.pop(uid, None)
            message = f"Created pod: {pod['metadata']['name']}"
            telling.tell(self._store, job, "Normal", "SuccessfulCreate", message, by=BY)
        return count

    def _write(self, job: Object, status: Object | None) -> None:
        meta = job["metadata"]
        if status is not None:
            self._store.update("Job", meta["namespace"], meta["name"], lambda old: _with(old, job, status), status=True)

    def _release(self, pods: Iterable[Object]) -> None:
        """Take the finalizer off pods."""
        for pod in pods:
            if jobs_pods.is_tracked(pod):
                meta = pod["metadata"]
                change = partial(_released, uid=meta["uid"])
                self._store.update("Pod", meta["namespace"], meta["name"], change)


def _with(old: Object, job: Object, status: Object) -> Object | None:
    return {**old, "status": status} if old["metadata"]["uid"] == job["metadata"]["uid"] else None


def _released(old: Object, uid: str) -> Object | None:
    meta = old["metadata"]
    if meta["uid"] != uid:
        return None
    left = [word for word in meta.get("finalizers", ()) if word != jobs_pods.TRACKED]
    rest = {key: value for key, value in meta.items() if key != "finalizers"}
    return {**old, "metadata": {**rest, "finalizers": left} if left else rest}
