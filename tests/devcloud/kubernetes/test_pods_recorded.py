"""KubernetesJobs of the recordings, run here: pods and KubernetesJobs end with what a real Kubernetes 1.36 wrote."""

import contextlib
import json
from pathlib import Path

import pytest
from tests.devcloud.kubernetes.running import NeverSo, running

CASES = {case["case"]: case for case in json.loads((Path(__file__).parent / "recorded" / "ends.json").read_text())}
NOT_TOLD = {"MissingClusterDNS"}  # of the machine that was recorded
STATUSES = ("containerStatuses", "initContainerStatuses")
NAMES = ("type", "status", "reason", "message")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(tmp_path_factory.mktemp("kubernetes"), running=12) as found:
        for name, case in CASES.items():
            found.cluster.store.create("Namespace", {"metadata": {"name": name}})
            found.create("ServiceAccount", "default", name)
            body = case["job"]
            found.store.create("Job", {**body, "metadata": {**body["metadata"], "namespace": name}})
        yield found


def state(found):
    return {sort: {key: value[key] for key in ("reason", "message", "exitCode") if key in value}
            for sort, value in found.items()}  # fmt: skip


def box(found):
    told = {key: found[key] for key in ("name", "ready", "restartCount", "started")}
    return told | {"state": state(found["state"]), "lastState": state(found["lastState"])}


def conditions(found):
    return [[one.get(key) for key in NAMES] for one in found.get("conditions", ())]


def pod_status(pod):
    status = pod["status"]
    boxes = {
        key: [box(one) for one in status[key]]
        for key in ("containerStatuses", "initContainerStatuses")
        if key in status
    }
    return {"phase": status["phase"], "conditions": conditions(status), **boxes}


def job_status(job):
    numbers = ("succeeded", "failed", "completedIndexes", "failedIndexes", "active", "ready")
    return {key: job["status"][key] for key in numbers if key in job["status"]} | {
        "conditions": conditions(job["status"])
    }


def pods(cluster, name):
    return sorted(map(pod_status, cluster.store.list("Pod", name)[0]), key=str)


@pytest.mark.parametrize("name", CASES)
def test_a_job_and_its_pods_end_as_recorded(cluster, name):
    case = CASES[name]
    job = case["job"]["metadata"]["name"]
    seen = {}

    def same(found):
        seen.update(job=job_status(found), pods=pods(cluster, name))
        return seen == {"job": case["status"], "pods": case["pods"]}

    with contextlib.suppress(NeverSo):  # then the comparison below says what differs
        cluster.until(same, "Job", job, name)
    assert seen == {"job": case["status"], "pods": case["pods"]}


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_of_a_job_and_its_pods_is_as_recorded(cluster, name):
    recorded = {tuple(event) for event in CASES[name]["told"] if event[2] not in NOT_TOLD}

    def told():
        events = cluster.store.list("Event", name)[0]
        return {
            (one["involvedObject"]["kind"], one["type"], one["reason"], one["involvedObject"].get("fieldPath"))
            for one in events
        }

    with contextlib.suppress(NeverSo):
        cluster.until(lambda _: told() == recorded, "Job", CASES[name]["job"]["metadata"]["name"], name)
    assert told() == recorded
