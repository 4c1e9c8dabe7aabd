"""The node: finds a place for pods, lives their lives, clears up after them."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import telling
from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.jobs_pods import is_over
from rowmill.devcloud.kubernetes.kubelet.environment import Sources
from rowmill.devcloud.kubernetes.kubelet.life import Life
from rowmill.devcloud.kubernetes.kubelet.scheduling import Place, refusal
from rowmill.devcloud.kubernetes.looping import Loop

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kubelet.volumes import Access
    from rowmill.devcloud.kubernetes.store import Event, Store

NAME = "node-1"


class NodeSettings(NamedTuple):
    """How the node works.

    Attributes:
        running: How many pods run at once; the others wait as `ContainerCreating`.
        cpu, memory: What the node says it has.
        labels: What `nodeSelector` finds.
        restart_s: How long a container that failed twice waits; then twice as long each time.
        retry_s: How often a missing ConfigMap, Secret or claim is looked for.
        settle_s: How long a pod whose containers have ended still shows `Running`.
    """

    running: int = 4
    cpu: str = "1000"
    memory: str = "1Ti"
    labels: tuple[tuple[str, str], ...] = (("kubernetes.io/hostname", NAME), ("kubernetes.io/os", "linux"))
    restart_s: float = 10.0
    retry_s: float = 0.5
    settle_s: float = 0.0


class Slots:
    """Room for a number of pods at once; who asks first gets it first."""

    def __init__(self, count: int) -> None:
        self._count, self._lock = count, threading.Lock()
        self._inside: set[Life] = set()
        self._asking: deque[Life] = deque()

    def taken(self, life: Life) -> bool:
        """Take room for a pod; return whether there is any."""
        with self._lock:
            if life in self._inside:
                return True
            if life not in self._asking:
                self._asking.append(life)
            if len(self._inside) >= self._count or self._asking[0] is not life:
                return False
            self._asking.popleft()
            self._inside.add(life)
        self._wake()
        return True

    def free(self, life: Life) -> None:
        """Give a pod's room to the next."""
        with self._lock:
            self._inside.discard(life)
            if life in self._asking:
                self._asking.remove(life)
        self._wake()

    def _wake(self) -> None:
        """Let the first that asks look again if there is room: of two rooms that are free at once, the second too."""
        with self._lock:
            first = self._asking[0] if self._asking and len(self._inside) < self._count else None
        if first is not None:
            first.look()


