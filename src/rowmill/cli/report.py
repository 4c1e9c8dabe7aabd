"""`rowmill report`: what a run did, as text, JSON, or a page that is one file."""

from __future__ import annotations

from pathlib import Path

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

REJECTS = 25


@declared.command(
    "rowmill report RUN --html report.html",
    "Show what a run did: the report of one that has ended well, again.\n\n"
    "With --html the run is written as a page, however it stands: one file that needs no server and no script, "
    "and holds no row's text. Its name is rowmill-RUN.html if none is given.",
)
@declared.optional_run_id
@click.option("--html", is_flag=False, flag_value="-", metavar="[FILE]", help="Write a page.")
@declared.workspace
@declared.as_json
def report(run_id: str | None, *, html: str | None, workspace: str | None, as_json: bool) -> None:
    """Show it, or write the page."""
    from rowmill import api
    from rowmill.storage import open_storage

    if html is not None and as_json:
        raise click.UsageError("give --html or --json, not both")
    chosen = run_id or api.status(workspace=workspace).run_id
    if html is None:
        told = api.report(chosen, workspace=workspace)
        if as_json:
            telling.answer_json(told)
        else:
            telling.answer(layout.report_text(told))
        return
    file = Path(f"rowmill-{chosen}.html" if html == "-" else html)
    open_storage(str(file.absolute().parent)).put(file.name, page_of(chosen, workspace).encode())
    telling.answer(f"{file}: a page of the run {chosen}")


def page_of(run_id: str, workspace: str | None) -> str:
    """Return a run's page as one file."""
    from rowmill import api
    from rowmill.web import pages

    seen = api.look(run_id, workspace=workspace)
    return pages.report(seen, api.refused(seen, workspace=workspace, most=REJECTS))
