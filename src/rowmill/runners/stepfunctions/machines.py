"""The machines and executions of an account, as Step Functions tell them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError, StateError
from rowmill.runners.stepfunctions import choosing
from rowmill.runners.stepfunctions.choosing import Machine
from rowmill.runners.stepfunctions.client import NO_EXECUTION, NO_RESOURCE, ask, pages
from rowmill.runners.stepfunctions.telling import Execution, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.runners.stepfunctions.choosing import Wanted

MACHINE = re.compile(r"arn:[\w-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[^:]+(:[^:]+)?")
EXECUTION = re.compile(r"arn:[\w-]+:states:[a-z0-9-]+:\d{12}:execution:[^:]+:[^:]+")
OF_MACHINE = 7  # parts of its ARN; what follows is a version or an alias
MOST_ASKED = 100  # machines whose tags are looked at, and executions whose input is
NEWEST_EVENTS = 100


def found(wanted: Wanted, named: str | None) -> Machine:
    """Return the machine that is named, or the only one that is meant; it does what is wanted.

    Args:
        wanted: What it is asked for.
        named: A name or an ARN; None = whichever fits.

    Raises:
        ConfigurationError: There is none, there are several, or it does something else.
    """
    if named and named.startswith("arn:"):
        machine = _of_arn(named)
    elif named:
        machine = _of_name(named)
    else:
        machine = choosing.only_one([tagged(arn) for arn in _all().values()], wanted)
    choosing.check_fit(machine, wanted)
    return machine


def _of_arn(arn: str) -> Machine:
    if not MACHINE.fullmatch(arn):
        raise ConfigurationError(
            f"{arn} is no state machine's ARN", hint="arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"
        )
    return tagged(arn)


def _of_name(name: str) -> Machine:
    machines = _all()
    if name not in machines:
        others = ", ".join(sorted(machines)[: choosing.AT_ONCE]) or "none at all"
        raise ConfigurationError(
            f"there is no state machine {name} in {_region()}: there are {others}",
            hint="check AWS_REGION and the account, or give its ARN",
        )
    return tagged(machines[name])


def _region() -> str:
    from rowmill.runners.stepfunctions.client import client  # noqa: PLC0415 - only a message asks

    return str(client(None).meta.region_name)


def _all() -> dict[str, str]:
    """Return the ARNs of all machines by name."""
    listed: dict[str, str] = {}
    for machine in pages("list_state_machines", None, "stateMachines"):
        listed[machine["name"]] = machine["stateMachineArn"]
    return listed


def tagged(arn: str) -> Machine:
    """Return a machine with what it says of itself."""
    region, whole = arn.split(":")[3], ":".join(arn.split(":")[:OF_MACHINE])
    answer = ask("list_tags_for_resource", region, none_for=(NO_RESOURCE,), resourceArn=whole)
    return Machine(arn, {tag["key"]: tag["value"] for tag in (answer or {"tags": []})["tags"]})


def under_way(machine: Machine, wanted: Wanted) -> Execution | None:
    """Return the execution for the same request that was started last, if one is under way; whoever started it.

    Raises:
        StateError: One for the same input and other options is.
    """
    running = list(
        pages("list_executions", machine.region, "executions", stateMachineArn=machine.arn, statusFilter="RUNNING")
    )
    same = choosing.latest(one for one in running if one["name"].startswith(wanted.begins_same))
    if same is not None:
        return describe(same["executionArn"])
    for one in _that_may_have(running, wanted):
        execution = describe(one["executionArn"])
        asked = choosing.asked_of(execution.given)
        if asked is not None and asked[0] == wanted.input and execution.going:
            choosing.refuse_other(wanted, asked[1], execution.arn)
            return execution
    return None


def _that_may_have(running: Sequence[Any], wanted: Wanted) -> list[Any]:
    """Return the executions whose input has to be looked at: ours tell it by their names."""
    named_so = [one for one in running if one["name"].startswith(wanted.begins)]
    events = [one for one in running if not one["name"].startswith(f"{choosing.PREFIX}-")]
    return [*named_so, *sorted(events, key=lambda one: one["startDate"], reverse=True)[:MOST_ASKED]]


def describe(arn: str) -> Execution:
    """Return how an execution stands.

    Raises:
        StateError: AWS does not know it, or not any more.
        ConfigurationError: This is no execution's ARN.
    """
    execution = known(arn)
    if execution is None:
        raise StateError(
            f"AWS does not know this execution, or not any more: {arn}",
            hint="its history is kept for 90 days; what it did is in the workspace: rowmill runs --workspace URL",
        )
    return execution


def known(arn: str) -> Execution | None:
    """Return how an execution stands; None if AWS does not know it, or not any more.

    Raises:
        ConfigurationError: This is no execution's ARN.
    """
    if not EXECUTION.fullmatch(arn):
        raise ConfigurationError(
            f"{arn} is no execution's ARN", hint="arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME"
        )
    answer = ask("describe_execution", arn.split(":")[3], none_for=(NO_EXECUTION,), executionArn=arn)
    return None if answer is None else described(arn, answer)


def machine_of(execution: str) -> Machine:
    """Return the machine of an execution."""
    parts = execution.split(":")
    return tagged(":".join([*parts[:5], "stateMachine", parts[6]]))


def newest_events(execution: str) -> list[Any]:
    """Return the newest events of an execution's history, the newest first."""
    answer = ask(
        "get_execution_history",
        execution.split(":")[3],
        executionArn=execution,
        reverseOrder=True,
        maxResults=NEWEST_EVENTS,
    )
    return list(answer["events"])
