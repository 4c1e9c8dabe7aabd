"""A strict DynamoDB, and tables of runs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rowmill.job import Table
from rowmill.storage import open_storage
from rowmill.tables.dynamodb.table import DynamoDb
from rowmill.testing.dynamodb_stub import DynamoStub
from rowmill.tracker import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.storage import Storage

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStub]:
    """A server with no table."""
    with DynamoStub() as server:
        for name, value in (KEYS | {"AWS_ENDPOINT_URL_DYNAMODB": server.url}).items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def workspace(tmp_path) -> Storage:
    return open_storage(str(tmp_path / "work"))


@pytest.fixture
def table(stub: DynamoStub, workspace: Storage) -> Iterator[Callable[..., DynamoDb]]:
    """Open tables of runs, as processes do: `Orders` with the key `id`, made if it is not there."""
    del stub  # it is where they are
    opened: list[DynamoDb] = []

    def open_one(
        run_id: str = "run-1", *, url: str = "dynamodb://eu-west-1/Orders", create: bool = True, **declared: Any
    ) -> DynamoDb:
        made = Table(**{"name": "Orders", "key": "id", **declared})
        opened.append(DynamoDb(url, made, run_id=run_id, workspace=workspace, pace=UNLIMITED, create=create))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
