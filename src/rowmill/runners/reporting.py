"""What a run did, and how it stands, for whoever wants to show it: nothing is done here but reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import StateError
from rowmill.model.report import Report
from rowmill.runners import seeing, standing
from rowmill.runners.opening import workspace_at

if TYPE_CHECKING:
    from rowmill.runners.seeing import Look, Refused


def report(run_id: str, *, workspace: str | None = None) -> Report:
    """Return the report of a run that has ended well.

    Args:
        run_id: Which run.
        workspace: Where it is.

    Raises:
        StateError: There is no such run, or it has no report.
    """
    place = workspace_at(workspace)
    found = standing.loaded(place, run_id, wire.REPORT, Report)
    if found is None:
        status = standing.status_of(place, run_id)
        raise StateError(
            f"the run has not ended well, and has no report: its state is {status.state}",
            hint=status.next or f"`rowmill status {run_id}` tells more",
            run_id=run_id,
        )
    return found


def look(run_id: str, *, workspace: str | None = None) -> Look:
    """Return all that the workspace tells of a run, each receipt included, but no row.

    Args:
        run_id: Which run.
        workspace: Where it is.

    Raises:
        StateError: There is no such run.
    """
    return seeing.look(workspace_at(workspace), run_id, read_for_s=float("inf"))


def refused(seen: Look, *, workspace: str | None = None, most: int = 100) -> list[Refused]:
    """Return the first refused rows of a run, sensitive columns masked.

    Args:
        seen: What `look` returned.
        workspace: Where the run is.
        most: How many rows.
    """
    return seeing.refused(workspace_at(workspace), seen, sorted(seen.done), most=most)
