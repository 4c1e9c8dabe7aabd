"""The Step Functions integrations `eks:call` and `eks:runJob`, with and without `.sync`."""

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack.services import eks, stepfunctions

from rowmill.devcloud.aws import access, executions
from rowmill.devcloud.aws.asking import Answer, Identity, ask

CLUSTER = {"ClusterName", "CertificateAuthority", "Endpoint"}
CALL = CLUSTER | {"Method", "Path", "QueryParameters", "RequestBody"}
RUN = CLUSTER | {"Namespace", "Job", "LogOptions"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSED = 400
FIRST_POLL_S, MOST_POLL_S = 0.05, 1.0
Data = dict[str, Any]


def install() -> None:
    """Teach MiniStack's Step Functions both; it takes `.sync` away before it looks."""
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::eks:call"] = call  # noqa: SLF001 - there is no other way in
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::eks:runJob"] = run_job  # noqa: SLF001


def failure(error: str, cause: str) -> Exception:
    """Return what a state fails with."""
    made: Exception = stepfunctions._ExecutionError(error, cause)  # noqa: SLF001
    return made


def call(_resource: str, data: Data) -> Data:
    """Send one request to a cluster's API and return the answer."""
    _check(data, CALL, {"ClusterName", "CertificateAuthority", "Endpoint", "Method", "Path"})
    if data["Method"] not in METHODS:
        raise failure("States.Runtime", f"eks:call knows no method {data['Method']}")
    return _told(_asked(data, data["Method"], data["Path"], data.get("QueryParameters") or {}, data.get("RequestBody")))


def run_job(resource: str, data: Data) -> Data:
    """Create a KubernetesJob; with `.sync`, wait until it has ended."""
    _check(data, RUN, {*CLUSTER, "Job"})
    path = f"/apis/batch/v1/namespaces/{data.get('Namespace', 'default')}/jobs"
    answer = _asked(data, "POST", path, {}, data["Job"])
    if not resource.endswith(".sync"):
        return _told(answer)
    answer = _ended(data, f"{path}/{answer.body['metadata']['name']}")
    logs = _logs(data, answer.body) if (data.get("LogOptions") or {}).get("RetrieveLogs") else {}
    if _condition(answer.body) == "Failed":
        raise failure("States.TaskFailed", json.dumps({**_told(answer), **logs}))
    return {**_told(answer), **logs}


def _check(data: Data, known: set[str], needed: set[str]) -> None:
    """Make sure of the arguments, as AWS does before it asks anybody."""
    other, missing = sorted(set(data) - known), sorted(needed - set(data))
    if other or missing:
        raise failure("States.Runtime", f"eks arguments: unknown {other}, missing {missing}")
    values = [value for value in (data.get("QueryParameters") or {}).values() if not isinstance(value, list)]
    if values:
        raise failure("States.Runtime", "eks:call takes QueryParameters whose values are lists of strings")
    cluster = eks._clusters.get(data["ClusterName"])  # noqa: SLF001
    if cluster is None or cluster["endpoint"] != data["Endpoint"]:
        raise failure("States.TaskFailed", f"there is no cluster {data['ClusterName']} at {data['Endpoint']}")


def _asked(data: Data, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Answer:
    try:
        pairs = [(name, value) for name, values in query.items() for value in values]
        answer = ask(method, path, pairs, body, identity=_identity(data["ClusterName"]))
    except OSError as error:
        raise failure("States.TaskFailed", f"the cluster does not answer: {error}") from None
    if answer.status >= REFUSED:
        raise failure(f"EKS.{answer.status}", json.dumps(_told(answer)))
    return answer


def _identity(cluster: str) -> Identity:
    role = executions.role()
    found = access.identity(cluster, role, executions.execution()["name"])
    if found is None:
        raise failure("EKS.401", f"{role} has no access entry in {cluster}")
    return found


def _told(answer: Answer) -> Data:
    return {"ResponseHeaders": answer.headers, "StatusCode": answer.status, "ResponseBody": answer.body}


def _ended(data: Data, path: str) -> Answer:
    wait_s = FIRST_POLL_S
    while not _condition((answer := _asked(data, "GET", path, {}, None)).body):
        if executions.execution()["status"] != "RUNNING":
            raise failure("States.TaskFailed", "the execution was stopped")
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, MOST_POLL_S)
    return answer


def _condition(job: Data) -> str:
    true = [one["type"] for one in job.get("status", {}).get("conditions", ()) if one["status"] == "True"]
    return next((name for name in ("Complete", "Failed") if name in true), "")


def _logs(data: Data, job: Data) -> Data:
    """Return the logs of a KubernetesJob's pods, by pod and container."""
    meta = job["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods"
    mine = {"labelSelector": [f"batch.kubernetes.io/job-name={meta['name']}"]}
    parameters = (data.get("LogOptions") or {}).get("LogParameters") or {}
    pods = {}
    for pod in _asked(data, "GET", path, mine, None).body["items"]:
        name = pod["metadata"]["name"]
        log = _asked(data, "GET", f"{path}/{name}/log", parameters, None).body
        pods[name] = {"containers": {pod["spec"]["containers"][0]["name"]: {"log": log}}}
    return {"logs": {"pods": pods}}
