"""Which execution of a state machine has a run: the newest that took it over, unless that one is dead.

An event comes at least once, and EventBridge cannot name executions: twins are told apart here, under the run's claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import ConfigurationError, TransientError
from rowmill.model import codec
from rowmill.model.execution import Execution
from rowmill.runners.attempts import now
from rowmill.runners.stepfunctions import telling
from rowmill.runners.stepfunctions.standing import owner_of

if TYPE_CHECKING:
    from rowmill.steps import Run


def owner(run: Run) -> str:
    """Return the ARN of the execution that took the run over last; empty if none has."""
    found = owner_of(run.workspace, run.id)
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
    return other if status in telling.GOING or (status == telling.SUCCEEDED and not fresh) else ""


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
        ConfigurationError: The ARN is none, or nobody may ask: the pods' role needs states:DescribeExecution.
        TransientError: Step Functions does not answer.
    """
    from rowmill.runners.stepfunctions import machines  # noqa: PLC0415 - an extra

    try:
        found = machines.known(execution)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"how the execution {execution} stands, which has this run, cannot be asked: {error.message}",
            hint="the pods' role needs states:DescribeExecution on executions of the state machine",
        ) from None
    return "" if found is None else found.status
