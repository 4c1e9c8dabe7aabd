"""A million orders into a strict DynamoDB stub that keeps them: a whole run, its output and every item compared."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3
import msgspec

from benchmarks import oracle
from benchmarks.dynamodb import REGION, SETTINGS
from benchmarks.results import Experiment, Grid, Target, spread
from benchmarks.running import ENVIRONMENT, JOB, WORKERS, fresh_folder, orders_command, payload, stamp, timed
from rowmill.testing.dynamodb_stub import in_own_process

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results import Bench

TABLE, ASKED = "Orders", 100


def run(bench: Bench) -> Experiment:
    """Measure once: what is compared is more than what is timed."""
    source = payload(bench, bench.rows)
    seconds, items = written(bench, source)
    return Experiment(
        title="A million orders into DynamoDB",
        about=f"`{JOB}` as a whole process with {WORKERS} workers, once; the table is a strict stub in one Python "
        "process, which keeps what it is sent and is itself the slowest part. Output and every item were compared with "
        "the oracle.",
        **stamp(msgspec.structs.replace(bench, runs=1), source, bench.rows),
        targets=(Target("items that are their key's winner", "x", items / len(oracle.winners(source)), at_least=1.0),),
        grid=Grid(
            ("way", "seconds", "items/s"), (("split, process, merge", spread([seconds]), f"{items / seconds:,.0f}"),)
        ),
        charts=(),
        raw={"seconds": [seconds]},
    )


def written(bench: Bench, source: Path) -> tuple[float, int]:
    """Run the job into the stub; return its seconds, and the number of items that are as they must be."""
    key = oracle.KEY
    with in_own_process(table=TABLE, key={key: "S"}) as url, fresh_folder(bench.work / "run") as folder:
        settings = {**SETTINGS, "AWS_ENDPOINT_URL_DYNAMODB": url}
        table = f"dynamodb://{REGION}/{TABLE}"
        options = ("--on", "processes", "--workers", str(WORKERS), "--table", table)
        seconds = timed(orders_command(source, *options), folder, ENVIRONMENT | settings)
        oracle.check_output(source, folder / "output")
        client = boto3.Session("none", "none", region_name=REGION).client("dynamodb", endpoint_url=url)
        return seconds, right_items(client, oracle.winners(source))


def right_items(client: Any, wanted: dict[str, str]) -> int:
    """Return how many items the table has, when each key's is its winner.

    Raises:
        Differs: One is not, or there are too many or too few.
    """
    keys = iter(wanted)
    while some := [{oracle.KEY: {"S": key}} for key in islice(keys, ASKED)]:
        found = client.batch_get_item(RequestItems={TABLE: {"Keys": some}})["Responses"][TABLE]
        told = {item[oracle.KEY]["S"]: item["ConfirmationId"]["S"] for item in found}
        if any(told.get(key[oracle.KEY]["S"]) != wanted[key[oracle.KEY]["S"]] for key in some):
            raise oracle.Differs("an item is not its key's winner, or is missing")
    count = int(client.describe_table(TableName=TABLE)["Table"]["ItemCount"])
    if count != len(wanted):
        raise oracle.Differs(f"the table holds {count:,} items for the input's {len(wanted):,} keys")
    return count
