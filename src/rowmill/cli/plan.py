"""`rowmill plan`: how an input would be shared out, how long it would take, and what its table would take."""

from __future__ import annotations

from typing import Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import planning


@declared.command(
    "rowmill plan orders.py sales.csv --rows-per-partition 30000",
    "Show the partitions of an input, and the time and disk that a run will take here. "
    "For that the job is run on the first rows, for about a second, in a folder of its own that is gone afterwards: "
    "what the function does elsewhere is real; --no-sample leaves it out. "
    "For a DynamoDB table the write units, time and price are told; for a cluster the pods.",
)
@declared.job
@declared.input_
@declared.table
@declared.workers
@declared.rows_per_partition
@declared.write_rate
@declared.params
@click.option(
    "--on", type=click.Choice(["inline", "processes", "kubernetes"]), help="kubernetes: tell the pods as well."
)
@click.option("--no-sample", is_flag=True, help="Do not run the job on the first rows.")
@declared.as_json
def plan(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    no_sample: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Show the plan."""
    planning.show(job, input, chosen, sample=not no_sample, as_json=as_json)
