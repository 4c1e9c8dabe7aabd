"""What a live table is, and how one is made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from rowmill.errors import ConfigurationError, TransientError
from rowmill.tables.dynamodb.connecting import client, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READY_S, LOOK_S = 120.0, 0.2


class Described(NamedTuple):
    """A live table.

    Attributes:
        keys: Type by key attribute: the partition key, then the sort key if there is one.
    """

    keys: Mapping[str, str]


def describe(region: str | None, name: str) -> Described:
    """Return what a table is.

    Raises:
        ConfigurationError: It is not there, or may not be described.
        TransientError: It is being made or removed, or cannot be asked.
    """
    try:
        table = client(region).describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise ConfigurationError(
                f"there is no table {name!r} in {region or 'this region'}",
                hint="give --create-table, or another --table",
            ) from None
        raise translated(error, name) from None
    except BotoCoreError as error:
        raise translated(error, name) from None
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        raise TransientError(f"the table {name!r} is {table['TableStatus']}", hint="give the same command again later")
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    ordered = sorted(table["KeySchema"], key=lambda one: one["KeyType"] != "HASH")
    return Described({one["AttributeName"]: types[one["AttributeName"]] for one in ordered})


def make(region: str | None, name: str, keys: Sequence[str], kinds: Sequence[str]) -> None:
    """Make a table, on demand, if there is none; wait until it takes rows."""
    asked = client(region)
    try:
        asked.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, kind in zip(keys, kinds, strict=True)
            ],
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":  # another was quicker, or it was there
            raise translated(error, name) from None
    except BotoCoreError as error:
        raise translated(error, name) from None
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            describe(region, name)
        except TransientError:
            time.sleep(LOOK_S)
        else:
            return
    describe(region, name)
