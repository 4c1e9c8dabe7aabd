"""Which execution of a state machine has a run: the newest that took it over, unless that one is dead.

An event comes at least once, and EventBridge cannot name executions: twins are told apart here, under the run's claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.errors import ConfigurationError, TransientError
from rowmill.model import codec
from rowmill.model.execution import Execution
from rowmill.runners.attempts import now

if TYPE_CHECKING:
    from rowmill.steps import Run

RUNNING, SUCCEEDED = ("RUNNING", "PENDING_REDRIVE"), "SUCCEEDED"
GONE = "ExecutionDoesNotExist"
PLACES = 7  # `arn:PARTITION:states:REGION:ACCOUNT:execution:MACHINE:NAME`
REGION = 3
BUSY = ("ThrottlingException", "Throttling", "RequestLimitExceeded")
SERVER_ERROR = 500
CONNECT_S, READ_S = 10, 30
AGAIN = "start it again: finished partitions have receipts, and are not done again"


def owner(run: Run) -> str:
    """Return the ARN of the execution that took the run over last; empty if none has."""
    names = sorted(run.workspace.list(run.name(wire.EXECUTIONS)))
    found = run.load(names[-1], Execution) if names else None
    return "" if found is None else found.execution


def twin(run: Run, execution: str, *, fresh: bool) -> str:
    """Return the ARN of another execution that has the run; empty if this one may take it.

    Args:
        run: The run.
        execution: This one's ARN.
        fresh: Everything is wanted anew: what another has finished is no reason to stop.

    Raises:
        ConfigurationError: Nobody may ask how the other stands.
        TransientError: Step Functions does not answer.
    """
    other = owner(run)
    if other in ("", execution):
        return ""
    status = status_of(other)
    return other if status in RUNNING or (status == SUCCEEDED and not fresh) else ""


def take(run: Run, execution: str) -> None:
    """Write down that this execution has the run now; the claim is held."""
    names = [name.rpartition("/")[2] for name in run.workspace.list(run.name(wire.EXECUTIONS))]
    number = max((int(name.partition(".")[0]) for name in names), default=0) + 1
    taken = codec.encode(Execution(execution, now()))
    if not run.workspace.create(run.name(wire.EXECUTIONS, f"{number:05d}.json"), taken):
        raise TransientError("another execution has taken the run at this moment", hint="start it again")


def status_of(execution: str) -> str:
    """Return how an execution stands, as Step Functions says; empty if it knows none.

    Raises:
        ConfigurationError: The ARN is none, or nobody may ask.
        TransientError: Step Functions does not answer.
    """
    try:
        from botocore import exceptions  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("--execution asks Step Functions", hint="pip install 'rowmill[aws]'") from None
    try:
        return str(_client(execution).describe_execution(executionArn=execution)["status"])
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == GONE:
            return ""
        if int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) < SERVER_ERROR and code not in BUSY:
            raise _refused(execution, code) from None
        raise TransientError(f"Step Functions is busy: {code}", hint=AGAIN) from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise TransientError(f"Step Functions does not answer: {error}", hint=AGAIN) from None
    except exceptions.BotoCoreError as error:
        raise _refused(execution, str(error)) from None


def _refused(execution: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"how the execution {execution} stands, which has this run, cannot be asked: {why}",
        hint="the pods' role needs states:DescribeExecution on executions of the state machine",
    )


def _client(execution: str) -> Any:
    import boto3  # noqa: PLC0415 - an extra
    from botocore.config import Config  # noqa: PLC0415

    parts = execution.split(":", PLACES)
    if len(parts) != PLACES + 1 or parts[0] != "arn":
        raise ConfigurationError(f"{execution!r} is no execution's ARN", hint="give $states.context.Execution.Id")
    patient = Config(connect_timeout=CONNECT_S, read_timeout=READ_S)
    return boto3.Session(region_name=parts[REGION]).client("stepfunctions", config=patient)
