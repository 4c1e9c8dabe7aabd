"""The local AWS in the environment, machines in it, and commands as their users see them."""

from __future__ import annotations

import itertools
import json
import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest

from rowmill.cli import outcome

from .kit import ROLE, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rowmill.devcloud import Devcloud

NUMBERS = itertools.count(1)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def aws(rowmill_devcloud: Devcloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the local AWS be the one that is met."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ROWMILL_"))]:
        monkeypatch.delenv(name)
    for name, value in rowmill_devcloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def states(rowmill_devcloud: Devcloud) -> Iterator[Any]:
    """The local AWS's Step Functions, that no test spoils."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    with closing(
        boto3.client("stepfunctions", endpoint_url=rowmill_devcloud.endpoint, region_name="us-east-1", **keys)
    ) as client:
        yield client


@pytest.fixture
def deployed(aws: None, states: Any) -> Iterator[Callable[..., Machine]]:
    """Give machines by their definitions and further tags; what they have under way ends with the test."""
    del aws
    made: list[Machine] = []

    def make(definition: dict[str, Any], **tags: str) -> Machine:
        number = next(NUMBERS)
        job, bucket = f"orders{number}.py", f"in-{number}"
        known = {"job": f"/job/{job}", "input-bucket": bucket, "namespace": "mills", **tags}
        arn = states.create_state_machine(
            name=f"mill-{number}",
            definition=json.dumps(definition),
            roleArn=ROLE,
            tags=[{"key": f"rowmill:{name.replace('_', '-')}", "value": value} for name, value in known.items()],
        )["stateMachineArn"]
        made.append(Machine(arn, job, bucket, states))
        return made[-1]

    yield make
    for machine in made:
        for one in machine.executions():
            with suppress(states.exceptions.ClientError):
                states.stop_execution(executionArn=one["executionArn"])
        states.delete_state_machine(stateMachineArn=machine.arn)


@pytest.fixture
def rowmill(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Give commands."""

    def give(*words: str) -> Ended:
        capfd.readouterr()
        code = outcome(words)
        shown = capfd.readouterr()
        return Ended(code, shown.out, shown.err)

    return give


@pytest.fixture
def run(rowmill: Callable[..., Ended]) -> Callable[..., Ended]:
    """Give the command of a run by a machine."""

    def give(machine: Machine, *words: str) -> Ended:
        return rowmill("run", machine.job, machine.input, "--on", "stepfunctions", *words)

    return give
