"""What a live table is, and how one is made."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from rowmill.errors import ConfigurationError, TransientError
from rowmill.model.capacity import NEW_TABLE, Takes
from rowmill.tables.dynamodb.attributes import MOST_DIGITS
from rowmill.tables.dynamodb.connecting import client, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

READY_S, LOOK_S = 120.0, 0.2


class Described(NamedTuple):
    """A live table.

    Attributes:
        keys: Type by key attribute: the partition key, then the sort key if there is one.
    """

    keys: Mapping[str, str]


def described(region: str | None, name: str) -> Described | None:
    """Return what a table is, None if it is not there.

    Raises:
        ConfigurationError: It may not be described, or is archived.
        TransientError: It is being made or removed, or cannot be asked.
    """
    table = _told(region, name)
    if table is None:
        return None
    status = table["TableStatus"]
    if status in ("CREATING", "DELETING"):
        raise TransientError(f"the table {name!r} is {status}", hint="give the same command again later")
    if status not in ("ACTIVE", "UPDATING"):
        raise ConfigurationError(f"the table {name!r} is {status}", hint="restore it, or give another --table")
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    ordered = sorted(table["KeySchema"], key=lambda one: one["KeyType"] != "HASH")
    return Described({one["AttributeName"]: types[one["AttributeName"]] for one in ordered})


def takes(region: str | None, name: str) -> Takes:
    """Return what a table takes; one that is not there is about to be a new one, on demand.

    Raises:
        ConfigurationError: It may not be described.
        TransientError: It cannot be asked.

    Source: Amazon DynamoDB API Reference, TableDescription: provisioned, warm and on-demand throughput.
    """
    table = _told(region, name)
    if table is None:
        return NEW_TABLE
    indexes = len(table.get("GlobalSecondaryIndexes", ()))
    provisioned = table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits", 0)
    if provisioned:
        return Takes(provisioned, "provisioned", indexes=indexes, paid_by_hour=True)
    most = table.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits", -1)
    warm = max(table.get("WarmThroughput", {}).get("WriteUnitsPerSecond", 0), NEW_TABLE.units_per_s)
    if 0 < most < warm:
        return Takes(most, "the table's own limit", indexes=indexes)
    return Takes(warm, "on demand, as it is now", indexes=indexes)


def _told(region: str | None, name: str) -> Any:
    """Return what AWS tells of a table, None if it is not there."""
    try:
        return client(region).describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise translated(error, name) from None
    except BotoCoreError as error:
        raise translated(error, name) from None


def describe(region: str | None, name: str) -> Described:
    """Return what a table is.

    Raises:
        ConfigurationError: It is not there, or may not be described.
        TransientError: It is being made or removed, or cannot be asked.
    """
    if (found := described(region, name)) is None:
        raise ConfigurationError(
            f"there is no table {name!r} in {region or 'this region'}", hint="give --create-table, or another --table"
        )
    return found


def make(region: str | None, name: str, keys: Mapping[str, str]) -> None:
    """Make a table, on demand, and wait until it takes rows.

    Args:
        region: Where, if not where the environment says.
        name: The table's name.
        keys: Type by key attribute: the partition key, then the sort key if there is one.

    Raises:
        ConfigurationError: It may not be made.
        TransientError: It is not ready after two minutes.
    """
    try:
        client(region).create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":  # another was quicker
            raise translated(error, name) from None
    except BotoCoreError as error:
        raise translated(error, name) from None
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        with suppress(TransientError):
            if described(region, name) is not None:  # just made, it may not be known everywhere yet
                return
        time.sleep(LOOK_S)
    raise TransientError(f"the table {name!r} is not ready", hint="give the same command again later")


def try_rights(region: str | None, name: str, keys: Mapping[str, str]) -> None:
    """Find out whether rows may be written and looked up: remove a row that no table has, which changes nothing.

    Raises:
        ConfigurationError: They may not.

    Cost: a write unit.
    """
    number = uuid4()
    values = {"S": f"rowmill-{number}", "N": str(number.int)[:MOST_DIGITS], "B": number.bytes}
    nobody: Any = {key: {kind: values[kind]} for key, kind in keys.items()}
    asked = client(region)
    try:
        asked.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": nobody}}]})
        asked.batch_get_item(RequestItems={name: {"Keys": [nobody]}})
    except (ClientError, BotoCoreError) as error:
        told = translated(error, name)
        if not isinstance(told, TransientError):  # who writes the rows waits for a table that is throttled
            raise told from None
