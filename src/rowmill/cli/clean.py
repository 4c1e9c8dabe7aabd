"""`rowmill clean`: remove runs from the workspace."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill clean --keep 3",
    "Remove one run from the workspace, or all that have ended well. Outputs and tables stay.",
)
@declared.optional_run_id
@click.option("--keep", type=click.IntRange(min=0), default=0, metavar="N", help="Leave the latest N that ended well.")
@click.option("--dry-run", is_flag=True, help="Show which, and remove nothing.")
@declared.workspace
@declared.as_json
def clean(run_id: str | None, *, keep: int, dry_run: bool, workspace: str | None, as_json: bool) -> None:
    """Remove them."""
    from rowmill import api

    if run_id is not None and keep:
        raise click.UsageError("--keep is for all runs: leave out RUN")
    ids = api.clean(workspace=workspace, run_id=run_id, keep=keep, dry_run=dry_run)
    if as_json:
        telling.answer_json({"schema": "rowmill.clean/1", "removed": ids, "dry_run": dry_run})
    else:
        word = "would be removed" if dry_run else "removed"
        telling.answer("\n".join(f"{one}  {word}" for one in ids) or "nothing to remove")
