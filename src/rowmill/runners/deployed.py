"""What the front door does with a deployed state machine; nothing of AWS is imported before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import settings
from rowmill.runners.opening import workspace_at
from rowmill.runners.starting import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.model.ended import Ended
    from rowmill.model.report import Report
    from rowmill.runners.checking import Place
    from rowmill.runners.standing import Status
    from rowmill.runners.stepfunctions.choosing import Machine, Wanted
    from rowmill.runners.stepfunctions.stopping import StoppedExecution
    from rowmill.storage import Storage
    from rowmill.tracker import View


class ForMachine(NamedTuple):
    """A request, and the machine that takes it.

    Attributes:
        machine: Which.
        wanted: What it is asked for.
        event_id: By which the tracker tells the run; empty = none is given.
    """

    machine: Machine
    wanted: Wanted
    event_id: str


def for_machine(asked: Asked, *, keep_code: bool, overwrite: bool) -> ForMachine:
    """Return a request, ready for the machine that its settings name."""
    from rowmill.runners.stepfunctions import asking, machines

    chosen = settings.resolve(asked.settings)
    wanted = asking.wanted(asked, chosen, keep_code=keep_code, overwrite=overwrite)
    return ForMachine(machines.found(wanted, chosen["state_machine"].value), wanted, chosen["event_id"].value)


def by_machine(
    asked: Asked,
    watch: Callable[[View], None] | None,
    tell: Callable[[str], None],
    *,
    keep_code: bool,
    overwrite: bool,
) -> Report | Ended:
    """Take a request to its end by a deployed machine."""
    from rowmill.runners.stepfunctions.running import run

    return run(*for_machine(asked, keep_code=keep_code, overwrite=overwrite), watch, tell)


def checked(asked: Asked, *, keep_code: bool, overwrite: bool) -> list[Place]:
    """Try whether a deployed machine would take a request; nothing is started."""
    from rowmill.runners.stepfunctions.checking import check

    ready = for_machine(asked, keep_code=keep_code, overwrite=overwrite)
    return check(ready.machine, ready.wanted)


def execute(
    job: str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    params: Mapping[str, str] | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    **chosen: Any,
) -> str:
    """Start a deployed machine, or find what is under way, and come back; return the execution's ARN.

    Args:
        job: As for `run`.
        input: As for `run`.
        output: As for `run`.
        params: As for `run`.
        keep_code: As for `run`.
        fresh: As for `run`.
        overwrite: As for `run`.
        chosen: Settings, by name: `state_machine` for example.
    """
    from rowmill.runners.stepfunctions.starting import taken

    asked = Asked(job, input, output, params, chosen, fresh)
    return taken(*for_machine(asked, keep_code=keep_code, overwrite=overwrite)).arn


def standing_of(place: Storage, status: Status) -> Status:
    """Return a run's standing; a state machine's execution that has it is asked too."""
    from rowmill.runners.stepfunctions.standing import with_execution

    return with_execution(place, status)


def execution_under_way(run_id: str, *, workspace: str | None = None) -> str | None:
    """Return the ARN of the execution that does a run; None if none does, or the workspace does not tell.

    Args:
        run_id: Which run.
        workspace: Where its objects are.
    """
    from rowmill.runners.stepfunctions.standing import owner_of

    owner = owner_of(workspace_at(workspace), run_id)
    if owner is None:
        return None
    from rowmill.runners.stepfunctions import machines

    return owner.execution if machines.describe(owner.execution).going else None


def stop_execution(execution: str) -> StoppedExecution:
    """Stop an execution of a deployed machine.

    Args:
        execution: Its ARN.

    Raises:
        StateError: It has ended.
    """
    from rowmill.runners.stepfunctions.stopping import stop

    return stop(execution)
