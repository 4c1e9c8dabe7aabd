"""An execution from where it is to its end, looked at again and again: its state, its step, its run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from rowmill.runners.stepfunctions import machines, telling
from rowmill.runners.stepfunctions.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.runners.stepfunctions.telling import Execution
    from rowmill.storage import Storage
    from rowmill.tracker import View

FIRST_LOOK_S, LOOK_MOST_S, GROWTH = 0.1, 3.0, 1.3


class Followed(NamedTuple):
    """An execution that has ended, and the run that it told of, if it did."""

    execution: Execution
    run_id: str | None


def followed(
    arn: str, workspace: Storage | None, watch: Callable[[View], None], tell: Callable[[str], None]
) -> Followed:
    """Wait for an execution's end.

    Args:
        arn: Which.
        workspace: Where its run's objects are, if this client sees it.
        watch: Takes the view of progress at each look.
        tell: Takes what is worth knowing at once.

    Raises:
        TransientError: AWS does not answer; the execution goes on.
    """
    progress, pause_s = Progress(workspace), FIRST_LOOK_S
    step, run_id = telling.STEPS[0], None
    while True:
        execution = machines.describe(arn)
        events = machines.newest_events(arn)
        step = telling.step_of(events) or step
        if run_id is None and (run_id := telling.run_of(events)) is not None:
            tell(f"run {run_id}")
        if not execution.going:
            return Followed(execution, run_id)
        watch(progress.view(step, run_id))
        time.sleep(pause_s)
        pause_s = min(LOOK_MOST_S, pause_s * GROWTH)
