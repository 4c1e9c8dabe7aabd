"""A recorded KubernetesJob lived again: pods and users do what they did, our controller decides.

A pod's changes come at the time after its creation at which they came in the recording; those after its deletion at the
time after that. What a user changed comes when it came. All else is decided by the code under test.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

from rowmill.devcloud.kubernetes import jobs, jobs_births, jobs_pods
from rowmill.devcloud.kubernetes.jobs_backoff import Backoff
from rowmill.devcloud.kubernetes.jobs_view import is_finished

RECORDED = Path(__file__).parent / "recorded" / "kubernetesjobs.json"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BATCH_S = 1.01  # how long Kubernetes gathers changes of pods before it looks


def cases():
    """Return the recordings by name."""
    found = json.loads(RECORDED.read_text())
    return {f"{case['file'][:2]}-{case['case']}": case for case in found}


def moment(seconds):
    """Return a time as objects carry it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shifted(value, by):
    """Return a recorded object with all its times moved."""
    return json.loads(MOMENT.sub(lambda hit: moment(jobs_pods.seconds(hit[0]) + by), json.dumps(value)))


class Life:
    """What happened to one pod."""

    def __init__(self, steps, ours):
        self.born = steps[0]
        self.deleted_at = next((step["t"] for step in steps if "deletionTimestamp" in step), None)
        self.ours = ours  # the controller deleted it, no user
        self.before, self.after = [], []
        for step in steps[1:]:
            late = ours and self.deleted_at is not None and step["t"] > self.deleted_at
            first = ours and step["t"] == self.deleted_at
            (self.after if late or first else self.before).append(step)


