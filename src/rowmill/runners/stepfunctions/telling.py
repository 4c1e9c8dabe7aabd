"""What an execution tells: which step it is at, which run it is, how it ended. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import BY_NAME, ConfigurationError, RowmillError, StateError, TransientError
from rowmill.model.ended import Ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GOING = ("RUNNING", "PENDING_REDRIVE")
SUCCEEDED, TIMED_OUT, ABORTED = "SUCCEEDED", "TIMED_OUT", "ABORTED"
STEPS = ("split", "process", "merge")
RUN_ID = re.compile(rb'\brun_id\\*"\s*:\s*[\\"]+([0-9a-f]{8,64})[\\"]')  # however deep it is written as text in text
CAUSE_MOST = 600
AGAIN = "give the same command again: partitions with a receipt are not done again"
BUG = "this is a bug: report it with the execution's history"
RIGHTS = "the machine's role needs its access entry, and its group a RoleBinding: docs/howto/stepfunctions.md"
EKS_REFUSES, EKS_MISSES, EKS_BUSY = ("EKS.401", "EKS.403"), ("EKS.400", "EKS.404", "EKS.422"), "EKS."


class Execution(NamedTuple):
    """An execution, as Step Functions describe it.

    Attributes:
        arn: Its ARN.
        status: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`, `PENDING_REDRIVE`.
        started, ended: ISO 8601, UTC.
        given: What it was started with.
        output: What it gave in the end, if it ended well.
        error, cause: Why not, else.
    """

    arn: str
    status: str
    started: str = ""
    ended: str = ""
    given: str = ""
    output: str = ""
    error: str = ""
    cause: str = ""

    @property
    def going(self) -> bool:
        """Whether it has not ended."""
        return self.status in GOING


def described(arn: str, answer: Mapping[str, Any]) -> Execution:
    """Return an execution from what DescribeExecution answers."""
    times = [answer[name].isoformat() if answer.get(name) else "" for name in ("startDate", "stopDate")]
    texts = [str(answer.get(name) or "") for name in ("input", "output", "error", "cause")]
    return Execution(arn, str(answer["status"]), *times, *texts)


def step_of(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the step of the state that was entered last.

    Args:
        events: Of the history, the newest first.
    """
    for event in events:
        name = event.get("stateEnteredEventDetails", {}).get("name", "").lower()
        found = next((step for step in STEPS if name.startswith(step)), None)
        if found is not None:
            return found
    return None


def run_of(events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the run's id, if any of these events tells it."""
    found = RUN_ID.search(msgspec.json.encode(list(events)))
    return None if found is None else found[1].decode()


def ended_well(execution: Execution) -> Ended:
    """Return what an execution that ended well told.

    Raises:
        StateError: It is not one of Rowmill's.
    """
    try:
        fields = msgspec.json.decode(execution.output, type=dict[str, Any])
        return msgspec.convert({**fields, "execution": execution.arn}, Ended, strict=False)
    except msgspec.MsgspecError:
        raise StateError(
            f"the execution has ended well, and what it tells does not read: {execution.arn}",
            hint="was the machine deployed by another version of Rowmill? Its history shows the output",
        ) from None


def error_of(execution: Execution) -> RowmillError:
    """Return the error of an execution that did not end well: what a pod told, else Step Functions' own."""
    if execution.status == ABORTED:
        why = f": {_shown(execution)}" if execution.error or execution.cause else ""
        return StateError(f"the execution was stopped{why}", hint=AGAIN)
    told = _told(execution.cause)
    if told is not None:
        error = RowmillError.from_dict({"message": "", "hint": "", **told})  # one that was cut may lack them
        if isinstance(error, ConfigurationError) and "schema" in told:  # what is set here is not what a pod has
            error.message = f"in the pod: {error.message}"
        return error
    if execution.status == TIMED_OUT or execution.error == "States.Timeout":
        return TransientError(
            f"the execution took longer than its machine allows: {_shown(execution)}",
            hint=f"deploy it with a longer timeout; {AGAIN}",
        )
    return _foreign(execution)


def _told(cause: str) -> dict[str, Any] | None:
    """Return the failure that a pod told, or that the machine made of what Kubernetes told."""
    try:
        found = msgspec.json.decode(cause)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) and found.get("error") in BY_NAME else None


def _foreign(execution: Execution) -> RowmillError:
    """Return the error for what neither a pod nor a limit of time has ended."""
    name, shown = execution.error, _shown(execution)
    if name in EKS_REFUSES:
        return ConfigurationError(f"the cluster refuses the state machine: {shown}", hint=RIGHTS)
    if name in EKS_MISSES:
        return ConfigurationError(
            f"the cluster does not take a KubernetesJob: {shown}", hint="a namespace, a quota or a policy is in the way"
        )
    if name == "States.Permissions" or "AccessDenied" in name:
        return ConfigurationError(f"the state machine's role lacks a right: {shown}", hint="deploy the machine anew")
    if name.startswith((EKS_BUSY, "Lambda.", "States.TaskFailed")):
        return TransientError(f"the execution failed: {shown}", hint=AGAIN)
    if name in BY_NAME:
        return BY_NAME[name](execution.cause[:CAUSE_MOST] or "the execution failed", hint=AGAIN)
    return RowmillError(f"the execution failed: {shown}", hint=BUG)


def _shown(execution: Execution) -> str:
    return ": ".join(filter(None, (execution.error, execution.cause[:CAUSE_MOST]))) or execution.status
