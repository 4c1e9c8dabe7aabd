"""Python values to DynamoDB's attribute values, exactly, and how large these are. Pure.

Source: the types and the size rules of DynamoDB's developer guide; what boto3's TypeSerializer takes, this takes the
same way.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any
from uuid import UUID

MOST_DIGITS = 38
LEAST_EXPONENT, MOST_EXPONENT = -130, 125
MOST_DEPTH = 32
SHORT_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?", re.ASCII)  # nearly all: right as they stand
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
EXACT = Context(
    prec=MOST_DIGITS, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=[InvalidOperation, Inexact, Overflow]
)
SHORTEST_WHOLE = 10**MOST_DIGITS  # below it an int has digits to spare
LONE_SURROGATE = "a text holds a lone surrogate, which no Unicode text has"
NOT_A_NUMBER = "a number is expected, and its text is none"
BOOLS = {"true": True, "false": False, "1": True, "0": False}


class Unsendable(Exception):  # noqa: N818 - it is a property of an item
    """An item that DynamoDB would not take.

    Attributes:
        reason: Why, without the content of the row.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def attribute(value: Any, depth: int = 0) -> dict[str, Any]:  # noqa: PLR0911 - one line for each type
    """Return a value with its type, as it goes into a request: `{"S": "text"}`.

    Raises:
        Unsendable: DynamoDB has no such value.
    """
    if isinstance(value, str):
        return {"S": unicode_text(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, Decimal, float)):
        return {"N": number_text(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"B": b64encode(value).decode()}
    if isinstance(value, (date, time)):  # a datetime is a date
        return {"S": value.isoformat()}
    if isinstance(value, UUID):
        return {"S": str(value)}
    if isinstance(value, (AbstractSet, list, tuple, Mapping)):
        return collection(value, depth)
    raise Unsendable(f"a {type(value).__name__} has no type in DynamoDB")


def collection(value: AbstractSet[Any] | list[Any] | tuple[Any, ...] | Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """Return a set, list or map with its type."""
    if isinstance(value, AbstractSet):
        return set_attribute(value)
    if depth == MOST_DEPTH:
        raise Unsendable(f"lists and maps stand in each other more than {MOST_DEPTH} deep")
    if isinstance(value, Mapping):
        return {"M": {map_name(name): attribute(one, depth + 1) for name, one in value.items()}}
    return {"L": [attribute(one, depth + 1) for one in value]}


def map_name(name: Any) -> str:
    """Return a map's key, which DynamoDB wants to be a text that is not empty."""
    if not isinstance(name, str):
        raise Unsendable(f"a map has a key of type {type(name).__name__}, not text")
    if not name:
        raise Unsendable("a map has an empty key")
    return unicode_text(name)


def set_attribute(values: AbstractSet[Any]) -> dict[str, Any]:
    """Return a set with its type; in order, so that equal sets are equal bytes."""
    if not values:
        raise Unsendable("a set is empty, which DynamoDB does not know")
    if all(isinstance(one, str) for one in values):
        return {"SS": sorted(unicode_text(one) for one in values)}
    if all(isinstance(one, (int, Decimal, float)) and not isinstance(one, bool) for one in values):
        # 0.1 and Decimal("0.1") are one number, and must not stand there twice.
        once = {shortest_number(text): text for text in sorted(map(number_text, values))}
        return {"NS": sorted(once.values(), key=Decimal)}
    if all(isinstance(one, (bytes, bytearray, memoryview)) for one in values):
        return {"BS": sorted(b64encode(one).decode() for one in values)}
    raise Unsendable("a set holds other things than only texts, only numbers or only bytes")


def unicode_text(text: str) -> str:
    """Return a text if it can be written as UTF-8; bytes that were no text do not pass for some."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unsendable(LONE_SURROGATE) from None
    return text


def number_text(value: str | Decimal | float) -> str:
    """Return a number as DynamoDB takes it, digit by digit what was given.

    Args:
        value: An int or a Decimal; a float, by the shortest text that reads as it; or a text.

    Raises:
        Unsendable: It is none, has more than 38 digits, or is out of range.
    """
    if type(value) is int and -SHORTEST_WHOLE < value < SHORTEST_WHOLE:
        return str(value)
    if isinstance(value, str):
        if SHORT_NUMBER.fullmatch(value):
            return value
        if not NUMBER.fullmatch(value):
            raise Unsendable(NOT_A_NUMBER)
    return str(_exact(repr(value) if isinstance(value, float) else value))


def _exact(value: str | Decimal | float) -> Decimal:
    try:
        number = EXACT.create_decimal(value)
    except Inexact:
        raise Unsendable(f"a number has more than {MOST_DIGITS} digits") from None
    except (InvalidOperation, ValueError):
        raise Unsendable(NOT_A_NUMBER) from None
    if not number.is_finite():
        raise Unsendable("a number is not finite")
    if not number:  # of any exponent
        return number if LEAST_EXPONENT <= number.adjusted() <= MOST_EXPONENT else Decimal(0)
    if not LEAST_EXPONENT <= number.adjusted() <= MOST_EXPONENT:
        raise Unsendable(f"a number is out of range: 1E{LEAST_EXPONENT} to 9.9E+{MOST_EXPONENT}")
    return number


def shortest_number(text: str) -> str:
    """Return the one text for all texts of a number: 1.0 is 1."""
    number = _exact(text).normalize(EXACT)
    return str(number) if number else "0"


def scalar_text(value: Any) -> str:
    """Return what stands for a value in a column that is declared to be text.

    Raises:
        Unsendable: A bool, bytes or a collection is no text.
    """
    if isinstance(value, str):
        return unicode_text(value)
    if not isinstance(value, bool) and isinstance(value, (int, Decimal, float)):
        return number_text(value)
    kind, found = next(iter(attribute(value).items()))
    if kind != "S":
        raise Unsendable(f"text is expected, and a {type(value).__name__} is none")
    return str(found)


def number_of(value: Any) -> str:
    """Return what stands for a value in a column that is declared to be a number.

    Raises:
        Unsendable: It is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal, float)):
        raise Unsendable(f"a number is expected, and a {type(value).__name__} is none")
    return number_text(value)


