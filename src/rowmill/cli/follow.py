"""`rowmill follow`: attach to a run that is under way elsewhere."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, progress, telling


@declared.command(
    "rowmill follow RUN",
    "Attach to a run that another terminal, another machine or a cluster carries out; by default the latest. The "
    "progress is that of the run's own command, and so are the report and the exit code at its end. Ctrl-C ends only "
    "the following.",
)
@declared.optional_run_id
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@declared.workspace
@declared.as_json
@click.pass_obj
def follow(
    manner: declared.Manner, /, run_id: str | None, *, no_progress: bool, workspace: str | None, as_json: bool
) -> None:
    """Wait for its end, and tell it."""
    from rowmill import api

    with progress.shown(wanted=not (manner.quiet or no_progress)) as watch:
        report = api.follow(run_id, workspace=workspace, watch=watch)
    if as_json:
        telling.answer_json(report)
    else:
        telling.answer(layout.report_text(report))
