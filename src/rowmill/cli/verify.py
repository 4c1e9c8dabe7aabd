"""`rowmill verify`: check a finished run anew."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill verify --digests --table",
    "Check a finished run, by default the latest, independently of the engine's counts. "
    "Exit code 6 tells that a check failed.",
)
@declared.optional_run_id
@click.option("--digests", is_flag=True, help="Read input and output again; no user code.  [the default]")
@click.option("--table", is_flag=True, help="Compare the table with the output.")
@click.option("--replay", is_flag=True, help="Run a plain sequential loop, and compare bytes.")
@declared.job_option
@declared.workspace
@declared.as_json
def verify(
    run_id: str | None, *, digests: bool, table: bool, replay: bool, job: str, workspace: str | None, as_json: bool
) -> None:
    """Show what was checked."""
    from rowmill import api
    from rowmill.errors import IntegrityError

    with telling.users_code():
        run_id = run_id or api.status(workspace=workspace).run_id
        result = api.verify(run_id, workspace=workspace, job=job, digests=digests, table=table, replay=replay)
    if as_json:
        telling.answer_json(result)
    else:
        words = {True: "ok", False: "FAILED", None: "unknown"}
        rows = ((check.name, words[check.ok], check.detail) for check in result.checks)
        telling.answer(layout.columns(("check", "result", "detail"), rows))
    if not result.ok:
        failed = ", ".join(check.name for check in result.checks if check.ok is False)
        raise IntegrityError(
            f"the run does not verify: {failed}",
            hint="keep all as it is, and find out what was changed; `rowmill run … --fresh` makes it anew",
            run_id=run_id,
        )
