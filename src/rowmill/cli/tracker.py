"""`rowmill tracker rebuild`: write a tracker's view of a run anew."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill tracker rebuild 0123456789abcdef",
    "Write into a run's tracker what the workspace says of it. A tracker is only a view: losing it loses nothing.",
)
@declared.run_id
@declared.workspace
@declared.tracker
@declared.as_json
def rebuild(run_id: str, *, workspace: str | None, tracker: str | None, as_json: bool) -> None:
    """Rebuild it."""
    from rowmill import api

    status = api.rebuild_tracker(run_id, workspace=workspace, tracker=tracker)
    if as_json:
        telling.answer_json(status)
        return
    telling.answer(
        f"the tracker shows run {run_id}: {status.partitions_done:,} of {status.partitions:,} partitions done"
    )


@click.group(
    help=declared.with_example("rowmill tracker rebuild 0123456789abcdef", "Look after a run's tracker."),
    short_help="Look after a run's tracker",
)
@declared.manner_options
def tracker() -> None:
    """Take a command."""


tracker.add_command(rebuild)
