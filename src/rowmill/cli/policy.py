"""`rowmill policy`: the least rights on AWS that a run needs."""

from __future__ import annotations

from typing import Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill policy orders.py s3://in/orders.csv --table dynamodb://eu-west-1/Orders",
    "Show the least-privilege IAM policy that a run needs, as JSON. Nothing is asked of AWS.",
)
@declared.job
@declared.input_
@declared.output
@declared.table
@declared.workspace
@declared.create_table
@click.option("--account", default="*", metavar="ID", help="The table's AWS account.  [default: any]")
def policy(**chosen: Any) -> None:
    """Show the policy."""
    from rowmill import api

    with telling.users_code():
        document = api.policy(chosen.pop("job"), chosen.pop("input"), **chosen)
    telling.answer_json(document)
