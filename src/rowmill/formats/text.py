"""Bytes to text, and text to values of an output: what the formats have in common."""

from __future__ import annotations

import codecs
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from rowmill.errors import ConfigurationError, ProcessingError

BOM = codecs.BOM_UTF8
MAX_ROW_BYTES = 1024 * 1024
PLAIN_TYPES = (int, float, Decimal, date, time, UUID)  # their str() is what a reader expects in a cell


def canonical(encoding: str) -> str:
    """Return the codec's own name.

    Raises:
        ConfigurationError: There is no such encoding.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ConfigurationError(f"there is no encoding {encoding!r}", hint="see Python's list of codecs") from None


def cuts_by_bytes(encoding: str) -> bool:
    """Whether ASCII bytes in `encoding` always stand for themselves, so that borders are found without decoding."""
    if canonical(encoding) == "utf-8":
        return True
    ascii_bytes = bytes(range(128))
    if ascii_bytes.decode(encoding, "replace") != ascii_bytes.decode("ascii"):
        return False
    return all(len(bytes([byte]).decode(encoding, "replace")) == 1 for byte in range(128, 256)) and (
        len(bytes(range(128, 256)).decode(encoding, "replace")) == 128  # noqa: PLR2004 - one character a byte
    )


def cell(value: Any, *, column: str | int) -> str:
    """Return a value as the text of one cell.

    Raises:
        ProcessingError: It is of a kind that has no one text.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, PLAIN_TYPES):
        return str(value)
    raise ProcessingError(
        f"column {column!r} holds a {type(value).__name__}, which a cell cannot hold",
        hint="return text, a number, a date or None for each column",
    )


def encoded(text: str, encoding: str, rows: list[str]) -> bytes:
    """Encode `text`, which is made of `rows`.

    Raises:
        ProcessingError: A character has no place in the encoding; `ordinal` is the row's place.
    """
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        for place, row in enumerate(rows):
            try:
                row.encode(encoding)
            except UnicodeEncodeError:
                raise ProcessingError(
                    f"a value cannot be written as {encoding}: {error.reason}",
                    hint="declare another encoding for the output",
                    ordinal=place,
                ) from None
        raise
