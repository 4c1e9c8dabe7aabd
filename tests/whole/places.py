"""The places that runs write into, looked at by the tests without Rowmill."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.testing.dynamodb_stub import DynamoStub


class Bucket(NamedTuple):
    """A bucket of the local S3, always reached directly."""

    client: Any
    name: str

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def get(self, key: str) -> bytes | None:
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key)
        except self.client.exceptions.NoSuchKey:
            return None
        with closing(answer["Body"]) as body:  # its own `with` would give the raw stream
            return body.read()

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def uploads(self) -> list[str]:
        """Return the keys of uploads that are neither complete nor aborted."""
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]


def rows_of_sqlite(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute('SELECT * FROM "Orders"')]


def rows_of_stub(stub: DynamoStub, name: str = "Orders") -> list[dict[str, Any]]:
    return [plain(item) for item in stub.items(name).values()]


def rows_of_dynamodb(client: Any, name: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=name)
    return [plain(item) for page in pages for item in page["Items"]]


def plain(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an item of text attributes as a row; another type is kept as it is, and will not compare."""
    return {name: value["S"] if set(value) == {"S"} else value for name, value in item.items()}
