"""A run by a deployed state machine: attached to or started, followed to its end, and told as any other run.

The client needs Step Functions and nothing else. Where it sees the workspace too, it shows rows and the whole report.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rowmill import wire
from rowmill.errors import RowmillError, StateError, Stopped
from rowmill.model import codec
from rowmill.model.report import Report
from rowmill.runners.opening import reached
from rowmill.runners.stepfunctions import choosing, telling
from rowmill.runners.stepfunctions.following import followed
from rowmill.runners.stepfunctions.starting import Taken, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.model.ended import Ended
    from rowmill.runners.stepfunctions.choosing import Machine, Wanted
    from rowmill.runners.stepfunctions.following import Followed
    from rowmill.storage import Storage
    from rowmill.tracker import View

TWINS = 5  # executions that are followed one after the other, each the duplicate of the next
REPEATED = "repeated"


def run(
    machine: Machine,
    wanted: Wanted,
    event_id: str,
    watch: Callable[[View], None] | None,
    tell: Callable[[str], None],
) -> Report | Ended:
    """Take a request to its report; to what the execution told, where the report is out of sight.

    Args:
        machine: Which one does it.
        wanted: What it is asked for.
        event_id: As for `taken`.
        watch: Takes the view of progress.
        tell: Takes what is worth knowing at once.

    Raises:
        RowmillError: What a pod failed with; the same command goes on later.
    """
    workspace = reached(machine.tags.get(choosing.WORKSPACE, ""))
    execution = taken(machine, wanted, event_id)
    tell(_told(execution))
    try:
        return _to_its_end(execution.arn, workspace, watch or _nobody, tell)
    except (KeyboardInterrupt, Stopped):
        tell(f"the execution goes on; the same command comes back to it, `rowmill cancel {execution.arn}` stops it")
        raise


def _told(execution: Taken) -> str:
    return f"{'attached to' if execution.attached else 'started'} {execution.arn}"


def _nobody(view: View) -> None:
    del view


def _to_its_end(
    arn: str, workspace: Storage | None, watch: Callable[[View], None], tell: Callable[[str], None]
) -> Report | Ended:
    """Follow an execution, and those that it names as the owners of its run; tell what was done before as such."""
    begun = ""
    for _ in range(TWINS):
        end = followed(arn, workspace, watch, tell)
        begun = begun or end.execution.started
        if end.execution.status != telling.SUCCEEDED:
            raise _error(end)
        ended = telling.ended_well(end.execution)
        if ended.written is not None or ended.duplicate_of in (None, "", arn):  # the run has ended, whoever did it
            return _report(workspace, ended, begun) or ended
        arn = ended.duplicate_of
        tell(f"another execution has this run: {arn}")
    raise StateError(f"{TWINS} executions each call the next one the owner of the run", hint=telling.AGAIN)


def _error(end: Followed) -> RowmillError:
    """Return the error of an execution that did not end well, with the run that it told of."""
    error = telling.error_of(end.execution)
    return error.at(run_id=end.run_id) if end.run_id else error


def _report(workspace: Storage | None, ended: Ended, begun: str) -> Report | None:
    """Return the run's report, where it is in sight; it is an earlier one if it was written before `begun`."""
    if workspace is None:
        return None
    name = f"{wire.run_dir(ended.run_id)}/{wire.REPORT}"
    try:
        data = workspace.get(name)
    except RowmillError:  # the client may not read the workspace
        return None
    if data is None:
        return None
    report = codec.decode(data, Report, name=name)
    earlier = datetime.fromisoformat(report.end) < datetime.fromisoformat(begun)
    return msgspec.structs.replace(report, status=REPEATED) if earlier else report
