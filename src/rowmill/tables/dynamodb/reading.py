"""Rows of a live table, read back to be verified."""

from __future__ import annotations

import random
import time
from base64 import b64decode
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary, TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from rowmill.errors import TransientError
from rowmill.model.policy import pause_s
from rowmill.tables.dynamodb.attributes import Unsendable, typed_attribute
from rowmill.tables.dynamodb.connecting import client, translated
from rowmill.tables.dynamodb.encoding import MOST_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ASKED_TOGETHER = 100
TRIES, PAUSE_CAP_S = 20, 5.0  # without a row between them


def is_empty(region: str | None, name: str) -> bool:
    """Whether a table is gone, or has no row."""
    pages = client(region).get_paginator("scan").paginate(TableName=name, Select="COUNT", Limit=1, ConsistentRead=True)
    try:
        return not any(page["Count"] for page in pages)
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
        wanted = {_hashable(key, kinds): key for key in asked if key is not None}
        known = {_hashable(item, kinds): item for item in _asked(region, name, wanted.values())} if wanted else {}
        for key in asked:
            found = None if key is None else known.get(_hashable(key, kinds))
            yield None if found is None else _row(found)


def _key(kinds: Mapping[str, str], key: Sequence[Any]) -> dict[str, Any] | None:
    """Return a key as it is asked for; None for what no row can have."""
    made: dict[str, Any] = {}
    for (name, kind), value, most in zip(kinds.items(), key, MOST_KEY_BYTES, strict=False):
        try:
            text = typed_attribute(value, kind).get(kind, "")
        except Unsendable:
            return None
        data = b64decode(text) if kind == "B" else text.encode()
        if not data or (kind != "N" and len(data) > most):
            return None
        made[name] = {kind: data if kind == "B" else text}
    return made


def _hashable(item: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[Any, ...]:
    return tuple(Decimal(item[key]["N"]) if kind == "N" else item[key][kind] for key, kind in kinds.items())


def _asked(region: str | None, name: str, keys: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    wanted: Any = {name: {"Keys": list(keys), "ConsistentRead": True}}
    items: list[dict[str, Any]] = []
    tries, dice = 0, random.Random()  # noqa: S311 - for pauses
    while tries < TRIES:
        try:
            answer = client(region).batch_get_item(RequestItems=wanted)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, name) from None
        found = answer["Responses"].get(name, [])
        items += found
        wanted = answer.get("UnprocessedKeys")
        if not wanted:
            return items
        tries = 0 if found else tries + 1
        time.sleep(pause_s(tries, dice, cap_s=PAUSE_CAP_S))
    raise TransientError(f"the table {name!r} does not answer in full", hint="give the same command again later")


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    read = TypeDeserializer()
    return {column: _plain(read.deserialize(value)) for column, value in item.items()}


def _plain(value: Any) -> Any:
    """Return bytes as bytes, wherever they are, and not as boto3's own type."""
    if isinstance(value, Binary):
        return bytes(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, set):
        return {_plain(one) for one in value}
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value
