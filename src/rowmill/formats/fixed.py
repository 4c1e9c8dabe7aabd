"""Fixed width: each field has its place in the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import ConfigurationError, ProcessingError
from rowmill.formats import Decoded, Head
from rowmill.formats.borders import Rules
from rowmill.formats.text import BOM, MAX_ROW_BYTES, canonical, cell, encoded, full_lines, opening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class FixedWidth(msgspec.Struct, frozen=True, kw_only=True):
    """A row is a dict of fields cut from a line by character.

    Args:
        fields: Width in characters by name, in order.
        strip: Take off the spaces that fill a field up (reading).
        encoding: Of the text; a UTF-8 byte order mark is skipped.
        max_row_bytes: A longer row is a reject.
    """

    fields: Mapping[str, int]
    strip: bool = True
    encoding: str = "utf-8"
    max_row_bytes: int = MAX_ROW_BYTES

    def __post_init__(self) -> None:
        if not self.fields or any(not isinstance(width, int) or width < 1 for width in self.fields.values()):
            raise ConfigurationError("FixedWidth(fields=…) takes a width of at least 1 for each name")
        canonical(self.encoding)

    @property
    def width(self) -> int:
        """Characters in a line."""
        return sum(self.fields.values())

    @property
    def rules(self) -> Rules:
        """How rows end."""
        return Rules()

    def read_head(self, data: bytes, *, final: bool) -> Head | None:
        """Pass over a byte order mark."""
        if len(data) < len(BOM) and not final:
            return None
        at = len(BOM) if canonical(self.encoding) == "utf-8" and data.startswith(BOM) else 0
        return Head(tuple(self.fields), at)

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:  # noqa: ARG002 - they are declared
        """Read whole rows; a line of another width is malformed."""
        good: list[Any] = []
        malformed: dict[int, str] = {}
        for place, raw in enumerate(full_lines(data)):
            try:
                line = raw.decode(self.encoding)
            except UnicodeDecodeError as error:
                malformed[place] = f"not {self.encoding}: {error.reason}"
            else:
                if len(line) == self.width:
                    good.append(self._cut(line))
                else:
                    malformed[place] = f"{len(line)} characters where {self.width} are declared"
        return Decoded(good, malformed)

    def _cut(self, line: str) -> dict[str, str]:
        row, at = {}, 0
        for name, width in self.fields.items():
            text = line[at : at + width]
            row[name] = text.strip(" ") if self.strip else text
            at += width
        return row

    def columns_of(self, value: Any) -> tuple[str, ...] | None:  # noqa: ARG002
        """Return the declared names."""
        return tuple(self.fields)

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Nothing stands before the rows, but for a byte order mark where the encoding asks for one."""
        return opening(self.encoding)

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Write each dict as one line, fields filled up with spaces on the right."""
        lines = []
        for place, value in enumerate(values):
            try:
                lines.append("".join(self._fill(value, name, width) for name, width in self.fields.items()))
            except ProcessingError as error:
                error.at(ordinal=place)
                raise
        return encoded("\n".join([*lines, ""]), self.encoding, lines)

    def _fill(self, value: Any, name: str, width: int) -> str:
        if not isinstance(value, dict) or name not in value:
            raise ProcessingError(f"a result lacks the field {name!r}", hint="return a dict with every field")
        text = cell(value[name], column=name)
        if len(text) > width or "\n" in text or "\r" in text:
            raise ProcessingError(f"field {name!r} does not fit into {width} characters", hint="widen the field")
        return text.ljust(width)
