"""`rowmill process`: the second step alone, for some partitions or for all."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill process RUN --partition 0 --partition 1",
    "Take the second step: run the function on the rows of some partitions, or of all. "
    "Safe to repeat: a partition that has its receipt is not done again.",
)
@declared.run_id
@click.option(
    "--partition", "partitions", type=click.IntRange(min=0), multiple=True, metavar="N", help="Which; repeatable."
)
@declared.job_option
@declared.workspace
@declared.as_json
def process(run_id: str, *, partitions: tuple[int, ...], job: str, workspace: str | None, as_json: bool) -> None:
    """Process, and tell what became of the rows."""
    from rowmill import api

    with telling.users_code():
        receipts = api.process(run_id, list(partitions) or None, workspace=workspace, job=job)
    if as_json:
        done = [{"partition": one.partition, "attempt": one.attempt, "counts": one.counts} for one in receipts]
        telling.answer_json({"schema": "rowmill.process/1", "run_id": run_id, "partitions": done})
        return
    head = ("partition", "read", "written", "filtered", "rejected")
    rows = (
        [f"{n:,}" for n in (one.partition, counts.read, counts.written, counts.all_filtered, counts.rejected)]
        for one in receipts
        for counts in [one.counts]
    )
    telling.answer(f"{layout.columns(head, rows)}\nwhen all partitions are done: rowmill merge {run_id}")
