"""`rowmill rejects`: what is left of a run's rejects, to be read or to be corrected."""

from __future__ import annotations

import sys

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill rejects RUN --csv > fix.csv",
    "List the rejects of a run: where they stand, why they were refused, and their text.\n\n"
    "With --csv they come as the file that `rowmill repair` takes back when the column `row` is corrected. Sensitive "
    "columns are hidden but in that file.",
)
@declared.run_id
@click.option("--csv", "as_csv", is_flag=True, help="As the file to be corrected.")
@declared.workspace
@declared.as_json
def rejects(run_id: str, *, as_csv: bool, workspace: str | None, as_json: bool) -> None:
    """Show them."""
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    from rowmill import api

    _tell_what_is_open(run_id, workspace)
    if as_csv and not sys.stdout.isatty():
        click.echo(api.rejects_csv(run_id, workspace=workspace), nl=False)
        return
    found = api.rejects(run_id, workspace=workspace)
    if as_csv and found.sensitive:
        raise click.UsageError("the job has sensitive columns, which no screen shows: give > fix.csv")
    if as_json:
        telling.answer_json(found)
    elif as_csv:
        click.echo(api.rejects_csv(run_id, workspace=workspace), nl=False)
    elif found.rejects:
        rows = (
            (str(one.ordinal), str(one.line), "waived" if one.waived else "", one.reason, one.row)
            for one in found.rejects
        )
        telling.answer(layout.columns(("ordinal", "line", "", "reason", "row"), rows))
    else:
        telling.answer("no rejects")


def _tell_what_is_open(run_id: str, workspace: str | None) -> None:
    """Tell of partitions that are not done: what the run would reject there is not known."""
    from rowmill import api

    status = api.status(run_id, workspace=workspace)
    if open_ := status.partitions - status.partitions_done:
        of = layout.some(status.partitions, "partition")
        telling.note(f"{open_:,} of {of} are not done, and their rejects are not known; `rowmill status {run_id}`")
