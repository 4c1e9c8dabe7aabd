"""An execution that is stopped: nothing begins any more, and what it has started in the cluster ends by itself."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from rowmill.errors import RowmillError, StateError
from rowmill.runners.stepfunctions import choosing, machines, telling
from rowmill.runners.stepfunctions.client import ask

STOPPED, WHY = "Stopped", "stopped by rowmill cancel"


class StoppedExecution(NamedTuple):
    """An execution that was stopped.

    Attributes:
        arn: Which.
        run_id: Of its run; empty if it has not told it.
        namespace: Where its KubernetesJobs are, if its machine tells.
        input: What it read.
    """

    arn: str
    run_id: str = ""
    namespace: str = ""
    input: str = ""


def stop(arn: str) -> StoppedExecution:
    """Stop an execution.

    Raises:
        StateError: It has ended, or AWS does not know it any more.
    """
    execution = machines.describe(arn)
    if not execution.going:
        raise StateError(
            f"the execution has ended already: {execution.status}", hint="`rowmill status RUN` tells how its run stands"
        )
    ask("stop_execution", arn.split(":")[3], executionArn=arn, error=STOPPED, cause=WHY)
    run_id, namespace = "", ""
    with suppress(RowmillError):  # it is stopped; these only help to say what is left
        run_id = telling.run_of(machines.newest_events(arn)) or ""
        namespace = machines.machine_of(arn).tags.get(choosing.NAMESPACE, "")
    asked = choosing.asked_of(execution.given)
    return StoppedExecution(arn, run_id, namespace, asked[0] if asked else "")
