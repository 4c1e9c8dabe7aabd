"""Bytes to text, and text to values of an output: what the formats have in common."""

from __future__ import annotations

import codecs
from datetime import date, time
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from rowmill.errors import ConfigurationError, ProcessingError

BOM = codecs.BOM_UTF8
ASCII = bytes(range(128))
UTF_8 = ("utf-8", "utf-8-sig")
MAX_ROW_BYTES = 1024 * 1024
PLAIN_TYPES = (int, float, Decimal, date, time, UUID)  # their str() is what a reader expects in a cell


def canonical(encoding: str) -> str:
    """Return the codec's own name.

    Raises:
        ConfigurationError: There is no such encoding.
    """
    try:
        b"a".decode(encoding, "replace")  # refuses what is a codec, but not of text
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ConfigurationError(f"there is no encoding {encoding!r}", hint="see Python's list of codecs") from None


@cache
def cuts_by_bytes(encoding: str) -> bool:
    """Whether every byte in `encoding` is one character, and an ASCII byte itself: borders need no decoding then.

    It holds for UTF-8 as well, whose longer characters have no ASCII byte in them.
    """
    if canonical(encoding) in UTF_8:
        return True
    high = bytes(range(128, 256))
    probes = (ASCII, high, *(bytes([byte]) for byte in high), b"\x1b$B", b"\\n\\u0041")  # shifts and escapes too
    if any(len(probe.decode(encoding, "replace")) != len(probe) for probe in probes):
        return False
    return ASCII.decode(encoding, "replace") == ASCII.decode("ascii")


def opening(encoding: str) -> bytes:
    """Return what stands once before a text in `encoding`: a byte order mark, or nothing."""
    return "".encode(encoding)


def full_lines(data: bytes) -> list[bytes]:
    """Return the lines without their ends, blank ones left out."""
    return [line.removesuffix(b"\r") for line in data.split(b"\n") if line and line != b"\r"]


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
    """Encode `text`, which is made of `rows` and stands after others: without a byte order mark.

    Raises:
        ProcessingError: A character has no place in the encoding; `ordinal` is the row's place.
    """
    try:
        return text.encode(encoding).removeprefix(opening(encoding))
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
