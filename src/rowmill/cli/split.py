"""`rowmill split`: the first step alone, as pods call it."""

from __future__ import annotations

from typing import Any

from rowmill.cli import declaring as declared
from rowmill.cli import ending, layout, telling


@declared.command(
    "rowmill split orders.py sales.csv --json",
    "Take the first step: find the partitions and publish their list. "
    "Safe to repeat: a list that is there is used as it is.",
)
@declared.job
@declared.input_
@declared.request_options
@declared.as_json
def split(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Split, and tell the run's id."""
    from rowmill import api

    declared.refuse_keep_and_fresh(chosen)
    with telling.users_code():
        begun = api.split(job, input, **chosen)
    manifest, left = begun.manifest, len(begun.unfinished)
    partitions = len(manifest.partitions)
    facts = {"run_id": manifest.run_id, "rows": manifest.rows, "partitions": partitions}
    found = {"unfinished": left, "next_attempt": begun.next_attempt, "finished": begun.report is not None}
    ending.step("split", **facts, **found, bytes=manifest.input.bytes)
    if as_json:
        telling.answer_json({"schema": "rowmill.split/1", **facts, **found, "input": manifest.input})
    else:
        telling.answer(
            f"{manifest.rows:,} rows in {layout.some(partitions, 'partition')}; next: rowmill process {manifest.run_id}"
        )
