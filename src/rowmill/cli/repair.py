"""`rowmill repair`: corrected rows go into their own places in output and table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from rowmill.runners.repairing import Rehearsal


@declared.command(
    "rowmill repair RUN fix.csv --by 'Ada Lovelace'",
    "Do corrected rows again, and put them into their own places in output and table.\n\n"
    "FIX is what `rowmill rejects RUN --csv` wrote, its column `row` corrected; a line that is taken out is left as it "
    "is. Only these rows are given to the job's function.",
)
@declared.run_id
@click.argument("fix", metavar="FIX")
@click.option("--dry-run", is_flag=True, help="Call the function, tell what would come of it, and write nothing.")
@declared.by
@declared.keep_code
@declared.job_option
@declared.workspace
@declared.as_json
def repair(
    run_id: str,
    fix: str,
    *,
    dry_run: bool,
    by: str,
    keep_code: bool,
    job: str,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Tell what came of it."""
    from rowmill import api

    if dry_run:
        with telling.users_code():
            told = api.rehearse(run_id, fix, workspace=workspace, job=job, keep_code=keep_code)
        telling.answer_json(told) if as_json else telling.answer(_rehearsal_text(told))
        return
    with telling.users_code():
        report = api.repair(run_id, fix, by=by, workspace=workspace, job=job, keep_code=keep_code)
    telling.answer_json(report) if as_json else telling.answer(layout.amended_text(report))


def _rehearsal_text(told: Rehearsal) -> str:
    pairs = [
        ("corrected", layout.some(told.corrected, "row")),
        ("written", f"{told.written:,}"),
        ("filtered", f"{told.filtered:,}"),
        ("refused", f"{len(told.refused):,}"),
        ("left", layout.some(told.left, "reject")),
    ]
    head = f"a rehearsal of run {told.run_id}: nothing was written"
    refused = (f"still refused: line {one.line}, row {one.ordinal + 1}: {one.reason}" for one in told.refused)
    return "\n".join([head, layout.fields(pairs), *map(layout.printable, refused)])