class Replay:
    """One recording lived again; `statuses` and `told` are what our controller made of it."""

    def __init__(self, case):
        [(self.name, body)] = case["jobs"].items()
        self.job = {
            "kind": "Job",
            "metadata": {**body["metadata"], "generation": 1},
            "spec": body["spec"],
            "status": {},
        }
        self.watch = case["watch"]
        self.base = self._base()
        self.pods, self.statuses, self.told, self.queue = {}, [], [], []
        self.backoff, self.counter, self.shift = Backoff(), Counter(), {}
        self.lives = self._lives({event[4] for event in case["events"] if event[3] == "SuccessfulDelete"})
        self.due = None
        for step in self.watch:
            if step["kind"] == "Job" and "spec" in step and step["type"] != "ADDED":
                self.queue.append((step["t"], "spec", step))
            elif step["kind"] == "Job" and step["type"] == "DELETED":
                self.queue.append((step["t"], "end", step))
            elif step["kind"] == "Job" and "deletionTimestamp" in step:
                self.queue.append((step["t"], "doomed", step))
        self.until = max(step["t"] for step in self.watch) + 1

    def _base(self):
        pairs = [
            (hit, step["t"])
            for step in self.watch
            if step["type"] == "MODIFIED"
            for hit in MOMENT.findall(json.dumps(step["status"]))
        ]
        return max(jobs_pods.seconds(hit) - t for hit, t in pairs)

    def _lives(self, deletions):
        steps = {}
        for step in self.watch:
            if step["kind"] == "Pod":
                steps.setdefault(step["name"], []).append(step)
        found = {}
        for name, life in steps.items():
            number = life[0]["annotations"].get(jobs_pods.INDEX)
            found.setdefault(number, []).append(Life(life, f"Deleted pod: {name}" in deletions))
        return found

    def run(self):
        """Live it; return the replay."""
        self.look(0.01)
        while True:
            times = [when for when in (self.queue[0][0] if self.queue else None, self.due) if when is not None]
            if not times or min(times) > self.until:
                return self
            if self.due is not None and self.due <= (self.queue[0][0] if self.queue else self.until):
                now, self.due = self.due, None
                self.look(now)
            else:
                self.queue.sort(key=lambda item: item[0])
                self.step(*self.queue.pop(0))

    def soon(self, now, wait=BATCH_S):
        """See to it that the controller looks."""
        self.due = now + wait if self.due is None else min(self.due, now + wait)

    def step(self, now, sort, step):
        """Let happen what happened."""
        if sort == "spec":
            self.job["spec"] = {**self.job["spec"], **step["spec"]}
            self.soon(now, 0.001)
        elif sort == "doomed":
            self.job["metadata"]["deletionTimestamp"] = step["deletionTimestamp"]
            self.soon(now, 0.001)
        elif sort == "end":
            self.until = now
        else:
            self.change(now, *step)

    def change(self, now, name, step):
        """Let happen to a pod what happened to it."""
        if name not in self.pods:
            return
        pod, moved = self.pods[name], shifted(step, self.shift[name])
        pod["status"] = moved["status"]
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            if key in moved:
                pod["metadata"][key] = moved[key]
        if "nodeName" in step:
            pod["spec"]["nodeName"] = step["nodeName"]
        if step["type"] == "DELETED" and not jobs_pods.is_tracked(pod):
            del self.pods[name]
        self.soon(now)

    def birth(self, now, birth):
        """Give a pod the life that the next recorded one of its index had."""
        body = jobs_births.pod(self.job, birth)
        key = None if birth.number is None else str(birth.number)
        life = self.lives[key][self.counter[key]]
        self.counter[key] += 1
        born = life.born
        name = born["name"]
        self.shift[name] = round(self.base + now - jobs_pods.seconds(born["creationTimestamp"]) - 0.5)
        body["metadata"] |= {"name": name, "uid": born["uid"], "creationTimestamp": moment(self.base + now)}
        assert body["metadata"].get("annotations", {}) == born["annotations"]
        body["status"] = born["status"]
        body["life"] = life
        self.pods[name] = body
        self.queue += [(now + step["t"] - born["t"], "pod", (name, step)) for step in life.before]
        self.told.append(["Normal", "SuccessfulCreate", f"Created pod: {name}"])

    def delete(self, now, name):
        """Let a pod go as the recorded one went."""
        pod = self.pods[name]
        life = pod["life"]
        self.queue = [item for item in self.queue if item[1] != "pod" or item[2][0] != name]
        if not life.ours:
            raise AssertionError(f"nobody deleted {name} in the recording")
        first, *later = life.after
        self.change(now, name, first)
        self.queue += [(now + step["t"] - first["t"], "pod", (name, step)) for step in later]
        self.told.append(["Normal", "SuccessfulDelete", f"Deleted pod: {name}"])

    def look(self, now):
        """Let the controller look once."""
        self.queue.sort(key=lambda item: item[0])
        if is_finished(self.job):
            return
        plan = jobs.planned(deepcopy(self.job), deepcopy(list(self.pods.values())), self.backoff, self.base + now)
        for name in plan.delete:
            if plan.uncounted:
                self.release(now, name)
            self.delete(now, name)
        for birth in plan.create:
            self.birth(now, birth)
        outcome = jobs.settled(plan, len(plan.create))
        self.backoff = plan.view.backoff
        if outcome.status:
            self.write(now, outcome.status)
        for name in outcome.release:
            self.release(now, name)
        if outcome.last:
            self.write(now, outcome.last)
        self.told += [list(event) for event in outcome.events]
        if plan.again_s is not None:
            self.soon(now, plan.again_s)
        self.queue.sort(key=lambda item: item[0])

    def write(self, now, status):
        """Keep a status."""
        self.job["status"] = status
        self.statuses.append(status)
        self.soon(now)

    def release(self, now, name):
        """Take a finalizer off; the pod is gone if that was all that held it."""
        meta = self.pods[name]["metadata"]
        meta["finalizers"] = [word for word in meta["finalizers"] if word != jobs_pods.TRACKED]
        if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) == 0:
            del self.pods[name]
        self.soon(now)


def course(statuses, *, counts=()):
    """Return how statuses followed each other: ends, numbers of ended pods, what is noted; each once."""
    found = []
    for status in statuses:
        noted = status.get("uncountedTerminatedPods", {})
        ends = tuple(
            (one["type"], one["status"], one["reason"], one["message"]) for one in status.get("conditions", ())
        )
        line = {
            "ends": ends,
            "numbers": {word: status.get(word, 0) for word in ("succeeded", "failed", *counts)},
            "indexes": (status.get("completedIndexes"), status.get("failedIndexes")),
            "noted": {word: sorted(noted.get(word, ())) for word in ("succeeded", "failed")},
            "times": ("startTime" in status, "completionTime" in status),
        }
        if not found or found[-1] != line:
            found.append(line)
    return found
