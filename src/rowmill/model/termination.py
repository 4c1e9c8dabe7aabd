"""What a pod's termination message says: how its step ended, or the error, as JSON of at most 4,096 bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 4096  # Kubernetes keeps no more
STEP_SCHEMA, ERROR_SCHEMA = "rowmill.step/1", "rowmill.error/1"
KEPT = ("schema", "step", "error", "exit_code")  # what tells whose turn it is
LONGEST_FIRST = ("hint", "message")  # what is shortened, in this order, before a place is left out
CUT = "…"


def step_message(step: str, facts: Mapping[str, Any]) -> bytes:
    """Return the message of a step that ended well."""
    return _within({"schema": STEP_SCHEMA, "step": step, **facts})


def error_message(error: Mapping[str, str | int]) -> bytes:
    """Return the message of an error, given as `RowmillError.as_dict` gives it."""
    return _within({"schema": ERROR_SCHEMA, **error})


def read_message(text: str) -> dict[str, Any] | None:
    """Return what a message of ours says; None for any other text."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    ours = isinstance(found, dict) and found.get("schema") in (STEP_SCHEMA, ERROR_SCHEMA)
    return found if ours else None


def _within(fields: dict[str, Any]) -> bytes:
    """Return the fields as JSON that fits: the hint is shortened first, then the message; then places are left out."""
    for name in LONGEST_FIRST:
        if name in fields:
            fields[name] = _shortened(fields, name)
    for name in [name for name in reversed(fields) if name not in (*KEPT, *LONGEST_FIRST)]:
        if len(_encoded(fields)) <= MOST_BYTES:
            break
        del fields[name]
    return _encoded(fields)


def _shortened(fields: Mapping[str, Any], name: str) -> str:
    """Return the longest beginning of a text with which all fields fit, or none of it."""
    text = str(fields[name])
    if len(_encoded(fields)) <= MOST_BYTES:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(_encoded({**fields, name: text[:middle] + CUT})) <= MOST_BYTES:
            fits = middle
        else:
            too_long = middle
    return text[:fits] + CUT if fits else ""


def _encoded(fields: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError:  # a file name that is no text
        return msgspec.json.encode({name: _text(value) for name, value in fields.items()})


def _text(value: Any) -> Any:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
