"""JSON Lines: one JSON value a line."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import ProcessingError
from rowmill.formats import Decoded, Head
from rowmill.formats.borders import Rules
from rowmill.formats.text import BOM, MAX_ROW_BYTES, full_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

DECODER = msgspec.json.Decoder(float_hook=Decimal)  # 9.10 stays 9.10
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, DecimalException, RecursionError)
UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)
ENCODER = msgspec.json.Encoder(decimal_format="number")


class Jsonl(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON value a line; blank lines are no rows. Numbers with a point are read as exact Decimal.

    Args:
        max_row_bytes: A longer row is a reject.
    """

    max_row_bytes: int = MAX_ROW_BYTES

    @property
    def encoding(self) -> str:
        """JSON Lines are UTF-8."""
        return "utf-8"

    @property
    def rules(self) -> Rules:
        """How rows end."""
        return Rules()

    def read_head(self, data: bytes, *, final: bool) -> Head | None:
        """Pass over a byte order mark."""
        if len(data) < len(BOM) and not final:
            return None
        return Head(None, len(BOM) if data.startswith(BOM) else 0)

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:  # noqa: ARG002 - rows carry their names
        """Read whole rows."""
        lines = full_lines(data)
        try:
            return Decoded(list(map(DECODER.decode, lines)), {})
        except UNREADABLE:
            return _decode_each(lines)

    def columns_of(self, value: Any) -> tuple[str, ...] | None:  # noqa: ARG002
        """Lines have no columns."""
        return None

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Nothing stands before the rows."""
        return b""

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Write each value as one line."""
        try:
            return ENCODER.encode_lines(values)
        except UNWRITABLE:
            for place, value in enumerate(values):
                try:
                    ENCODER.encode(value)
                except UNWRITABLE as error:
                    raise ProcessingError(
                        f"a result cannot be written as JSON: {error}",
                        hint="return text, numbers, booleans, None, dates, lists and dicts of them",
                        ordinal=place,
                    ) from None
            raise


def _decode_each(lines: list[bytes]) -> Decoded:
    good: list[Any] = []
    malformed: dict[int, str] = {}
    for place, line in enumerate(lines):
        try:
            good.append(DECODER.decode(line))
        except UNREADABLE as error:
            malformed[place] = _reason(error)
    return Decoded(good, malformed)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not utf-8"
    if isinstance(error, DecimalException):
        return "a number is too large"
    return "not JSON: nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"
