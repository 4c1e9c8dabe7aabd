"""Rows as the text of COPY: a whole chunk at once where nothing in it is special, else cell by cell. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NULL = "\\N"
JSON_TYPES = ("json", "jsonb")
# What means something in the text of COPY.
SPECIAL = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def null_of(declared: str | None) -> str:
    """Return how COPY writes NULL: as the job does, where COPY can read that."""
    return NULL if declared is None or any(letter in declared for letter in (*SPECIAL, "\x00")) else declared


def whole(values: Sequence[Mapping[str, Any]], cells_of: Callable[[Any], Sequence[str]], width: int) -> bytes | None:
    """Return a chunk as text; None if a cell is missing, is no text, or has a letter that means something to COPY.

    Args:
        values: The rows.
        cells_of: Gives a row's cells.
        width: How many there are.
    """
    try:
        text = "\n".join(["\t".join(cells_of(value)) for value in values])
        made = text.encode()
    except (KeyError, TypeError, UnicodeEncodeError):
        return None
    plain = text.count("\t") == len(values) * (width - 1) and text.count("\n") == len(values) - 1
    return made if plain and not any(letter in text for letter in ("\\", "\r", "\x00")) else None


def line(cells: Sequence[Any], kinds: Sequence[str], null: str) -> bytes:
    """Return one row as text, whatever is in it.

    Raises:
        ValueError: A column of this type cannot hold a cell.
    """
    texts = [cell if isinstance(cell, str) else text_of(cell, kind) for cell, kind in zip(cells, kinds, strict=True)]
    try:
        made = "\t".join([null if text is None else escaped(text) for text in texts]).encode()
    except UnicodeEncodeError:
        raise ValueError("a text has half a letter, which is no UTF-8") from None
    if b"\x00" in made:
        raise ValueError("a text holds a NUL character, which PostgreSQL cannot")
    return made


def escaped(text: str) -> str:
    """Return a cell so that COPY reads the same text."""
    for letter, written in SPECIAL.items():  # the backslash first
        if letter in text:
            text = text.replace(letter, written)
    return text


def text_of(value: Any, kind: str) -> str | None:
    """Return a value as text that PostgreSQL reads back as the same value.

    Raises:
        ValueError: A column of this type cannot hold it.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        if kind != "bytea":
            raise ValueError(f"a column of type {kind} cannot hold bytes")
        return f"\\x{value.hex()}"
    if isinstance(value, (list, dict, tuple, set)):
        if kind not in JSON_TYPES or isinstance(value, set):
            raise ValueError(f"a column of type {kind} cannot hold a {type(value).__name__}")
        try:
            return msgspec.json.encode(value).decode()
        except (TypeError, ValueError):
            raise ValueError("a list or dict holds what JSON cannot") from None
    return str(value)
