"""The execution that does what is wanted: the one that is under way, or a new one."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill.runners.stepfunctions import machines
from rowmill.runners.stepfunctions.client import IS_THERE, ask

if TYPE_CHECKING:
    from rowmill.runners.stepfunctions.choosing import Machine, Wanted


class Taken(NamedTuple):
    """An execution, and whether it was under way before."""

    arn: str
    attached: bool


def taken(machine: Machine, wanted: Wanted, event_id: str = "") -> Taken:
    """Attach to what is under way for the same request, or start an execution.

    Two that are started at the same moment are no harm: the run's claim ends one of them as a duplicate.

    Args:
        machine: Which one does it.
        wanted: What it is asked for.
        event_id: By which the tracker tells the run; empty = the execution's name.

    Raises:
        StateError: The same input is under way with other options.
    """
    there = machines.under_way(machine, wanted)
    if there is not None:
        return Taken(there.arn, attached=True)
    now = datetime.now(UTC).strftime("%Y%m%dt%H%M%S")
    name = f"{wanted.begins_same}{now}-{secrets.token_hex(2)}"
    given = {"input": wanted.input, "event_id": event_id or name, "words": wanted.words}
    answer = ask(
        "start_execution",
        machine.region,
        none_for=(IS_THERE,),
        stateMachineArn=machine.arn,
        name=name,
        input=msgspec.json.encode(given).decode(),
    )
    if answer is None:  # an answer was lost, and the call was repeated: nobody else has this name
        parts = machine.arn.split(":")
        return Taken(":".join([*parts[:5], "execution", machine.name, name]), attached=False)
    return Taken(answer["executionArn"], attached=False)
