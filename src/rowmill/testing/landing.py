"""A file lands: drop it into the bucket of a stack that was deployed onto the local AWS, and wait for what comes of it.

As it stands in the stack's outputs: `InputBucketName`, `OutputBucketName`, `StateMachineArn`, `TableName`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import TransientError

if TYPE_CHECKING:
    from rowmill.devcloud import Devcloud
    from rowmill.devcloud.deploying import Deployed

__all__ = ["Landed", "Stack", "stack"]

POLL_S, PATIENCE_S = 0.05, 300.0


class Landed(NamedTuple):
    """How an execution ended.

    Attributes:
        execution: Its ARN.
        status: `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
        output: What it answers, if it succeeded.
        error, cause: If it failed.
        seconds: From the file's landing to the execution's end, as seen from here.
    """

    execution: str
    status: str
    output: dict[str, Any]
    error: str
    cause: str
    seconds: float


class Stack(NamedTuple):
    """A deployed stack, seen from outside.

    Attributes:
        s3, states, dynamodb, lambdas: Clients of boto3, in its region.
        bucket, outputs, machine, table: Its names.
    """

    s3: Any
    states: Any
    dynamodb: Any
    lambdas: Any
    bucket: str
    outputs: str
    machine: str
    table: str

    def drop(self, file: str | Path, key: str = "") -> Landed:
        """Put a file into the bucket, wait for the execution that it starts, and for that one's end.

        Raises:
            TransientError: No execution starts, or it does not end.
        """
        began = time.monotonic()
        execution = self.put(file, key)
        return self.end(execution)._replace(seconds=time.monotonic() - began)

    def put(self, file: str | Path, key: str = "") -> str:
        """Put a file into the bucket; return the execution that it starts.

        Raises:
            TransientError: None starts.
        """
        key, before = key or Path(file).name, set(self.executions(key or Path(file).name))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=Path(file).read_bytes())
        end = time.monotonic() + PATIENCE_S
        while not (found := set(self.executions(key)) - before):
            _wait(end, f"nothing was started by {key}")
        return found.pop()

    def executions(self, key: str) -> list[str]:
        """Return the executions that were started by an object, the newest first."""
        found = self.states.list_executions(stateMachineArn=self.machine)["executions"]
        return [one["executionArn"] for one in found if _key(self.told(one["executionArn"])) == key]

    def told(self, execution: str) -> dict[str, Any]:
        """Return what Step Functions tells of an execution."""
        return dict(self.states.describe_execution(executionArn=execution))

    def start(self, event: dict[str, Any]) -> str:
        """Start an execution by hand; return it."""
        return str(self.states.start_execution(stateMachineArn=self.machine, input=json.dumps(event))["executionArn"])

    def end(self, execution: str) -> Landed:
        """Wait until an execution has ended.

        Raises:
            TransientError: It does not.
        """
        began = time.monotonic()
        while (found := self.told(execution))["status"] == "RUNNING":
            _wait(began + PATIENCE_S, f"{execution} does not end")
        output = json.loads(found.get("output") or "{}")
        ended = Landed(execution, found["status"], output, found.get("error", ""), found.get("cause", ""), 0.0)
        return ended._replace(seconds=time.monotonic() - began)

    def read(self, key: str) -> bytes:
        """Return what stands in the bucket of outputs."""
        return bytes(self.s3.get_object(Bucket=self.outputs, Key=key)["Body"].read())

    def items(self) -> list[dict[str, str]]:
        """Return the table's items; each attribute by its only value."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table)
        found = (item for page in pages for item in page["Items"])
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in found]


def stack(cloud: Devcloud, deployed: Deployed) -> Stack:
    """Return a deployed stack, seen from outside."""
    import boto3  # noqa: PLC0415 - an extra

    keys = {name.lower(): cloud.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    session = boto3.Session(region_name=deployed.region, **keys)
    clients = [session.client(name, endpoint_url=cloud.endpoint) for name in CLIENTS]
    return Stack(*clients, *(_output(deployed, name) for name in OUTPUTS))


CLIENTS = ("s3", "stepfunctions", "dynamodb", "lambda")
OUTPUTS = ("InputBucketName", "OutputBucketName", "StateMachineArn", "TableName")


def _output(deployed: Deployed, name: str) -> str:
    return next((value for key, value in deployed.outputs.items() if name in key), "")


def _key(told: dict[str, Any]) -> str:
    given = json.loads(told.get("input") or "{}")
    return str(given.get("detail", {}).get("object", {}).get("key", ""))


def _wait(end: float, why: str) -> None:
    if time.monotonic() > end:
        raise TransientError(why, hint="look at the local AWS' logs, and at the state machine's executions")
    time.sleep(POLL_S)
