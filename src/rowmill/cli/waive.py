"""`rowmill waive`: rejects are accepted as they are."""

from __future__ import annotations

import re

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

MOST_ROWS = 1_000_000


def _rows(_ctx: click.Context, _option: click.Parameter, given: str | None) -> set[int] | None:
    if given is None:
        return None
    rows: set[int] = set()
    for part in given.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,18})(?:-([0-9]{1,18}))?\s*", part, re.ASCII)
        if found is None:
            raise click.BadParameter(f"{part!r} is neither a number nor a range: 3,7,10-12")
        first = int(found[1])
        last = int(found[2] or first)
        if not 0 <= last - first < MOST_ROWS:
            raise click.BadParameter(f"{part!r} is no range of at most {MOST_ROWS:,} rows")
        rows.update(range(first, last + 1))
    return rows


@declared.command(
    "rowmill waive RUN --rows 3,7 --reason 'closed accounts, agreed with the branch'",
    "Accept rejects as they are: they stay in the rejects file, and hold the output no longer.",
)
@declared.run_id
@click.option("--rows", metavar="N,N-M", callback=_rows, help="Ordinals, as `rowmill rejects` lists them.")
@click.option("--all", "every", is_flag=True, help="All that are left.")
@click.option("--reason", required=True, help="Why; it stands in the report.")
@declared.by
@declared.job_option
@declared.workspace
@declared.as_json
def waive(
    run_id: str,
    *,
    rows: set[int] | None,
    every: bool,
    reason: str,
    by: str,
    job: str,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Tell what came of it."""
    if every == (rows is not None):
        raise click.UsageError("say which: --rows 3,7 or --all")
    from rowmill import api

    with telling.users_code():
        report = api.waive(run_id, rows, reason=reason, by=by, workspace=workspace, job=job)
    telling.answer_json(report) if as_json else telling.answer(layout.amended_text(report))
