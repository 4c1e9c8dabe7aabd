"""Step Functions speaks to the cluster as its role may: `eks:call`, `eks:runJob`, with and without `.sync`."""

import json

import pytest
from tests.devcloud.cloud.kit import CLUSTER, NAMESPACE, asked, called, cluster, deployed, job, machine, objects, role

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def runs(resource, **more):
    arguments = {**CLUSTER, "Namespace": NAMESPACE, "Job": "{% $states.input %}", **more}
    return {"Run": {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}}


LOGS = {"RetrieveLogs": True, "LogParameters": {"tailLines": ["5"]}}
MACHINES = {
    "Call": machine({"Call": asked()}),
    "Stranger": machine({"Call": asked()}, "StrangersRole"),
    "Unknown": machine({"Call": asked(Timeout=1)}),
    "Unlisted": machine({"Call": asked(QueryParameters={"labelSelector": "a=b"})}),
    "Elsewhere": machine({"Call": asked(Endpoint="https://elsewhere.example")}),
    "Nowhere": machine({"Call": asked(ClusterName="none")}),
    "Run": machine(runs("arn:aws:states:::eks:runJob")),
    "RunSync": machine(runs("arn:aws:states:::eks:runJob.sync", LogOptions=LOGS)),
}


@pytest.fixture(scope="module")
def stack(rowmill_devcloud, tmp_path_factory):
    resources = {**cluster(), "StrangersRole": role("states.amazonaws.com"), "Objects": objects(), **MACHINES}
    outputs = {name: {"Value": {"Ref": name}} for name in MACHINES}
    template = {"Resources": resources, "Outputs": outputs}
    return deployed(rowmill_devcloud, tmp_path_factory.mktemp("out"), template)


def test_each_method_is_answered_with_status_headers_and_body(stack):
    made = stack.executed("Call", called("POST", JOBS, job("true", "all")))
    assert (made["StatusCode"], made["ResponseBody"]["metadata"]["name"]) == (201, "all")
    assert made["ResponseHeaders"]["Content-Type"] == ["application/json"]
    listed = stack.executed("Call", called("GET", JOBS, fieldSelector=["metadata.name=all"]))
    assert [one["metadata"]["name"] for one in listed["ResponseBody"]["items"]] == ["all"]
    path = f"{JOBS}/all"
    assert stack.executed("Call", called("GET", path))["StatusCode"] == 200
    gone = stack.executed("Call", called("DELETE", path, propagationPolicy=["Background"]))
    assert gone["StatusCode"] == 200


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (called("GET", f"{JOBS}/none"), "EKS.404"),
        (called("POST", JOBS, {"kind": "Job", "metadata": {"name": "x"}, "spec": {}}), "EKS.422"),
        (called("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"), "EKS.403"),
        (called("GET", "/apis/batch/v1/namespaces/default/jobs"), "EKS.403"),
        (called("OPTIONS", JOBS), "States.Runtime"),
    ],
)
def test_a_refusal_has_the_status_in_its_name(stack, request_, error):
    assert stack.failure("Call", request_) == error


def test_a_name_that_is_taken_is_a_conflict(stack):
    stack.executed("Call", called("POST", JOBS, job("true", "twice")))
    assert stack.failure("Call", called("POST", JOBS, job("true", "twice"))) == "EKS.409"


def test_a_role_without_an_access_entry_is_nobody(stack):
    assert stack.failure("Stranger", called("GET", JOBS)) == "EKS.401"


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ("Unknown", "States.Runtime"),
        ("Unlisted", "States.Runtime"),
        ("Elsewhere", "States.TaskFailed"),
        ("Nowhere", "States.TaskFailed"),
    ],
)
def test_arguments_that_would_fail_on_aws_fail_here(stack, which, error):
    assert stack.failure(which, called("GET", JOBS)) == error


def test_run_job_gives_the_job_at_once(stack):
    made = stack.executed("Run", job("sleep 60"))
    assert made["ResponseBody"].get("status", {}).get("succeeded") is None
    stack.executed("Call", called("DELETE", f"{JOBS}/{made['ResponseBody']['metadata']['name']}"))


def test_run_job_sync_gives_the_ended_job_and_its_logs(stack):
    done = stack.executed("RunSync", job("echo said"))
    assert done["ResponseBody"]["status"]["succeeded"] == 1
    [pod] = done["logs"]["pods"].values()
    assert pod["containers"]["main"]["log"] == "said\n"


def test_run_job_sync_fails_with_the_job(stack):
    found = stack.ended(stack.started("RunSync", job("exit 3")))
    assert (found["status"], found["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(found["cause"])["ResponseBody"]["status"]["failed"] == 1


def test_the_same_start_of_an_execution_that_runs_is_the_same_execution(stack):
    given = job("sleep 60", "long")
    first = stack.started("RunSync", given, name="once")
    assert stack.started("RunSync", given, name="once") == first
    states = stack.client("stepfunctions")
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        stack.started("RunSync", job("true"), name="once")
    states.stop_execution(executionArn=first)
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        stack.started("RunSync", given, name="once")
