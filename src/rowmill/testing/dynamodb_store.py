"""DynamoDB's own rules, kept strictly, over items in memory: what the stub server answers by.

Each limit is DynamoDB's: 25 puts a request, no key twice in it, 400 KB an item, keys that are there, of their type, not
empty and not too long, sets without repetition, numbers of 38 digits. It is written apart from the writer that it
tests, and shares nothing with it.
"""

from __future__ import annotations

import base64
import binascii
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, NamedTuple

MOST_PUTS = 25
MOST_KEYS = 100
MOST_ITEM_BYTES = 400 * 1024
MOST_KEY_BYTES = (2048, 1024)  # of the hash key, of the range key
SCALARS = ("S", "N", "B")
SETS = ("SS", "NS", "BS")
EXACT = Context(prec=38, traps=[InvalidOperation, Inexact])
LEAST_EXPONENT, MOST_EXPONENT = -130, 125

Item = dict[str, dict[str, Any]]
Key = tuple[Any, ...]


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An error that DynamoDB answers with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    """Return the refusal of a request that breaks a rule."""
    return Refusal("ValidationException", message)


class KeyPart(NamedTuple):
    """One attribute of a key, and its type."""

    name: str
    type: str


THROUGHPUT = ("ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput", "GlobalSecondaryIndexes")


class StubTable:
    """A table's key and items, and what was asked for of its throughput, which is told and not kept."""

    def __init__(self, name: str, key: tuple[KeyPart, ...], throughput: Item | None = None) -> None:
        self.name = name
        self.key = key
        self._throughput = throughput or {}
        self.items: dict[Key, Item] = {}

    def key_of(self, item: Item, *, whole: bool = False) -> Key:
        """Return an item's key if it is as it must be; `whole` says that the item is to be a key and nothing else."""
        if whole and len(item) != len(self.key):
            raise invalid("The provided key element does not match the schema")
        return tuple(
            key_value(item, part, most) for part, most in zip(self.key, MOST_KEY_BYTES[: len(self.key)], strict=True)
        )

    def description(self) -> dict[str, Any]:
        """Return what DescribeTable tells."""
        return {
            "TableName": self.name,
            "TableStatus": "ACTIVE",
            "TableArn": f"arn:aws:dynamodb:eu-west-1:000000000000:table/{self.name}",
            "KeySchema": [
                {"AttributeName": part.name, "KeyType": kind}
                for part, kind in zip(self.key, ("HASH", "RANGE")[: len(self.key)], strict=True)
            ],
            "AttributeDefinitions": [{"AttributeName": part.name, "AttributeType": part.type} for part in self.key],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
            "ItemCount": len(self.items),
            "TableSizeBytes": 0,
            **self._throughput,
        }


def table_of(request: dict[str, Any]) -> StubTable:
    """Return the table that CreateTable asks for."""
    types = {one["AttributeName"]: one["AttributeType"] for one in request["AttributeDefinitions"]}
    schema = request["KeySchema"]
    if [one["KeyType"] for one in schema] != ["HASH", "RANGE"][: len(schema)]:
        raise invalid("1 validation error detected: Invalid KeySchema")
    indexes = [one for index in request.get("GlobalSecondaryIndexes", ()) for one in index["KeySchema"]]
    if set(types) != {one["AttributeName"] for one in [*schema, *indexes]}:
        raise invalid("One or more parameter values were invalid: Number of attributes in KeySchema does not match")
    key = tuple(KeyPart(one["AttributeName"], types[one["AttributeName"]]) for one in schema)
    return StubTable(request["TableName"], key, {name: request[name] for name in THROUGHPUT if name in request})


def key_value(item: Item, part: KeyPart, most_bytes: int) -> Any:
    """Return one key attribute's value, in a form that is equal for equal values."""
    if part.name not in item:
        raise invalid(f"One or more parameter values were invalid: Missing the key {part.name} in the item")
    ((kind, value),) = item[part.name].items()
    if kind != part.type:
        raise invalid(
            "One or more parameter values were invalid: "
            f"Type mismatch for key {part.name} expected: {part.type} actual: {kind}"
        )
    if kind == "N":
        return number(value)
    if not value:
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {'string' if kind == 'S' else 'binary'} value. Key: {part.name}"
        )
    if value_bytes(kind, value) > most_bytes:
        raise invalid(f"One or more parameter values were invalid: Size of key exceeds the limit of {most_bytes} bytes")
    return value


def checked_item(item: Any) -> int:
    """Return an item's size in bytes if all its attributes are as they must be."""
    size = sum(name_bytes(name) + attribute_bytes(attribute) for name, attribute in item.items())
    if size > MOST_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    return size


def name_bytes(name: str) -> int:
    """Return the size of an attribute's name."""
    if not name:
        raise invalid("One or more parameter values were invalid: Attribute name is empty")
    return len(name.encode())


def attribute_bytes(attribute: Any, depth: int = 0) -> int:
    """Return the size of an attribute's value, by DynamoDB's published rule."""
    if not isinstance(attribute, dict) or len(attribute) != 1:
        raise invalid("Supplied AttributeValue is empty or has more than one datatype")
    if depth > 32:  # noqa: PLR2004 - the published limit
        raise invalid("Nesting Levels have exceeded supported limits")
    ((kind, value),) = attribute.items()
    if kind in SCALARS:
        return value_bytes(kind, value)
    if kind in ("BOOL", "NULL"):
        if not isinstance(value, bool):
            raise invalid("Supplied AttributeValue is not a boolean")
        return 1
    if kind in SETS:
        return set_bytes(kind, value)
    if kind == "L":
        return 3 + sum(1 + attribute_bytes(one, depth + 1) for one in value)
    if kind == "M":
        return 3 + sum(1 + name_bytes(name) + attribute_bytes(one, depth + 1) for name, one in value.items())
    raise Refusal("SerializationException", "an unknown type")


def set_bytes(kind: str, values: list[str]) -> int:
    """Return the size of a set, which must hold something, and nothing twice."""
    if not values:
        raise invalid("One or more parameter values were invalid: An set may not be empty")
    if len({number(one) if kind == "NS" else one for one in values}) != len(values):
        raise invalid("One or more parameter values were invalid: Input collection contains duplicates.")
    return sum(value_bytes(kind[0], one) for one in values)


def value_bytes(kind: str, value: Any) -> int:
    """Return the size of a scalar."""
    if not isinstance(value, str):
        raise Refusal("SerializationException", f"{kind} is not given as a string")
    if kind == "S":
        return len(value.encode())
    if kind == "B":
        try:
            return len(base64.b64decode(value, validate=True))
        except binascii.Error:
            raise Refusal("SerializationException", "binary is not base64") from None
    digits = number(value).as_tuple().digits
    return -(-len(digits) // 2) + 1 + value.startswith("-")


def number(text: str) -> Decimal:
    """Return the number that a text stands for, in its shortest form."""
    try:
        found = EXACT.create_decimal(text).normalize(EXACT)
    except InvalidOperation:
        raise invalid("The parameter cannot be converted to a numeric value") from None
    except Inexact:
        raise invalid("Attempting to store more than 38 significant digits in a Number") from None
    if not found.is_finite():
        raise invalid("The parameter cannot be converted to a numeric value")
    if not found:
        return Decimal(0)
    if not LEAST_EXPONENT <= found.adjusted() <= MOST_EXPONENT:
        raise invalid("Number overflow. Attempting to store a number with magnitude out of the supported range")
    return found
