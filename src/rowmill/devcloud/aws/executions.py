"""Which execution a state machine's call belongs to, and as which role it asks; the same start twice is one start."""

import json
from contextvars import ContextVar
from typing import Any

from ministack.core import responses
from ministack.services import stepfunctions

current: ContextVar[str] = ContextVar("execution")
_run, _start = stepfunctions._run_execution, stepfunctions._start_execution  # noqa: SLF001 - what is completed here


def install() -> None:
    """Complete MiniStack's Step Functions."""
    stepfunctions._run_execution = _running  # noqa: SLF001
    stepfunctions._start_execution = _started  # noqa: SLF001


def execution() -> dict[str, Any]:
    """Return the execution in which this is called."""
    found: dict[str, Any] = stepfunctions._executions[current.get()]  # noqa: SLF001
    return found


def role() -> str:
    """Return the ARN of the role of the state machine that is executed."""
    return str(stepfunctions._state_machines[execution()["stateMachineArn"]]["roleArn"])  # noqa: SLF001


def _running(arn: str) -> None:
    current.set(arn)
    _run(arn)


def _started(data: dict[str, Any]) -> Any:
    """Answer a start with the name and input of an execution that runs by that execution, as AWS does."""
    machine, name = data.get("stateMachineArn", "").rpartition(":")[2], data.get("name")
    region, account = responses.get_region(), responses.get_account_id()
    found = stepfunctions._executions.get(f"arn:aws:states:{region}:{account}:execution:{machine}:{name}")  # noqa: SLF001
    if found and found["status"] == "RUNNING" and _same(found["input"], data.get("input", "{}")):
        return responses.json_response({"executionArn": found["executionArn"], "startDate": found["startDate"]})
    return _start(data)


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))