class Node:
    """The one node: a thread that watches pods, and one for each pod that lives here.

    Args:
        store: The cluster's objects.
        folder: Where volumes, logs and pods are kept, and the table of images.
        settings: How it works.
        access: Gives the token and the kubeconfig of a ServiceAccount, by namespace and name.
    """

    def __init__(self, store: Store, folder: Path, settings: NodeSettings, access: Access) -> None:
        self.store, self.folder, self.settings, self.access = store, folder.resolve(), settings, access
        self.slots = Slots(settings.running)
        self._place = Place(dict(settings.labels), {"cpu": settings.cpu, "memory": settings.memory})
        self._lives: dict[str, Life] = {}
        self._refused: dict[str, str] = {}
        self.loop = Loop(store, "node", self._see)

    def stop(self) -> None:
        """End all pods at once, without telling."""
        for life in list(self._lives.values()):
            life.lose()
        for life in list(self._lives.values()):
            life.thread.join()

    def life(self, namespace: str, name: str) -> Life | None:
        """Return the life of a pod that is here."""
        pod = self.store.get("Pod", namespace, name)
        return None if pod is None else self._lives.get(pod["metadata"]["uid"])

    def sources(self, pod: Object) -> Sources:
        """Return where a pod's values come from."""
        namespace = pod["metadata"]["namespace"]
        return Sources(pod, lambda kind, name: self.store.get(kind, namespace, name), self._place.capacity)

    def tell(
        self, about: Object, sort: str, reason: str, message: str, *, place: str = "", by: str = "kubelet"
    ) -> None:
        """Tell something about a pod."""
        telling.tell(self.store, about, sort, reason, message, by=by, place=place)

    def left(self, life: Life) -> None:
        """Note that a pod has ended: give its room away, and let its object go if it is to."""
        self.slots.free(life)
        meta = life.pod["metadata"]
        self._lives.pop(meta["uid"], None)
        found = self.store.get("Pod", meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            self._clear(life.pod)
        elif "deletionTimestamp" in found["metadata"] and not life.lost:
            with contextlib.suppress(Refusal):  # somebody was quicker
                where = ("Pod", meta["namespace"], meta["name"])
                self.store.delete(*where, grace_s=0, preconditions={"uid": meta["uid"]})

    def _see(self, event: Event) -> None:
        if event.kind == "Pod" and event.type == "DELETED":
            self._forget(event.object)
        elif event.kind == "Pod":
            self._consider(event.object)
        if self._refused and event.kind in ("Pod", "PersistentVolumeClaim"):
            self._try_again()

    def _forget(self, pod: Object) -> None:
        """Clear up after a pod whose object is gone; one that still runs does so when it has ended."""
        uid = pod["metadata"]["uid"]
        self._refused.pop(uid, None)
        life = self._lives.get(uid)
        if life:
            life.look()
        else:
            self._clear(pod)

    def _clear(self, pod: Object) -> None:
        meta = pod["metadata"]
        shutil.rmtree(self.folder / "pods" / meta["uid"], ignore_errors=True)
        shutil.rmtree(self.folder / "logs" / meta["namespace"] / meta["uid"], ignore_errors=True)

    def _consider(self, seen: Object) -> None:
        meta = seen["metadata"]
        life = self._lives.get(meta["uid"])
        if life:
            if "deletionTimestamp" in meta:
                life.look()
            return
        pod = self.store.get("Pod", meta["namespace"], meta["name"])  # what was seen may be long over
        if pod is None or pod["metadata"]["uid"] != meta["uid"] or is_over(pod):
            return
        if "deletionTimestamp" not in pod["metadata"]:
            if pod["spec"].get("nodeName"):
                self._begin(pod)
            elif meta["uid"] not in self._refused:
                self._schedule(pod)

    def _try_again(self) -> None:
        for pod in self.store.shared("Pod")[0]:
            if pod["metadata"]["uid"] in self._refused and "deletionTimestamp" not in pod["metadata"]:
                self._schedule(pod)

    def _schedule(self, pod: Object) -> None:
        meta = pod["metadata"]
        others = [
            other
            for other in self.store.shared("Pod")[0]
            if other["spec"].get("nodeName") == NAME and not is_over(other)
        ]
        why = refusal(
            pod, self._place, others, lambda name: self.store.get("PersistentVolumeClaim", meta["namespace"], name)
        )
        if why:
            if self._refused.get(meta["uid"]) != why:
                self._refused[meta["uid"]] = why
                self.tell(pod, "Warning", "FailedScheduling", why, by="default-scheduler")
                self._mark(pod, {"status": "False", "reason": "Unschedulable", "message": why})
            return
        self._refused.pop(meta["uid"], None)
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {NAME}"
        self.tell(pod, "Normal", "Scheduled", message, by="default-scheduler")
        bound = self._mark(pod, {"status": "True"}, node=NAME)
        if bound is not None:
            self._begin(bound)

    def _mark(self, pod: Object, told: Object, node: str = "") -> Object | None:
        """Write whether a pod has found its place."""
        condition = {"type": "PodScheduled", "lastProbeTime": None, "lastTransitionTime": self.store.now(), **told}

        def change(old: Object) -> Object | None:
            if "deletionTimestamp" in old["metadata"] or old["metadata"]["uid"] != pod["metadata"]["uid"]:
                return None
            others = [one for one in old.get("status", {}).get("conditions", ()) if one["type"] != "PodScheduled"]
            status = {**old.get("status", {}), "conditions": [*others, condition]}
            return {**old, "status": status}

        meta = pod["metadata"]
        if node:
            self.store.update("Pod", meta["namespace"], meta["name"], lambda old: _bound(old, node))
        return self.store.update("Pod", meta["namespace"], meta["name"], change, status=True)

    def _begin(self, pod: Object) -> None:
        life = Life(self, pod)
        self._lives[pod["metadata"]["uid"]] = life
        life.thread.start()


def _bound(pod: Object, node: str) -> Object:
    return {**pod, "spec": {**pod["spec"], "nodeName": node}}
