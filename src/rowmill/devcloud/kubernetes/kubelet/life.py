"""One pod on the node, from its volumes to its end; each has a thread."""

from __future__ import annotations

import queue
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.jobs_pods import seconds
from rowmill.devcloud.kubernetes.kubelet import statuses, volumes
from rowmill.devcloud.kubernetes.kubelet.environment import ConfigError
from rowmill.devcloud.kubernetes.kubelet.starting import PRESENT, Failed, Start, Waits, last_words, started

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kubelet.node import Node
    from rowmill.devcloud.kubernetes.kubelet.processes import Running
    from rowmill.devcloud.kubernetes.kubelet.statuses import Box

LONGEST_S = 300.0
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
UNKNOWN = {
    "exitCode": 137,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
    "startedAt": None,
    "finishedAt": None,
}


class Going(Exception):  # noqa: N818 - a pod that is to go is no error
    """The pod is to end: somebody deleted it, or its time is over."""

    def __init__(self, reason: str = "", message: str = "") -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Ended(NamedTuple):
    """A container's program has ended."""

    name: str
    code: int
    exhausted: bool


class Killed(NamedTuple):
    """Somebody kills the pod's programs, or lets them run out of memory."""

    exhausted: bool


class Life:
    """A pod's life on the node."""

    def __init__(self, node: Node, pod: Object) -> None:
        self._node, self.pod = node, pod
        self._boxes: dict[str, Box] = {box.name: box for box in statuses.boxes(pod)}
        self._starts: dict[str, Start] = {}
        self._runs: dict[str, Running] = {}
        self._ends: dict[str, float] = {}
        self._volumes: dict[str, Path] = {}
        self._ready, self.lost = False, False
        self._inbox: queue.SimpleQueue[Ended | Killed | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._live, name=f"pod {pod['metadata']['name']}", daemon=True)

    @property
    def _policy(self) -> str:
        return str(self.pod["spec"].get("restartPolicy", "Always"))

    def look(self) -> None:
        """Look at the pod's object again: it has changed, or there is room for it."""
        self._inbox.put(None)

    def kill(self, *, exhausted: bool = False) -> None:
        """End the pod's programs at once, as if from outside, or as if memory had run out."""
        self._inbox.put(Killed(exhausted))

    def lose(self) -> None:
        """End the pod's programs at once, and tell nobody."""
        self.lost = True
        self.look()

    def _live(self) -> None:
        reason: tuple[str, str] | None = None
        try:
            self._publish()
            self._admit()
            self._prepare()
            self._work()
        except Going as going:
            reason = (going.reason, going.message)
            self._end_all(going)
        self._finish(reason)

    def _admit(self) -> None:
        """Wait for room, and for what the volumes hold."""
        while not self._node.slots.taken(self):
            self._pause()
        while True:
            try:
                self._volumes = volumes.made(self._node.folder, self._node.sources(self.pod), self._node.access)
            except ConfigError as error:
                self._node.tell(self.pod, "Warning", "FailedMount", str(error))
                self._pause(self._node.settings.retry_s)
            else:
                self._ready = True
                return

    def _prepare(self) -> None:
        """Run the containers that come before the others, one after another."""
        for name in [box.name for box in self._boxes.values() if box.init]:
            self._start(name)
            while not self._boxes[name].prepared:
                if self._boxes[name].code and not self._again(self._boxes[name]):
                    return
                self._pause(self._restarted())

    def _work(self) -> None:
        """Run the other containers until all have ended."""
        mains = [box.name for box in self._boxes.values() if not box.init]
        if statuses.phase(list(self._boxes.values()), self._policy) != "Failed":
            for name in mains:
                self._start(name)
            while any(self._boxes[name].code is None or self._again(self._boxes[name]) for name in mains):
                self._pause(self._restarted())
        for name in [box.name for box in self._boxes.values() if box.sidecar and box.runs]:
            self._stop(name)
        while any(box.runs for box in self._boxes.values()):
            self._pause()

    def _again(self, box: Box) -> bool:
        """Whether a container that has ended is started again."""
        if box.sidecar:
            return box.code is not None
        return box.code is not None and (self._policy == "Always" or (self._policy == "OnFailure" and box.code != 0))

    def _restarted(self) -> float | None:
        """Start again what is due; return how long to wait for the next."""
        waits = []
        for box in [box for box in self._boxes.values() if self._again(box)]:
            base = min(self._node.settings.restart_s * 2.0 ** (box.restarts - 1) if box.restarts else 0.0, LONGEST_S)
            wait = self._ends[box.name] + base - self._node.store.clock()
            if base and wait > 0:
                waits.append(wait)
                why = f"Back-off restarting failed container {box.name} in pod {self._place}"
                self._tell(box, "Warning", "BackOff", why)
                continue
            if base:
                why = f"back-off {base:g}s restarting failed container={box.name} pod={self._place}"
                self._put(
                    box._replace(state={"waiting": {"reason": "CrashLoopBackOff", "message": why}}, last=box.state)
                )
            self._put(box._replace(restarts=box.restarts + 1, last=box.state), publish=False)
            self._start(box.name)
        return min(waits, default=None)

    @property
    def _place(self) -> str:
        meta = self.pod["metadata"]
        return f"{meta['name']}_{meta['namespace']}({meta['uid']})"

    def _start(self, name: str) -> None:
        """Start a container, however long what it needs takes to appear."""
        wait = self._node.settings.restart_s
        while True:
            box = self._boxes[name]
            self._starts[name] = Start(box, self._node.sources(self.pod), self._volumes, self._node.folder)
            try:
                called, run = started(self._starts[name], partial(self._told, name), self._node.store.now())
            except Waits as waits:
                self._wait(box, waits, wait)
                wait = min(2 * wait, LONGEST_S)
                continue
            self._enter(box, called, run)
            return

    def _told(self, name: str, code: int, exhausted: bool) -> None:
        self._inbox.put(Ended(name, code, exhausted))

    def _tell(self, box: Box, sort: str, reason: str, message: str) -> None:
        self._node.tell(self.pod, sort, reason, message, place=box.place)

    def _wait(self, box: Box, waits: Waits, wait: float) -> None:
        """Say why a container does not start, and let some time pass."""
        self._put(box._replace(state={"waiting": {"reason": waits.reason, "message": waits.message}}))
        for told in waits.told:
            self._tell(box, *told)
        if waits.reason != "ErrImagePull":
            self._pause(self._node.settings.retry_s)
            return
        image = box.spec["image"]
        self._pause(wait / 2)
        why = f'Back-off pulling image "{image}"'
        waiting = {"reason": "ImagePullBackOff", "message": f"{why}: ErrImagePull: {waits.message}"}
        self._put(box._replace(state={"waiting": waiting}))
        self._tell(box, "Normal", "BackOff", why)
        self._tell(box, "Warning", "Failed", "Error: ImagePullBackOff")
        self._pause(wait / 2)

    def _enter(self, box: Box, called: str, run: Running | Failed) -> None:
        """Note that a container runs, or that its program does not."""
        self._tell(box, "Normal", "Pulled", PRESENT.format(box.spec["image"]))
        self._tell(box, "Normal", "Created", "Container created")
        if isinstance(run, Failed):
            self._tell(box, "Warning", "Failed", f"Error: {run.message}")
            self._ends[box.name] = self._node.store.clock()
            self._put(box._replace(state=run.state, id=called))
            return
        self._tell(box, "Normal", "Started", "Container started")
        self._runs[box.name] = run
        self._put(box._replace(state={"running": {"startedAt": self._node.store.now()}}, id=called))

    def _pause(self, wait: float | None = None) -> None:
        """Let time pass until something happens.

        Raises:
            Going: The pod is to end.
        """
        self._check()
        limit = self._deadline_s()
        waits = [one for one in (wait, limit) if one is not None]
        self._take(min(waits) if waits else None)
        self._check()
        if limit is not None and (self._deadline_s() or 0) <= 0:
            raise Going(*DEADLINE)

    def _take(self, wait: float | None) -> None:
        """Take one message, if there is one in time."""
        try:
            message = self._inbox.get(timeout=None if wait is None else max(0.0, wait))
        except queue.Empty:
            return
        if isinstance(message, Ended):
            self._left(message)
        elif isinstance(message, Killed):
            self._force(exhausted=message.exhausted)

    def _force(self, *, exhausted: bool = False) -> None:
        for run in list(self._runs.values()):
            if exhausted:
                run.exhaust()
            else:
                run.kill()

    def _deadline_s(self) -> float | None:
        limit, began = self.pod["spec"].get("activeDeadlineSeconds"), self.pod.get("status", {}).get("startTime")
        return None if limit is None or began is None else seconds(began) + float(limit) - self._node.store.clock()

    def _check(self) -> None:
        if self._grace_s() is not None:
            raise Going

    def _grace_s(self) -> float | None:
        """Return how long the pod may take to end; None while nobody wants it to go."""
        meta = self.pod["metadata"]
        found = self._node.store.get("Pod", meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != meta["uid"] or self.lost:
            return 0.0
        self.pod = found
        if "deletionTimestamp" not in found["metadata"]:
            return None
        return float(found["metadata"].get("deletionGracePeriodSeconds") or 0)

    def _left(self, ended: Ended) -> None:
        """Note that a container has ended."""
        box = self._boxes[ended.name]
        self._runs.pop(ended.name, None)
        self._ends[ended.name] = self._node.store.clock()
        reason = ("OOMKilled" if ended.exhausted else "Error") if ended.code else "Completed"
        state: Object = {"exitCode": ended.code, "reason": reason}
        words = last_words(self._starts[ended.name], ended.code)
        if words:
            state["message"] = words
        began = box.state.get("running", {}).get("startedAt", self._node.store.now())
        state |= {"startedAt": began, "finishedAt": self._node.store.now(), "containerID": f"process://{box.id}"}
        self._put(box._replace(state={"terminated": state}))

    def _put(self, box: Box, *, publish: bool = True) -> None:
        self._boxes[box.name] = box
        if publish:
            self._publish()

    def _publish(self, *, ended: str = "", reason: tuple[str, str] | None = None) -> None:
        """Write the pod's status."""
        if self.lost:
            return

        def change(pod: Object) -> Object | None:
            if pod["metadata"]["uid"] != self.pod["metadata"]["uid"]:
                return None
            now = self._node.store.clock()
            status = statuses.status(pod, list(self._boxes.values()), now, ready=self._ready, ended=ended)
            if reason and reason[0]:
                status |= {"reason": reason[0], "message": reason[1]}
            return {**pod, "status": status}

        meta = self.pod["metadata"]
        found = self._node.store.update("Pod", meta["namespace"], meta["name"], change, status=True)
        if found is not None and found["metadata"]["uid"] == meta["uid"]:
            self.pod = found

    def _stop(self, name: str) -> None:
        """Ask a container to end."""
        self._tell(self._boxes[name], "Normal", "Killing", f"Stopping container {name}")
        run = self._runs.get(name)
        if run:
            run.terminate()

    def _end_all(self, going: Going) -> None:
        """End all containers: ask, and once the grace is over, force."""
        if going.reason:
            self._node.tell(self.pod, "Normal", *DEADLINE)
        for name in list(self._runs):
            self._stop(name)
        began, spec_s = self._node.store.clock(), float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        while self._runs:
            grace = self._grace_s()
            left = began + (spec_s if grace is None else grace) - self._node.store.clock()
            if left <= 0:
                self._force()
            self._take(left if left > 0 else None)
        for box in [box for box in self._boxes.values() if "waiting" in box.state and not self.lost]:
            if not box.init or not box.restarts:
                self._put(box._replace(state={"terminated": UNKNOWN}), publish=False)

    def _finish(self, reason: tuple[str, str] | None) -> None:
        """Tell the pod's end; if it was deleted, let it go."""
        if reason is None:
            threading.Event().wait(self._node.settings.settle_s)
        going = statuses.phase(list(self._boxes.values()), self._policy)
        failed = any(box.code for box in self._boxes.values() if not box.init)
        ended = going if going in ("Succeeded", "Failed") else "Failed" if failed or going == "Pending" else "Succeeded"
        self._publish(ended="Failed" if reason and reason[0] else ended, reason=reason)
        self._node.left(self)
