"""Delimited text, RFC 4180 first.

Source: RFC 4180; CPython's csv module, which is the reference for `lenient` and for quoted text.
"""

from __future__ import annotations

import csv
import io
import sys
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from rowmill.errors import ConfigurationError, InputError, ProcessingError
from rowmill.formats import Decoded, Head
from rowmill.formats.borders import Rules, row_ends
from rowmill.formats.text import BOM, MAX_ROW_BYTES, canonical, cell, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

csv.field_size_limit(sys.maxsize)  # a row's length is bounded by max_row_bytes instead

WAY_OUT = "declare Csv(quoting='lenient') to read it as Python's csv.reader does, or quoting='none' if quotes are data"


class Csv(msgspec.Struct, frozen=True, kw_only=True):
    """Comma-separated rows, or any other one-character delimiter.

    Args:
        delimiter: One ASCII character.
        quote: One ASCII character around fields that hold a delimiter, a quote or a line end.
        quoting: `rfc4180`: quotes only around whole fields, doubled inside; anything else ends the run with its line.
            `none`: quotes are data. `lenient`: exactly `csv.reader`'s rules; borders are then found in sequence.
        header: The first row names the columns (reading); write one (writing).
        names: The columns' names where there is no header, or in its place.
        columns: Columns to write, in order; by default those of the first value.
        encoding: Of the text; a UTF-8 byte order mark is skipped.
        skip_first: Physical lines before the header to pass over.
        line_end: Written after each row.
        max_row_bytes: A longer row is a reject.
    """

    delimiter: str = ","
    quote: str = '"'
    quoting: Literal["rfc4180", "none", "lenient"] = "rfc4180"
    header: bool = True
    names: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    encoding: str = "utf-8"
    skip_first: int = 0
    line_end: Literal["\n", "\r\n"] = "\n"
    max_row_bytes: int = MAX_ROW_BYTES

    def __post_init__(self) -> None:
        for what, character in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(character) != 1 or not character.isascii() or character in "\r\n":
                raise ConfigurationError(f"Csv({what}={character!r}) must be one ASCII character and no line end")
        if self.delimiter == self.quote:
            raise ConfigurationError(f"Csv: delimiter and quote are both {self.quote!r}")
        if self.quoting not in ("rfc4180", "none", "lenient"):
            raise ConfigurationError(f"Csv(quoting={self.quoting!r}) is none of rfc4180, none, lenient")
        if self.line_end not in ("\n", "\r\n"):
            raise ConfigurationError(f"Csv(line_end={self.line_end!r}) is neither a line feed nor CRLF")
        for what, names in (("names", self.names), ("columns", self.columns)):
            if isinstance(names, str) or (names is not None and not all(isinstance(name, str) for name in names)):
                raise ConfigurationError(f"Csv({what}=…) takes a list of names")
            if names is not None:
                _refuse_doubled(names, ConfigurationError, f"Csv({what}=…)")
        canonical(self.encoding)

    @property
    def rules(self) -> Rules:
        """How rows end."""
        if self.quoting == "lenient":
            return Rules(encoding=self.encoding, reader={"delimiter": self.delimiter, "quotechar": self.quote})
        if self.quoting == "none":
            return Rules()
        return Rules(quote=self.quote.encode(), lone_cr=False)

    def read_head(self, data: bytes, *, final: bool) -> Head | None:
        """Read BOM, skipped lines and header."""
        at = len(BOM) if canonical(self.encoding) == "utf-8" and data.startswith(BOM) else 0
        for _ in range(self.skip_first):
            found = data.find(b"\n", at)
            if found < 0 and not final:
                return None
            at = found + 1 if found >= 0 else len(data)
        if not self.header:
            return Head(None if self.names is None else tuple(self.names), at)
        ends = row_ends(data[at:], self.rules, final=final)
        if not ends and not final:
            return None
        if not ends:
            raise InputError("the file has no header row", hint="declare Csv(header=False, names=[…]) if it has none")
        names = self._parse_header(data[at : at + ends[0]])
        _refuse_doubled(names, InputError, "the header")
        if self.names is not None:
            if len(self.names) != len(names):
                raise InputError(f"the header has {len(names)} columns, Csv(names=…) has {len(self.names)}", line_no=1)
            names = list(self.names)
        return Head(tuple(names), at + ends[0])

    def _parse_header(self, data: bytes) -> list[str]:
        try:
            text = data.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise InputError(
                f"the header is not {self.encoding}: {error.reason} at byte {error.start}",
                hint="declare the encoding, as Csv(encoding='cp1252')",
                line_no=1,
            ) from None
        return self._split(text)[0]

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:
        """Read whole rows into dicts by column, or lists where columns have no names."""
        try:
            rows = self._split(data.decode(self.encoding))
        except UnicodeDecodeError:
            return self._decode_each(data, columns)
        if columns is None:
            return Decoded(rows, {})
        if set(map(len, rows)) <= {len(columns)}:
            return Decoded([dict(zip(columns, row)) for row in rows], {})  # noqa: B905 - lengths were compared above
        return _sort_out(rows, columns)

    def _decode_each(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:
        """Read row by row, so that a row in a wrong encoding is told from its neighbours."""
        rows: list[list[str] | str] = []
        start = 0
        for end in row_ends(data, self.rules, final=True):
            try:
                rows += self._split(data[start:end].decode(self.encoding))
            except UnicodeDecodeError as error:
                rows.append(f"not {self.encoding}: {error.reason}")
            start = end
        return _sort_out(rows, columns)

    def _split(self, text: str) -> list[list[str]]:
        quoted = self.quoting != "none" and self.quote in text
        if "\r" in text and not quoted and self.quoting != "lenient":
            text = text.replace("\r\n", "\n").removesuffix("\r")
            if self.quoting == "rfc4180" and "\r" in text:
                place = next(i for i, line in enumerate(filter(None, text.split("\n"))) if "\r" in line)
                raise InputError("a carriage return stands alone outside quotes", hint=WAY_OUT, ordinal=place)
        elif quoted or "\r" in text:
            return self._read(text)
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        if "" in lines:
            lines = list(filter(None, lines))
        return list(map(str.split, lines, repeat(self.delimiter)))

    def _read(self, text: str) -> list[list[str]]:
        if self.quoting == "rfc4180" and (bad := self._illegal_quote(text)) is not None:
            place = len(self._rows(text[:bad])) - 1
            raise InputError("a quote stands at an illegal place", hint=WAY_OUT, ordinal=max(0, place))
        return self._rows(text)

    def _rows(self, text: str) -> list[list[str]]:
        lines = io.StringIO(text, newline="")
        return [row for row in csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote) if row]

    def _illegal_quote(self, text: str) -> int | None:
        """Return the offset just past the first quote that neither opens nor closes a whole field, or None."""
        before, after = ("", self.delimiter, "\n"), ("", self.delimiter, "\n", "\r")
        outside = text.split(self.quote)[::2]
        last = len(outside) - 1
        for place, segment in enumerate(outside):
            if (place and segment[:1] not in after) or (place < last and segment[-1:] not in before):
                segments = text.split(self.quote)
                return sum(map(len, segments[: 2 * place + 1])) + 2 * place + 1
        return None

    def columns_of(self, value: Any) -> tuple[str, ...] | None:
        """Return the declared columns, or those of the first value."""
        if self.columns is not None:
            return tuple(self.columns)
        return tuple(value) if isinstance(value, dict) else None

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:
        """Write the header row, if one is declared and the columns have names."""
        if not self.header or columns is None:
            return b""
        return (self._line(columns, range(len(columns))) + self.line_end).encode(self.encoding)

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:
        """Write dicts by column, or sequences by place, as RFC 4180 with only the quotes that are needed."""
        rows = self._cells(values, columns)
        try:
            lines = list(map(self.delimiter.join, rows))
        except TypeError:  # not all are text
            lines = self._lines(rows, columns)
        text = self.line_end.join([*lines, ""])
        if not self._is_plain(text, rows):
            lines = self._lines(rows, columns)
            text = self.line_end.join([*lines, ""])
        return encoded(text, self.encoding, lines)

    def _cells(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> list[Sequence[Any]]:
        if columns is None or not isinstance(values[0], dict):
            return self._sequences(values, columns)
        try:
            rows = list(map(itemgetter(*columns), values)) if len(columns) > 1 else [(v[columns[0]],) for v in values]
        except (KeyError, TypeError):
            raise self._odd_one(values, columns) from None
        if self.columns is None and set(map(len, values)) != {len(columns)}:
            raise self._odd_one(values, columns)
        return rows

    def _sequences(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> list[Sequence[Any]]:
        for place, value in enumerate(values):
            if not isinstance(value, (list, tuple)) or (columns is not None and len(value) != len(columns)):
                raise ProcessingError(
                    f"a result is a {type(value).__name__}, where "
                    + ("a list of cells" if columns is None else f"a dict or a list of {len(columns)} cells")
                    + " is written",
                    hint="return the same kind of value for every row",
                    ordinal=place,
                )
        return list(values)

    def _odd_one(self, values: Sequence[Any], columns: tuple[str, ...]) -> ProcessingError:
        for place, value in enumerate(values):
            if not isinstance(value, dict):
                return ProcessingError(
                    f"a result is a {type(value).__name__}, others are dicts",
                    hint="return the same kind of value for every row",
                    ordinal=place,
                )
            missing = [name for name in columns if name not in value]
            extra = [name for name in value if name not in columns] if self.columns is None else []
            if missing or extra:
                return ProcessingError(
                    "a result " + (f"lacks the column {missing[0]!r}" if missing else f"has a new column {extra[0]!r}"),
                    hint="return the same columns for every row, or declare Csv(columns=[…])",
                    ordinal=place,
                )
        raise AssertionError("no odd value")

    def _is_plain(self, text: str, rows: list[Sequence[Any]]) -> bool:
        """Whether no cell needs quotes: the separators counted in the whole are those that were put there."""
        if self.quote in text or text.count("\n") != len(rows) or self.quoting == "none":
            return False
        if text.count("\r") != (len(rows) if self.line_end == "\r\n" else 0):
            return False
        return text.count(self.delimiter) == sum(map(len, rows)) - len(rows) and all(map(any, rows))

    def _lines(self, rows: Iterable[Sequence[Any]], columns: tuple[str, ...] | None) -> list[str]:
        lines = []
        for place, row in enumerate(rows):
            try:
                lines.append(self._line(row, columns or range(len(row))))
            except ProcessingError as error:
                error.at(ordinal=place)
                raise
        return lines

    def _line(self, row: Sequence[Any], columns: Sequence[str | int]) -> str:
        cells = [cell(value, column=column) for value, column in zip(row, columns, strict=True)]
        special = self.delimiter + "\r\n" + ("" if self.quoting == "none" else self.quote)
        for place, text in enumerate(cells):
            if not any(character in text for character in special):
                continue
            if self.quoting == "none":
                raise ProcessingError(
                    f"column {columns[place]!r} holds a delimiter or line end, and the output has no quotes",
                    hint="write with quoting='rfc4180'",
                )
            cells[place] = self.quote + text.replace(self.quote, self.quote * 2) + self.quote
        return self.delimiter.join(cells) or self.quote * 2  # one empty cell, told from a blank line


def _refuse_doubled(names: Sequence[str], kind: type[ConfigurationError | InputError], where: str) -> None:
    doubled = sorted({name for name in names if list(names).count(name) > 1})
    if doubled:
        raise kind(
            f"{where} has the name {doubled[0]!r} more than once",
            hint="rename it, or give all names with Csv(names=[…])",
            line_no=1 if kind is InputError else None,
        )


def _sort_out(rows: Sequence[list[str] | str], columns: tuple[str, ...] | None) -> Decoded:
    """Part rows that fit from those that do not; a str in place of a row is what is wrong with it."""
    good: list[Any] = []
    malformed: dict[int, str] = {}
    for place, row in enumerate(rows):
        if isinstance(row, str):
            malformed[place] = row
        elif columns is None:
            good.append(row)
        elif len(row) == len(columns):
            good.append(dict(zip(columns, row, strict=True)))
        else:
            malformed[place] = f"{len(row)} fields where the header has {len(columns)}"
    return Decoded(good, malformed)
