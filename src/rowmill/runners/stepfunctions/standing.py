"""The executions that a workspace knows of a run, and how the newest of them stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill import wire
from rowmill.errors import RowmillError
from rowmill.model import codec
from rowmill.model.execution import Execution
from rowmill.runners.standing import RUNNING

if TYPE_CHECKING:
    from rowmill.runners.standing import Status
    from rowmill.storage import Storage


def owner_of(place: Storage, run_id: str) -> Execution | None:
    """Return the execution that took a run last; None if none did."""
    names = sorted(place.list(f"{wire.run_dir(run_id)}/{wire.EXECUTIONS}"))
    data = place.get(names[-1]) if names else None
    return None if data is None else codec.decode(data, Execution, name=names[-1])


def with_execution(place: Storage, status: Status) -> Status:
    """Return a run's standing with its execution's: one that is under way makes the run so.

    A run that has ended is not asked about: its execution is the workspace's own word.
    """
    owner = owner_of(place, status.run_id)
    if owner is None:
        return status
    told = msgspec.structs.replace(status, execution=owner.execution)
    if status.ended is not None:
        return told
    from rowmill.runners.stepfunctions import machines  # noqa: PLC0415 - only such a run needs AWS

    try:
        asked = machines.describe(owner.execution)
    except RowmillError as error:
        return msgspec.structs.replace(told, execution_state=f"not known: {error.message}")
    told = msgspec.structs.replace(told, execution_state=asked.status)
    return msgspec.structs.replace(told, state=RUNNING, next="") if asked.going else told
