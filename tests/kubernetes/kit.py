"""A cluster to test on, whatever it is, and runs whose pods are in it."""

from __future__ import annotations

import base64
import itertools
import json
import random
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.whole.kit import JOB, Campaign, Ended, Orders
from tests.whole.places import rows_of_sqlite

from .files import MOUNT, Files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from rowmill.devcloud.kubernetes import Cluster as Small

NUMBERS = itertools.count(1)
CLAIM = "work"
RUN, STEP, PARTITION = "rowmill.dev/run", "rowmill.dev/step", "rowmill.dev/partition"
SMALL_ONLY = "only the small Kubernetes can be told to do this"
SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
NO_ROOT = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}


@dataclass(frozen=True)
class Cluster:
    """A namespace of a cluster, with a claim in it.

    Attributes:
        kubeconfig: By which clients find it.
        namespace: Where pods run.
        image: What they run.
        node: On which one: then a claim is as good as a folder.
        http: Speaks to its API.
        hang_s: No figure: what takes as long is broken.
        small: The small Kubernetes, if it is that.
        claim_files: Reaches the claim.
    """

    kubeconfig: Path
    namespace: str
    image: str
    node: str
    http: Any
    hang_s: float
    small: Small | None = None
    claim_files: list[Files] = field(default_factory=list)

    @property
    def files(self) -> Files:
        return self.claim_files[0]

    def kubectl(self, *words: str, given: str = "", namespace: str | None = None) -> str:
        """Give a kubectl command; return what it printed."""
        where = ["--kubeconfig", str(self.kubeconfig), "--namespace", namespace or self.namespace]
        done = subprocess.run(
            ["kubectl", *where, *words], input=given, capture_output=True, text=True, timeout=self.hang_s, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *manifests: Mapping[str, Any], namespace: str | None = None) -> None:
        """Create or change objects."""
        self.kubectl("apply", "-f", "-", given=documents(*manifests), namespace=namespace)

    def get(self, path: str, **params: str) -> Any:
        """Return the API's answer."""
        answer = self.http.request("GET", path, params=params)
        assert answer.is_success, answer.text
        return answer.json()

    def objects(self, plural: str, labels: str = "", namespace: str | None = None) -> list[dict[str, Any]]:
        """Return objects of the namespace."""
        group = "apis/batch/v1" if plural == "jobs" else "api/v1"
        params = {"labelSelector": labels} if labels else {}
        return self.get(f"{group}/namespaces/{namespace or self.namespace}/{plural}", **params)["items"]

    def until(self, happened: Callable[[], Any], *processes: subprocess.Popen[str]) -> Any:
        """Wait until something is so; it is broken if a process ends before, or if it takes forever."""
        end = time.monotonic() + self.hang_s
        while not (found := happened()):
            for process in processes:
                assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end, f"it never came to be: {self.told()}"
            time.sleep(0.05)
        return found

    def told(self) -> list[str]:
        """Return what is said about objects of the namespace."""
        return [f"{it['reason']} {it['message']}" for it in self.objects("events")][-20:]

    def evict(self, pod: str) -> None:
        """Evict a pod by the API that `kubectl drain` uses."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        path = f"api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        answer = self.http.request("POST", path, json=body)
        assert answer.is_success, answer.text

    def kill(self, pod: str) -> None:
        """Kill a pod's program; where only the API is at hand, take the pod away without grace."""
        if self.small is None:
            self.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
        else:
            self.small.controllers.kill(self.namespace, pod)


def documents(*manifests: Mapping[str, Any]) -> str:
    """Return objects as kubectl reads several."""
    return "\n".join(map(json.dumps, manifests))


def pod(cluster: Cluster, name: str, code: str, words: Sequence[str], pieces: int = 0) -> dict[str, Any]:
    """Return a pod that runs Python and sees the claim."""
    given = [{"name": f"given-{at}", "configMap": {"name": f"{name}-{at}"}} for at in range(pieces)]
    mounts = [{"name": f"given-{at}", "mountPath": f"/given/{at}"} for at in range(pieces)]
    container = {
        "name": "files",
        "image": cluster.image,
        "command": ["python3", "-c", code, *words],
        "securityContext": SAFE,
        "volumeMounts": [{"name": "claim", "mountPath": MOUNT}, *mounts],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "nodeSelector": {"kubernetes.io/hostname": cluster.node},
            "securityContext": {**NO_ROOT, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": CLAIM}}, *given],
        },
    }


