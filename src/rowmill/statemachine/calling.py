"""What the machine asks of Kubernetes and of the Lambda: one state for each question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.statemachine.asked import SYNC
from rowmill.statemachine.expressions import evaluated
from rowmill.statemachine.failing import FOR_GOOD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.statemachine.asked import Machine

State = dict[str, Any]

CALL_EKS = "arn:aws:states:::eks:call"
RUN_JOB = "arn:aws:states:::eks:runJob.sync"
INVOKE = "arn:aws:states:::lambda:invoke"
READ_ITEMS = "arn:aws:states:::s3:getObject"
WRITE_RESULTS = "arn:aws:states:::s3:putObject"
INTEGRATIONS = (CALL_EKS, RUN_JOB, INVOKE, READ_ITEMS, WRITE_RESULTS)

CALL_S = 60  # one question
SLACK_S = 900  # `.sync` sees an end five minutes late
LATER = tuple(f"EKS.{status}" for status in (408, 409, 425, 429, 500, 502, 503, 504))
NOTHING: dict[str, Any] = {}  # what a state hands on: whatever is needed is in variables


def retrying(*errors: str, seconds: int = 2, tries: int = 6) -> State:
    """Return a rule of `Retry`: pauses that double, up to half a minute, and differ between executions."""
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": seconds,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 30,
        "MaxAttempts": tries,
        "JitterStrategy": "FULL",
    }


NEVER = {"ErrorEquals": [*FOR_GOOD, "EKS.404"], "MaxAttempts": 0}


def catching(then: str, **assigned: str) -> list[State]:
    """Return a `Catch` of everything that assigns variables and goes on elsewhere."""
    rule = {"ErrorEquals": ["States.ALL"], "Output": NOTHING, "Next": then}
    return [rule | (assigning(**assigned) if assigned else {})]


def asking(
    machine: Machine, method: str, path: str, *, query: Mapping[str, list[str]] | None = None, body: Any = None
) -> State:
    """Return a state that asks the Kubernetes API, again where that helps.

    Args:
        machine: Which cluster.
        method: `GET` or `POST`.
        path: As the API has it, or an expression.
        query: Parameters; each has a list of values.
        body: What is sent.
    """
    arguments: State = {**_cluster(machine), "Method": method, "Path": path}
    arguments |= {} if query is None else {"QueryParameters": dict(query)}
    arguments |= {} if body is None else {"RequestBody": body}
    return {
        "Type": "Task",
        "Resource": CALL_EKS,
        "TimeoutSeconds": CALL_S,
        "Arguments": arguments,
        "Retry": [NEVER, retrying("States.Timeout", "States.TaskFailed")],
        "Output": NOTHING,
    }


def running(machine: Machine, body: Any) -> State:
    """Return a state that creates a KubernetesJob and comes back when it has ended.

    A refusal to create it is tried again; a KubernetesJob that failed is not: its pods have had their retries.
    """
    return {
        "Type": "Task",
        "Resource": RUN_JOB,
        "TimeoutSeconds": min(machine.pods.deadline_s, machine.timeout_s) + SLACK_S,
        "Arguments": {
            **_cluster(machine),
            "Namespace": machine.pods.namespace,
            "LogOptions": {"RetrieveLogs": False},  # they would count against the 256 KiB of a state
            "Job": body,
        },
        "Retry": [retrying(*LATER)],
        "Output": NOTHING,
    }


def invoking(machine: Machine, payload: Mapping[str, Any]) -> State:
    """Return a state that asks the Lambda."""
    return {
        "Type": "Task",
        "Resource": INVOKE,
        "TimeoutSeconds": CALL_S * 5,
        "Arguments": {"FunctionName": machine.split_file, "Payload": dict(payload)},
        "Retry": [retrying("States.Timeout", "States.TaskFailed")],
        "Output": NOTHING,
    }


def creating(machine: Machine, body: Any) -> State:
    """Return the state that creates a KubernetesJob, in the way of the machine's waiter."""
    if machine.waiter == SYNC:
        return running(machine, body)
    return asking(machine, "POST", jobs_path(machine), body=body)


def jobs_path(machine: Machine) -> str:
    """Return where KubernetesJobs are."""
    return f"/apis/batch/v1/namespaces/{machine.pods.namespace}/jobs"


def pods_path(machine: Machine) -> str:
    """Return where pods are."""
    return f"/api/v1/namespaces/{machine.pods.namespace}/pods"


def choosing(otherwise: str, *rules: tuple[str, str]) -> State:
    """Return a state that goes where the first condition that holds says; it hands its input on."""
    choices = [{"Condition": evaluated(code), "Next": then} for code, then in rules]
    return {"Type": "Choice", "Choices": choices, "Default": otherwise}


def assigning(**code: str) -> State:
    """Return what assigns variables."""
    return {"Assign": _evaluated(code)}


def _evaluated(code: Mapping[str, str]) -> dict[str, str]:
    return {name: evaluated(one) for name, one in code.items()}


def _cluster(machine: Machine) -> dict[str, str]:
    cluster = machine.cluster
    return {
        "ClusterName": cluster.name,
        "CertificateAuthority": cluster.certificate,
        "Endpoint": cluster.endpoint,
    }
