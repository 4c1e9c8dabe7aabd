"""`rowmill process`: the second step alone, for some partitions, for one pod's share of them, or for all."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from rowmill import wire
from rowmill.cli import declaring as declared
from rowmill.cli import ending, keeping, layout, telling

if TYPE_CHECKING:
    from rowmill.model.receipt import Receipt


@declared.command(
    "rowmill process RUN --partition 0 --partition 1",
    "Take the second step: run the function on the rows of some partitions, or of all. "
    "Safe to repeat: a partition that has its receipt is not done again.\n\n"
    "A pod gives --of and --attempt: the first pod of an attempt publishes the list of unfinished partitions, and "
    "each takes every N-th of them, from its index.",
)
@declared.run_id
@click.option(
    "--partition", "partitions", type=click.IntRange(min=0), multiple=True, metavar="N", help="Which; repeatable."
)
@click.option(
    "--index",
    type=click.IntRange(min=0),
    envvar=wire.INDEX_VARIABLE,
    metavar="I",
    help=f"Which pod this is, from 0.  [default: {wire.INDEX_VARIABLE}]",
)
@click.option("--of", type=click.IntRange(min=1), metavar="N", help="How many pods share the partitions.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="A", help="Number of the try.")
@declared.job_option
@declared.workspace
@declared.as_json
def process(
    run_id: str,
    *,
    partitions: tuple[int, ...],
    index: int | None,
    of: int | None,
    attempt: int | None,
    job: str,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Process, and tell what became of the rows."""
    from rowmill import api
    from rowmill.model.failure import LOG_BYTES

    _sensible(partitions, index, of, attempt)
    with keeping.kept_log(LOG_BYTES) if ending.in_pod() else nullcontext(str) as log, telling.users_code():
        if of is not None and index is not None and attempt is not None:
            receipts = api.process_share(run_id, index, of, attempt, workspace=workspace, job=job, log=log)
        else:
            receipts = api.process(
                run_id, list(partitions) or None, workspace=workspace, job=job, attempt=attempt or 0, log=log
            )
    _tell_end(run_id, receipts)
    if as_json:
        done = [{"partition": one.partition, "attempt": one.attempt, "counts": one.counts} for one in receipts]
        telling.answer_json({"schema": "rowmill.process/1", "run_id": run_id, "partitions": done})
    else:
        telling.answer(_text_of(run_id, receipts))


def _sensible(partitions: tuple[int, ...], index: int | None, of: int | None, attempt: int | None) -> None:
    if of is None:
        return
    if partitions:
        raise click.UsageError("--partition names partitions, --of shares all that are left: give one of them")
    if index is None or attempt is None:
        raise click.UsageError("a pod that gives --of gives --index and --attempt too")


def _tell_end(run_id: str, receipts: list[Receipt]) -> None:
    counts = {
        name: sum(getattr(one.counts, field) for one in receipts)
        for name, field in (("rows", "read"), ("written", "written"), ("rejected", "rejected"))
    }
    ending.step("process", run_id=run_id, partitions=len(receipts), **counts)


def _text_of(run_id: str, receipts: list[Receipt]) -> str:
    head = ("partition", "read", "written", "filtered", "rejected")
    rows = (
        [f"{n:,}" for n in (one.partition, counts.read, counts.written, counts.all_filtered, counts.rejected)]
        for one in receipts
        for counts in [one.counts]
    )
    return f"{layout.columns(head, rows)}\nwhen all partitions are done: rowmill merge {run_id}"