def run_in_pod(cluster: Cluster, code: str, *words: str, pieces: Sequence[bytes] = ()) -> str:
    """Run Python in a pod that sees the claim; return what it printed."""
    name = f"files-{secrets.token_hex(4)}"
    maps = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-{at}"},
            "binaryData": {"piece": base64.b64encode(piece).decode()},
        }
        for at, piece in enumerate(pieces)
    ]
    cluster.kubectl("create", "-f", "-", given=documents(*maps, pod(cluster, name, code, words, len(pieces))))
    path = f"api/v1/namespaces/{cluster.namespace}/pods/{name}"
    ended = ("Succeeded", "Failed")
    phase = cluster.until(lambda: (now := cluster.get(path)["status"]["phase"]) in ended and now)
    printed = cluster.kubectl("logs", name)
    assert phase == "Succeeded", printed
    names = [f"configmap/{name}-{at}" for at in range(len(pieces))]
    cluster.kubectl("delete", "--wait=false", f"pod/{name}", *names)
    return printed


def job_with(lines: str) -> str:
    """Return the job of whole runs with more lines before its own."""
    first = "    if PAUSE_S and"
    assert JOB.count(first) == 1
    inner = "".join(f"    {line}\n" for line in lines.strip().splitlines())
    return JOB.replace(first, inner + first)


def ends_badly_at(ordinal: int, count: str, *ends: str) -> str:
    """Return lines by which one row ends its pod in these ways, one after the other; a file on the claim counts."""
    lines = [f"if ctx.ordinal == {ordinal}:", f"    with open({count!r}, 'ab+') as file:", "        file.write(b'.')"]
    lines += ["        file.flush()", "        tries = file.tell()"]
    for number, end in enumerate(ends):
        lines += [f"    if tries == {number + 1}:", f"        {end}"]
    return "\n".join(lines)


