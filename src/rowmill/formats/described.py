"""A format as plain values, as a run's record keeps it, and back: files are read again without the job's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import StateError
from rowmill.formats.csv import Csv
from rowmill.formats.fixed import FixedWidth
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines
from rowmill.formats.trailer import Trailer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.formats import Format

KINDS = {kind.__name__: kind for kind in (Csv, Jsonl, Lines, FixedWidth)}


def described(form: Format) -> dict[str, Any]:
    """Return a format as plain values."""
    fields: dict[str, Any] = msgspec.to_builtins(form)
    return {"kind": type(form).__name__, **fields}


def rebuilt(values: Mapping[str, Any]) -> Format:
    """Return the format that was described.

    Raises:
        StateError: It is none of Rowmill's own.
    """
    fields = dict(values)
    kind = KINDS.get(fields.pop("kind", ""))
    if kind is None:
        raise StateError("the run's record names a format that only its job knows", hint="verify with --replay")
    if fields.get("trailer") is not None:
        fields["trailer"] = Trailer(**fields["trailer"])
    return kind(**fields)
