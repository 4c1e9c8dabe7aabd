"""Servers that all whole runs share, and the campaigns: commands with their places."""

from __future__ import annotations

import itertools
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rowmill.testing.dynamodb_stub import DynamoStub

from .kit import Campaign, Orders, orders_in
from .places import Bucket, rows_of_sqlite, rows_of_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rowmill.devcloud import Devcloud

BUCKET = "campaign"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    """20,000 orders, some hundred keys twice."""
    return orders_in(tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="session")
def few_orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    """2,000 orders, for a server that is slow."""
    return orders_in(tmp_path_factory.mktemp("few-orders"), 2_000, 40, 40)


def client_of(cloud: Devcloud, service: str) -> Any:
    """Return a client of the local AWS that no test spoils."""
    import boto3  # noqa: PLC0415 - an extra

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=cloud.endpoint, region_name="us-east-1", **keys)


@pytest.fixture(scope="session")
def bucket(rowmill_devcloud: Devcloud) -> Iterator[Bucket]:
    """A bucket of the local AWS."""
    with closing(client_of(rowmill_devcloud, "s3")) as client:
        client.create_bucket(Bucket=BUCKET)
        yield Bucket(client, BUCKET)


@pytest.fixture
def dynamodb(rowmill_devcloud: Devcloud) -> Iterator[Any]:
    """The DynamoDB of the local AWS."""
    with closing(client_of(rowmill_devcloud, "dynamodb")) as client:
        yield client


@pytest.fixture
def stub() -> Iterator[DynamoStub]:
    """A strict DynamoDB with the table of orders; a test may set its faults."""
    with DynamoStub() as server:
        server.create("Orders", {"Order ID": "S"})
        yield server


@pytest.fixture
def local(orders: Orders, tmp_path: Path) -> Iterator[Campaign]:
    """Give a run from files into files and SQLite."""
    words = {
        "output": f"{tmp_path}/out.csv",
        "workspace": f"{tmp_path}/work",
        "table": f"sqlite:///{tmp_path}/table.db",
        "workers": "2",
    }
    campaign = Campaign(orders, tmp_path, words, {}, partial(rows_of_sqlite, tmp_path / "table.db"))
    yield campaign
    campaign.end()


@pytest.fixture
def aws(rowmill_devcloud: Devcloud, bucket: Bucket, tmp_path: Path) -> Iterator[Callable[..., Campaign]]:
    """Give runs from S3 into S3 and a DynamoDB, tracked by Valkey."""
    made: list[Campaign] = []

    def make(orders: Orders, stub: DynamoStub | None = None) -> Campaign:
        prefix = f"run {next(NUMBERS)}+é"  # keys are text, and no path
        bucket.put(f"{prefix}/in.csv", orders.input.read_bytes())
        words = {
            "output": f"s3://{BUCKET}/{prefix}/out.csv",
            "workspace": f"s3://{BUCKET}/{prefix}/work",
            "table": f"sqlite:///{tmp_path}/table.db",
            "tracker": rowmill_devcloud.tracker_url,
            "workers": "2",
        }
        env = {key: value for key, value in rowmill_devcloud.env.items() if key.startswith("AWS_")}
        rows = partial(rows_of_sqlite, tmp_path / "table.db")
        if stub is not None:
            words["table"] = "dynamodb://us-east-1/Orders"
            env["AWS_ENDPOINT_URL_DYNAMODB"] = stub.url
            rows = partial(rows_of_stub, stub)
        given = f"s3://{BUCKET}/{prefix}/in.csv"
        made.append(Campaign(orders, tmp_path, words, env, rows, bucket, prefix, given))
        return made[-1]

    yield make
    for campaign in made:
        campaign.end()