@dataclass
class PodRun:
    """One run's command, whose pods are in a cluster.

    Attributes:
        cluster: Where.
        campaign: The command.
        place: The run's folder on the claim.
    """

    cluster: Cluster
    campaign: Campaign
    place: str

    @property
    def folder(self) -> Path:
        return self.campaign.folder

    @property
    def words(self) -> dict[str, str]:
        return self.campaign.words

    def start(self, **words: str) -> subprocess.Popen[str]:
        """Give the command, and go on."""
        return self.campaign.start(**words)

    def give(self, **words: str) -> Ended:
        """Give the command, and wait for its end."""
        return self.ended(self.start(**words))

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for the end of a command."""
        out, err = process.communicate(timeout=self.cluster.hang_s)
        return Ended(process.returncode, out, err)

    def rowmill(self, *words: str) -> Ended:
        """Give another command."""
        return self.ended(self.campaign.command(*words))

    def code(self, text: str) -> None:
        """Write the job's file."""
        (self.folder / "job.py").write_text(text)

    def env(self, **values: str) -> None:
        """Let pods have variables, by the pod template."""
        self.template(env=[{"name": name, "value": value} for name, value in values.items()])

    def template(self, **container: Any) -> None:
        """Let pods have more fields of their container."""
        spec = {"nodeSelector": {"kubernetes.io/hostname": self.cluster.node}}
        spec["containers"] = [{"name": "rowmill", **container}]
        (self.folder / "pods.json").write_text(json.dumps({"spec": spec}))
        self.words["pod_template"] = "pods.json"

    def jobs(self, step: str = "") -> list[dict[str, Any]]:
        """Return the run's KubernetesJobs, the oldest first."""
        jobs = [it for it in self.cluster.objects("jobs", f"{STEP}={step}" if step else "") if self._is_ours(it)]
        return sorted(jobs, key=lambda job: (job["metadata"]["creationTimestamp"], job["metadata"]["name"]))

    def pods(self, step: str = "", phase: str = "") -> list[dict[str, Any]]:
        """Return the run's pods."""
        pods = [it for it in self.cluster.objects("pods", f"{STEP}={step}" if step else STEP) if self._is_ours(it)]
        return [it for it in pods if phase in ("", it["status"].get("phase"))]

    def _is_ours(self, made: Mapping[str, Any]) -> bool:
        template = made["spec"].get("template", made)["spec"]
        env = {it["name"]: it.get("value") for it in template["containers"][0]["env"]}
        return env["ROWMILL_WORKSPACE"] == self.words["workspace"]

    def running(self, but: Collection[str] = ()) -> list[str]:
        """Return the names of process pods whose program runs, in the order of their indexes."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods("process", "Running")
            if pod["metadata"]["name"] not in but and "deletionTimestamp" not in pod["metadata"]
        )

    def disrupt(self, process: subprocess.Popen[str], count: int, *kinds: Callable[[str], None], seed: int) -> None:
        """Do things to pods of process that work or wait, at random moments; then let them all go on."""
        dice, hit = random.Random(seed), set[str]()
        for what in kinds * count:
            self.cluster.until(lambda: self.running(hit), process)
            time.sleep(dice.uniform(0, 0.4))
            name = dice.choice(self.running(hit))
            what(name)
            hit.add(name)
        self.release()

    def run_id(self) -> str:
        """Return the run's id, when it is known."""
        labels = [job["metadata"]["labels"] for job in self.jobs()]
        return next((it[RUN] for it in labels if RUN in it), "")

    def control(self, verb: str, *words: str) -> Ended:
        """Give a command for a run under way."""
        return self.rowmill(verb, self.run_id(), "--namespace", self.cluster.namespace, *words)

    def everything_told(self) -> str:
        """Return all that the cluster keeps of a run: manifests, statuses, events, logs."""
        kept = [self.cluster.objects(plural) for plural in ("jobs", "pods", "configmaps", "events")]
        logs = [self.cluster.kubectl("logs", pod["metadata"]["name"]) for pod in self.pods()]
        return json.dumps([kept, logs])

    def done(self) -> int:
        """Return how many pods of process have ended well."""
        return sum(job["status"].get("succeeded", 0) for job in self.jobs("process"))

    def files(self, *patterns: str) -> dict[str, bytes]:
        """Return files of the run's folder, by their path in it."""
        found = self.cluster.files.get([f"{self.place}/{pattern}" for pattern in patterns])
        return {path.removeprefix(f"{self.place}/"): data for path, data in found.items()}

    def hold(self, first: int = 0) -> None:
        """Let rows from a place on wait until they are released."""
        self.put(hold=b"")
        self.env(HOLD=self.on_claim("hold"), HOLD_FROM=str(first))

    def release(self) -> None:
        """Let all rows go on."""
        self.cluster.files.remove(f"{self.place}/hold")

    def put(self, **files: bytes) -> None:
        """Write files into the run's folder."""
        self.cluster.files.put({f"{self.place}/{name}": data for name, data in files.items()})

    def on_claim(self, name: str) -> str:
        """Return a file's path as pods see it."""
        return f"{MOUNT}/{self.place}/{name}"

    def agrees(self, report: Mapping[str, Any]) -> None:
        """Assert that output, rejects, table and report are the oracle's."""
        for name, data in self.files("out.csv*", "table.db*").items():
            (self.folder / name).write_bytes(data)
        self.campaign.agrees(report)

    def ends_right(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for the end of a command, and assert that it ended well and right; return its report."""
        report = self.ended(process).report
        self.agrees(report)
        return report


def run_of(cluster: Cluster, orders: Orders, folder: Path, **words: str) -> PodRun:
    """Return a run of orders, whose input is on the claim."""
    place = f"run-{next(NUMBERS)}-{secrets.token_hex(2)}"
    (folder / "job.py").write_text(JOB)
    given = {
        "on": "kubernetes",
        "image": cluster.image,
        "namespace": cluster.namespace,
        "claim": f"{CLAIM}:{MOUNT}",
        "output": f"{MOUNT}/{place}/out.csv",
        "workspace": f"{MOUNT}/{place}/work",
        "table": f"sqlite:///{MOUNT}/{place}/table.db",
        "workers": "2",
        "cpu": "50m",
        "memory": "256Mi",
        **words,
    }
    env = {"KUBECONFIG": str(cluster.kubeconfig)}
    campaign = Campaign(orders, folder, given, env, given=f"{MOUNT}/{place}/orders.csv", job="job.py")
    if given["table"].startswith("sqlite"):
        campaign.rows_of_table = lambda: rows_of_sqlite(folder / "table.db")
    run = PodRun(cluster, campaign, place)
    run.env()
    cluster.files.put({f"{place}/orders.csv": orders.input.read_bytes()})
    return run
