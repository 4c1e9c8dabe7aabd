"""`rowmill runs`: all runs of the workspace."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command("rowmill runs", "List the workspace's runs, the latest first.")
@declared.workspace
@declared.as_json
def runs(*, workspace: str | None, as_json: bool) -> None:
    """List them."""
    from rowmill import api

    found = api.runs(workspace=workspace)
    if as_json:
        telling.answer_json({"schema": "rowmill.runs/1", "runs": found})
    elif found:
        rows = ((one.run_id, one.state, f"{one.rows_done:,}", one.started, one.job, one.input) for one in found)
        telling.answer(layout.columns(("run", "state", "rows", "started", "job", "input"), rows))
    else:
        telling.answer("no runs; start one: rowmill run JOB INPUT")
