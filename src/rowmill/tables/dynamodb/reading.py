"""Rows of a live table, read back to be verified."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary, TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from rowmill.errors import TransientError
from rowmill.tables.dynamodb.connecting import client, translated
from rowmill.tables.dynamodb.encoding import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ASKED_TOGETHER, TRIES = 100, 50


def is_empty(region: str | None, name: str) -> bool:
    """Whether a table is gone, or has no row."""
    try:
        return not client(region).scan(TableName=name, Limit=1, ConsistentRead=True)["Count"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return True
        raise translated(error, name) from None
    except BotoCoreError as error:
        raise translated(error, name) from None


def counted(region: str | None, name: str) -> int:
    """Return how many rows a table has."""
    try:
        pages = client(region).get_paginator("scan").paginate(TableName=name, Select="COUNT", ConsistentRead=True)
        return sum(page["Count"] for page in pages)
    except (ClientError, BotoCoreError) as error:
        raise translated(error, name) from None


def found_rows(
    region: str | None, name: str, kinds: Mapping[str, str], keys: Iterable[tuple[Any, ...]]
) -> Iterator[dict[str, Any] | None]:
    """Return the row of each key, None where there is none."""
    left = iter(keys)
    while some := list(islice(left, ASKED_TOGETHER)):
        asked = [_key(kinds, key) for key in some]
        known: dict[Any, dict[str, Any]] = {}
        for item in _asked(region, name, {_hashable(key, kinds): key for key in asked}.values()):
            known[_hashable(item, kinds)] = item
        for key in asked:
            found = known.get(_hashable(key, kinds))
            yield None if found is None else _row(found)


def _key(kinds: Mapping[str, str], key: Sequence[Any]) -> dict[str, Any]:
    made = {}
    for (column, kind), value in zip(kinds.items(), key, strict=True):
        made[column] = {kind: value if kind == "B" else str(value)} if not isinstance(value, dict) else attribute(value)
    return made


def _hashable(item: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[Any, ...]:
    return tuple(Decimal(item[key]["N"]) if kind == "N" else item[key][kind] for key, kind in kinds.items())


def _asked(region: str | None, name: str, keys: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    wanted, items = {name: {"Keys": list(keys), "ConsistentRead": True}}, []
    for _ in range(TRIES):
        try:
            answer = client(region).batch_get_item(RequestItems=wanted)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, name) from None
        items += answer["Responses"].get(name, [])
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return items
    raise TransientError(f"the table {name!r} does not answer in full", hint="give the same command again later")


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    read = TypeDeserializer()
    row = {column: read.deserialize(value) for column, value in item.items()}
    return {column: bytes(value) if isinstance(value, Binary) else value for column, value in row.items()}
