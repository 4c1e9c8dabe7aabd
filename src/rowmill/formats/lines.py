"""Plain lines: each is a row, the empty ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AnyStr

import msgspec

from rowmill.errors import ProcessingError
from rowmill.formats import Decoded, Head
from rowmill.formats.borders import Rules
from rowmill.formats.text import BOM, MAX_ROW_BYTES, canonical, encoded, opening

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """A row is the text of a line without its end (LF or CRLF).

    Args:
        encoding: Of the text; a UTF-8 byte order mark is skipped.
        max_row_bytes: A longer row is a reject.
    """

    encoding: str = "utf-8"
    max_row_bytes: int = MAX_ROW_BYTES

    def __post_init__(self) -> None:
        canonical(self.encoding)

    @property
    def rules(self) -> Rules:
        """How rows end."""
        return Rules(blank_rows=True)

    def read_head(self, data: bytes, *, final: bool) -> Head | None:
        """Pass over a byte order mark."""
        if len(data) < len(BOM) and not final:
            return None
        return Head(None, len(BOM) if canonical(self.encoding) == "utf-8" and data.startswith(BOM) else 0)

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:  # noqa: ARG002 - lines have none
        """Read whole rows."""
        try:
            return Decoded(_split(data.decode(self.encoding), "\r\n", "\n"), {})
        except UnicodeDecodeError:
            return self._decode_each(_split(data, b"\r\n", b"\n"))

    def _decode_each(self, lines: list[bytes]) -> Decoded:
        good: list[Any] = []
        malformed: dict[int, str] = {}
        for place, line in enumerate(lines):
            try:
                good.append(line.decode(self.encoding))
            except UnicodeDecodeError as error:
                malformed[place] = f"not {self.encoding}: {error.reason}"
        return Decoded(good, malformed)

    def columns_of(self, value: Any) -> tuple[str, ...] | None:  # noqa: ARG002
        """Lines have no columns."""
        return None

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Nothing stands before the rows, but for a byte order mark where the encoding asks for one."""
        return opening(self.encoding)

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:  # noqa: ARG002
        """Write each text as one line."""
        for place, value in enumerate(values):
            if not isinstance(value, str) or "\n" in value:
                what = "holds a line feed" if isinstance(value, str) else f"is a {type(value).__name__}, not text"
                raise ProcessingError(f"a result {what}", hint="return one line of text", ordinal=place)
        return encoded("\n".join([*values, ""]), self.encoding, list(values))


def _split(text: AnyStr, crlf: AnyStr, feed: AnyStr) -> list[AnyStr]:
    lines = text.replace(crlf, feed).split(feed)
    if not lines[-1]:
        lines.pop()
    return lines
