"""`rowmill split`: the first step alone, as pods call it."""

from __future__ import annotations

from typing import Any

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill split orders.py sales.csv --json",
    "Take the first step: find the partitions and publish their list. "
    "Safe to repeat: a list that is there is used as it is.",
)
@declared.job
@declared.input_
@declared.output
@declared.table
@declared.workspace
@declared.workers
@declared.rows_per_partition
@declared.params
@declared.rejects
@declared.overwrite
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

    with telling.users_code():
        manifest = api.split(job, input, **chosen)
    partitions = len(manifest.partitions)
    if as_json:
        facts = {"run_id": manifest.run_id, "rows": manifest.rows, "partitions": partitions, "input": manifest.input}
        telling.answer_json({"schema": "rowmill.split/1", **facts})
    else:
        telling.answer(
            f"{manifest.rows:,} rows in {layout.some(partitions, 'partition')}; next: rowmill process {manifest.run_id}"
        )
