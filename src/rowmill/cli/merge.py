"""`rowmill merge`: the last step alone."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import ending, telling
from rowmill.cli.run import text_of


@declared.command(
    "rowmill merge RUN",
    "Take the last step: check the laws, settle the table, publish the output. Safe to repeat: it is published once.",
)
@declared.run_id
@declared.job_option
@declared.workspace
@declared.as_json
def merge(run_id: str, *, job: str, workspace: str | None, as_json: bool) -> None:
    """Merge, and tell how the run ended."""
    from rowmill import api

    with telling.users_code():
        report = api.merge(run_id, workspace=workspace, job=job)
    ending.step("merge", **ending.facts_of(report))
    if as_json:
        telling.answer_json(report)
    else:
        telling.answer(text_of(report))
