"""Try a deployed stack on a real AWS account: `python scripts/smoke-aws.py STACK`, with the account's credentials.

NOT RUN BY US ON AWS: there is no account behind this project. It was run against the local AWS only.

It deploys nothing. It makes a file of orders that nobody has had before, puts it into the input bucket, waits
for the execution that the bucket's event starts, and compares every byte of the output and every item of the table with
what a plain loop over the same file gives. The stack must have the job `rowmill.examples.orders`, which is what
`Rowmill(self, "Orders")` builds. What it leaves: input and output under `smoke/`, a run in the workspace, and items in
the table.

Rights: cloudformation:ListStackResources, states:ListTagsForResource, ListExecutions, DescribeExecution,
GetExecutionHistory, s3:PutObject on the input bucket, s3:GetObject on the output, dynamodb:BatchGetItem on the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from rowmill import api
from rowmill.errors import ConfigurationError, IntegrityError, RowmillError, TransientError
from rowmill.examples.orders import job
from rowmill.runners.stepfunctions import choosing, client, machines, telling
from rowmill.storage import open_storage, place_of
from rowmill.tables.dynamodb.connecting import named
from rowmill.testing.oracle import expected

if TYPE_CHECKING:
    from rowmill.model.ended import Ended
    from rowmill.runners.stepfunctions.choosing import Machine
    from rowmill.runners.stepfunctions.telling import Execution

JOB = "rowmill.examples.orders"
LOOK_S, EVENT_S = 0.25, 120.0  # an event that takes longer has no rule that it meets
KEYS_AT_ONCE = 100


def main() -> None:
    """Try it, and tell the figures."""
    given = arguments()
    try:
        machine = machine_of(given.stack, given.state_machine)
        with tempfile.TemporaryDirectory() as folder:
            figures = tried(machine, Path(folder) / "test.csv", given.rows, given.timeout)
    except RowmillError as error:
        sys.stderr.write(f"error: {error.message}\n  next: {error.hint}\n")
        sys.exit(error.exit_code)
    for name, value in figures.items():
        sys.stdout.write(f"{name:<22} {value}\n" if not given.json else "")
    sys.stdout.write(f"{json.dumps(figures)}\n" if given.json else "every byte and every item is as it must be\n")


def arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description="Put a file into a deployed stack, and compare what comes out.")
    parser.add_argument("stack", help="name of the stack; its region is AWS_REGION")
    parser.add_argument("--state-machine", help="ARN, where the stack has several")
    parser.add_argument("--rows", type=int, default=199, help="of the file (%(default)s)")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds, then given up (%(default)s)")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    return parser.parse_args()


def machine_of(stack: str, arn: str | None) -> Machine:
    """Return the stack's state machine; it has the example job."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [
        one["PhysicalResourceId"]
        for page in pages
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::StepFunctions::StateMachine" and arn in (None, one["PhysicalResourceId"])
    ]
    if len(found) != 1:
        raise ConfigurationError(f"the stack has {len(found)} state machines", hint="name one with --state-machine")
    machine = machines.tagged(found[0])
    if not choosing.same_job(JOB, machine.tags.get(choosing.JOB, "")):
        raise ConfigurationError(
            f"the machine's job is {machine.tags.get(choosing.JOB)}, and this compares with {JOB}'s",
            hint="deploy one with the example job",
        )
    return machine


def tried(machine: Machine, file: Path, rows: int, timeout_s: float) -> dict[str, Any]:
    """Put a new file, wait for its execution, compare what came out; return the figures."""
    now = datetime.now(UTC)
    api.generate(rows, str(file), seed=int(now.timestamp() * 1000))
    wanted = expected(job, file)
    bucket, key = machine.tags[choosing.BUCKET], f"smoke/{now:%Y%m%dT%H%M%S%f}/{file.name}"
    put = time.monotonic()
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    sys.stderr.write(f"put s3://{bucket}/{key}\n")
    arn = started(machine, f"s3://{bucket}/{key}", now)
    seen_s = time.monotonic() - put
    sys.stderr.write(f"following {arn}\n")
    execution = ended(arn, put + timeout_s)
    end_s = time.monotonic() - put
    told = telling.ended_well(execution)
    check_output(told, wanted.output)
    check_table(machine.tags[choosing.TABLE], wanted.table or [])
    return {
        "rows": rows,
        "put to execution s": round(seen_s, 2),
        "put to end s": round(end_s, 2),
        "state transitions": transitions(arn),
        "execution": arn,
        "output": told.output,
        "run": told.run_id,
    }


def started(machine: Machine, url: str, since: datetime) -> str:
    """Return the execution that the bucket's event started for an object."""
    end = time.monotonic() + EVENT_S
    while time.monotonic() < end:
        page = client.ask("list_executions", machine.region, stateMachineArn=machine.arn, maxResults=KEYS_AT_ONCE)
        for one in page["executions"]:
            if (since - one["startDate"]).total_seconds() > EVENT_S:
                continue
            asked = choosing.asked_of(machines.describe(one["executionArn"]).given)
            if asked is not None and asked[0] == url:
                return str(one["executionArn"])
        time.sleep(LOOK_S)
    raise TransientError(
        f"no execution has started for {url} within {EVENT_S:g} s",
        hint="look at the rule, and at its dead-letter queue",
    )


def ended(arn: str, until: float) -> Execution:
    """Wait for an execution's end.

    Raises:
        RowmillError: It did not end well.
    """
    while (execution := machines.describe(arn)).going:
        if time.monotonic() > until:
            raise TransientError("the execution takes too long", hint=f"look at it, or give --timeout: {arn}")
        time.sleep(LOOK_S)
    if execution.status != telling.SUCCEEDED:
        raise telling.error_of(execution)
    return execution


def check_output(told: Ended, wanted: bytes) -> None:
    """Compare the output's bytes."""
    folder, name = place_of(told.output)
    found = open_storage(folder).get(name)
    if found != wanted:
        raise IntegrityError(f"the output is not what it must be: {told.output}", hint="keep it, and report this")


def check_table(url: str, wanted: list[dict[str, Any]]) -> None:
    """Compare the table's items, each asked for by its key."""
    region, name = named(url)
    table = boto3.client("dynamodb", region_name=region)
    found: dict[str, Any] = {}
    key = job.table.keys[0] if job.table else ""
    keys = [{key: {"S": row[key]}} for row in wanted]
    while keys:
        answer = table.batch_get_item(RequestItems={name: {"Keys": keys[:KEYS_AT_ONCE], "ConsistentRead": True}})
        found |= {item[key]["S"]: item for item in answer["Responses"][name]}
        keys = keys[KEYS_AT_ONCE:] + answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", [])
    for place, row in enumerate(wanted, 1):
        if found.get(row[key]) != {column: {"S": value} for column, value in row.items()}:
            raise IntegrityError(f"the item of row {place:,} is not what it must be", hint="keep it, and report this")


def transitions(arn: str) -> int:
    """Return how many states were entered: what Step Functions charge for."""
    events = client.pages("get_execution_history", arn.split(":")[3], "events", executionArn=arn)
    return sum("stateEnteredEventDetails" in event for event in events)


if __name__ == "__main__":
    main()
