"""`rowmill plan`: how an input would be shared out, and what its table would take."""

from __future__ import annotations

from typing import Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import planning


@declared.command(
    "rowmill plan orders.py sales.csv --rows-per-partition 30000",
    "Show the partitions of an input; for a DynamoDB table the write units, time and price; for a cluster the pods. "
    "Nothing is written.",
)
@declared.job
@declared.input_
@declared.table
@declared.workers
@declared.rows_per_partition
@declared.write_rate
@click.option(
    "--on", type=click.Choice(["inline", "processes", "kubernetes"]), help="kubernetes: tell the pods as well."
)
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