def binary_of(value: Any) -> str:
    """Return what stands for bytes, or for a text's UTF-8, in a column that is declared to be binary.

    Raises:
        Unsendable: It is neither.
    """
    if isinstance(value, str):
        value = unicode_text(value).encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise Unsendable(f"bytes are expected, and a {type(value).__name__} is none")
    return b64encode(value).decode()


def bool_of(value: Any) -> str:
    """Return `true` or `false` for a bool, or for the texts true, false, 1 and 0.

    Raises:
        Unsendable: It is none of these.
    """
    found = value if isinstance(value, bool) else BOOLS.get(str(value).lower())
    if found is None:
        raise Unsendable("true or false is expected, and it is neither")
    return "true" if found else "false"


def typed_attribute(value: Any, kind: str) -> dict[str, Any]:
    """Return a value as the attribute type that is declared for it; by its own type if none is.

    Raises:
        Unsendable: It has no such form.
    """
    if value is None:
        return {"NULL": True}
    if not kind:
        return attribute(value)
    found = OF_TYPE[kind](value)
    return {kind: found == "true"} if kind == "BOOL" else {kind: found}


OF_TYPE = {"S": scalar_text, "N": number_of, "B": binary_of, "BOOL": bool_of}


def attribute_bytes(one: Mapping[str, Any]) -> int:  # noqa: PLR0911 - one line for each type
    """Return the size of an attribute's value."""
    ((kind, value),) = one.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return number_bytes(value)
    if kind == "B":
        return len(b64decode(value))
    if kind in ("BOOL", "NULL"):
        return 1
    if kind in ("SS", "NS", "BS"):
        return sum(attribute_bytes({kind[0]: each}) for each in value)
    # A list or map takes 3 bytes, and one more for each thing in it.
    if kind == "L":
        return 3 + sum(1 + attribute_bytes(each) for each in value)
    return 3 + sum(1 + len(name.encode()) + attribute_bytes(each) for name, each in value.items())


def number_bytes(text: str) -> int:
    """Return the size of a number: a byte for two digits that count, one more, and one for a minus."""
    digits = text.lstrip("+-").lower().partition("e")[0].replace(".", "").strip("0")
    return (max(len(digits), 1) + 1) // 2 + 1 + text.startswith("-")
