"""A small Kubernetes in which pods run, and what tests do with it."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

from rowmill.devcloud import kubernetes
from rowmill.devcloud.kubernetes.kubelet.logs import log_path

HANGS_S = 20.0
QUICK = {"batch_s": 0.0, "backoff_s": 0.1, "restart_s": 0.2, "retry_s": 0.05, "create_retry_s": 0.05}
TRAP = "trap 'sleep 0.1; exit {}' TERM; echo up; while true; do sleep 0.02; done"
SCRIPT = "trap 'exit 143' TERM; while true; do sleep 0.02; done"


class NeverSo(AssertionError):  # noqa: N818 - it reads as a sentence
    """What a test waited for did not come."""


@contextmanager
def running(folder, **settings):
    """Run a small Kubernetes whose waits are short."""
    with kubernetes.serving(folder, **{**QUICK, **settings}) as cluster:
        yield Running(cluster, folder)


class Running:
    """A cluster with what tests ask of it."""

    def __init__(self, cluster, folder):
        self.cluster, self.store, self.folder = cluster, cluster.store, folder
        self.controllers = cluster.controllers

    def create(self, kind, name, namespace="default", **body):
        """Create an object."""
        meta = {"name": name, **body.pop("metadata", {})}
        if kind != "Namespace":
            meta["namespace"] = namespace
        return self.store.create(kind, {"metadata": meta, **body})

    def pod(self, name, command, **spec):
        """Create a pod of one container."""
        return self.create("Pod", name, spec=template(command, **spec))

    def job(self, name, command, pod=None, **spec):
        """Create a KubernetesJob."""
        return self.create("Job", name, spec={**spec, "template": {"spec": template(command, **(pod or {}))}})

    def until(self, what, kind="Pod", name="p", namespace="default"):
        """Wait until an object is so; return it."""
        end = time.monotonic() + HANGS_S
        while time.monotonic() < end:
            found = self.store.get(kind, namespace, name)
            if what(found):
                return found
            time.sleep(0.005)
        raise NeverSo(f"never so: {json.dumps(found, indent=1)}; told: {self.told()}")

    def ended(self, name="p"):
        """Wait until a pod has ended; return it."""
        return self.until(lambda pod: pod and pod["status"]["phase"] in ("Succeeded", "Failed"), name=name)

    def finished(self, name="j"):
        """Wait until a KubernetesJob has ended; return it."""
        return self.until(lambda job: ends(job)[-1:] in (["Complete"], ["Failed"]), "Job", name)

    def up(self, name="p"):
        """Wait until a pod runs and has printed something; return it."""
        pod = self.until(lambda pod: pod and pod["status"]["phase"] == "Running", name=name)
        self.until(lambda _: "up" in self.log(pod), name=name)
        return pod

    def gone(self, name="p", kind="Pod"):
        """Wait until an object is not there."""
        self.until(lambda found: found is None, kind, name)

    def pods(self, job="j"):
        """Return a KubernetesJob's pods."""
        pods = self.store.list("Pod", "default")[0]
        return [pod for pod in pods if pod["metadata"].get("labels", {}).get("job-name") == job]

    def first_pod(self, job="j"):
        """Wait for a KubernetesJob's first pod to run; return its name."""
        self.until(lambda _: self.pods(job), "Job", job)
        name = self.pods(job)[0]["metadata"]["name"]
        self.up(name)
        return name

    def log(self, pod, container="main", restart=0):
        """Return what a container printed."""
        path = log_path(self.folder, "default", pod["metadata"]["uid"], container, restart)
        return "".join(line.split(" ", 2)[2] for line in path.read_text().splitlines(True)) if path.exists() else ""

    def told(self, name=None):
        """Return the reasons and messages of events, of one object or all."""
        events = self.store.list("Event")[0]
        return [
            (event["reason"], event["message"]) for event in events if name in (None, event["involvedObject"]["name"])
        ]

    def reasons(self, name):
        """Return the reasons of an object's events."""
        return {reason for reason, _ in self.told(name)}


def template(command, image="busybox", container=None, **spec):
    """Return a pod's specification: a shell command, or a program with arguments."""
    argv = ["sh", "-c", command] if isinstance(command, str) else command
    main = {"name": "main", "image": image, "command": argv, **(container or {})}
    return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [main], **spec}


def ends(job):
    """Return a KubernetesJob's conditions that hold."""
    found = (job or {}).get("status", {}).get("conditions", ())
    return [one["type"] for one in found if one["status"] == "True"]


def main(pod, sort="containerStatuses"):
    """Return the state of a pod's first container."""
    return pod["status"][sort][0]
