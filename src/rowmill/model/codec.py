"""Values to JSON and back, checked. The one module that knows the library behind it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from rowmill.errors import IntegrityError

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Return `value` as indented JSON with a final newline; Decimal becomes text."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def encode_line(value: Any) -> bytes:
    """Return `value` as one JSON line."""
    return msgspec.json.encode(value) + b"\n"


def decode(data: bytes, kind: type[T], *, name: str) -> T:
    """Read JSON into `kind` and check it.

    Raises:
        IntegrityError: `name` is not what this version of Rowmill writes.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise IntegrityError(
            f"{name} does not read as {kind.__name__}: {error}",
            hint="it was changed by hand or by another version; keep a copy of the workspace, then give --fresh",
        ) from None
