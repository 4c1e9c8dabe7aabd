"""`rowmill plan`: how an input would be shared out."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import planning


@declared.command(
    "rowmill plan orders.py sales.csv --rows-per-partition 30000",
    "Show the partitions of an input. Nothing is written.",
)
@declared.job
@declared.input_
@declared.workers
@declared.rows_per_partition
@declared.as_json
def plan(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    workers: int | None,
    rows_per_partition: str | None,
    as_json: bool,
) -> None:
    """Show the plan."""
    planning.show(job, input, workers, rows_per_partition, as_json=as_json)
