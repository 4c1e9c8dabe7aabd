"""`rowmill plan`: how an input would be shared out, and what its table would take."""

from __future__ import annotations

from typing import Any

from rowmill.cli import declaring as declared
from rowmill.cli import planning


@declared.command(
    "rowmill plan orders.py sales.csv --rows-per-partition 30000",
    "Show the partitions of an input, and for a DynamoDB table the write units, the time and the price. "
    "Nothing is written.",
)
@declared.job
@declared.input_
@declared.table
@declared.workers
@declared.rows_per_partition
@declared.write_rate
@declared.as_json
def plan(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Show the plan."""
    planning.show(job, input, chosen, as_json=as_json)
