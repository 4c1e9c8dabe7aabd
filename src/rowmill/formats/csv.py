"""Delimited text, RFC 4180 first.

Source: RFC 4180; CPython's csv module, which is the reference for `lenient` and for quoted text.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from functools import cache
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Never

import msgspec

from rowmill.errors import ConfigurationError, InputError, ProcessingError
from rowmill.formats import Decoded, Head
from rowmill.formats.borders import Rules, row_ends, row_spans
from rowmill.formats.text import BOM, MAX_ROW_BYTES, canonical, cell, encoded, opening
from rowmill.formats.trailer import Trailer  # noqa: TC001 - part of what users write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

csv.field_size_limit(sys.maxsize)  # a row's length is bounded by max_row_bytes instead

ILLEGAL_QUOTE = "a quote stands at an illegal place"
LONE_RETURN = "a carriage return stands alone outside quotes"
LONE = re.compile(r"\r(?!\n)")
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
        trailer: The last row tells what the file holds (reading).
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
    trailer: Trailer | None = None

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
        if self.skip_first < 0:
            raise ConfigurationError(f"Csv(skip_first={self.skip_first}) must not be negative")
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
        if not ends:
            return self._headless(data[at:]) if final else None
        names = self._parse_header(data[at : at + ends[0]])
        if self.names is not None:
            if len(self.names) != len(names):
                raise InputError(
                    f"the header has {len(names)} columns, Csv(names=…) has {len(self.names)}",
                    hint="give one name for each column",
                    line_no=self.skip_first + 1,
                )
            names = list(self.names)
        return Head(tuple(names), at + ends[0])

    def _headless(self, data: bytes) -> Never:
        line = self.skip_first + 1
        if self.quote.encode() in data:
            raise InputError("the header has a quote that is not closed", hint=WAY_OUT, line_no=line)
        hint = "declare Csv(header=False, names=[…]) if it has none"
        raise InputError("the file has no header row", hint=hint, line_no=line)

    def _parse_header(self, data: bytes) -> list[str]:
        line = self.skip_first + 1
        try:
            names = next(iter(self._split(data.decode(self.encoding))))
        except UnicodeDecodeError as error:
            raise InputError(
                f"the header is not {self.encoding}: {error.reason} at byte {error.start}",
                hint="declare the encoding, as Csv(encoding='cp1252')",
                line_no=line,
            ) from None
        except InputError as error:
            raise InputError(f"in the header, {error.message}", hint=error.hint, line_no=line) from None
        if self.names is None:
            _refuse_doubled(names, InputError, "the header", line_no=line)
        return names

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:
        """Read whole rows into dicts by column, or lists where columns have no names."""
        try:
            text = data.decode(self.encoding)
        except UnicodeDecodeError:
            return self._decode_each(data, columns)
        if columns is None:
            return Decoded(list(self._split(text)), {})
        try:
            return Decoded(_dicts(columns)(self._split(text)), {})
        except ValueError:  # a row has another number of fields
            return _sort_out(list(self._split(text)), columns)

    def _decode_each(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:
        """Read row by row, so that a row in a wrong encoding is told from its neighbours."""
        self._refuse_illegal(data.decode(self.encoding, "replace"))
        rows: list[list[str] | str] = []
        for start, end in row_spans(data, self.rules):
            try:
                rows += self._split(data[start:end].decode(self.encoding))
            except UnicodeDecodeError as error:
                rows.append(f"not {self.encoding}: {error.reason}")
        return _sort_out(rows, columns)

    def _split(self, text: str) -> Iterable[list[str]]:
        self._refuse_illegal(text)
        if self.quoting != "none" and self.quote in text:
            return self._read(text)
        if "\r" in text:
            if self.quoting == "lenient":
                return self._read(text)
            text = text.replace("\r\n", "\n").removesuffix("\r")
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        if "" in lines:
            lines = list(filter(None, lines))
        return map(str.split, lines, repeat(self.delimiter))

    def _read(self, text: str) -> list[list[str]]:
        lines = io.StringIO(text, newline="")
        return [row for row in csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote) if row]

    def _refuse_illegal(self, text: str) -> None:
        """Hold `rfc4180` to its word.

        Raises:
            InputError: Text breaks it; `ordinal` is the first such row's place.
        """
        if self.quoting != "rfc4180" or (self.quote not in text and "\r" not in text):
            return
        if (found := self._first_illegal(text)) is not None:
            at, what = found
            place = len(self._read(text[:at] + "x")) - 1
            raise InputError(what, hint=WAY_OUT, ordinal=place)

    def _first_illegal(self, text: str) -> tuple[int, str] | None:
        """Return the offset of the first character that RFC 4180 does not allow there, and what is wrong with it."""
        before, after = ("", self.delimiter, "\n"), ("", self.delimiter, "\n", "\r")
        segments = text.split(self.quote)
        returns, last = "\r" in text, len(segments) - 1
        for place in range(0, last + 1, 2):  # those outside quotes
            segment = segments[place]
            found: list[tuple[int, str]] = []
            if place and segment[:1] not in after:
                found.append((0, ILLEGAL_QUOTE))
            if returns and (lone := _lone_return(segment, last=place == last)) is not None:
                found.append((lone, LONE_RETURN))
            if place < last and segment[-1:] not in before:
                found.append((len(segment), ILLEGAL_QUOTE))
            if found:
                at, what = min(found)
                return sum(map(len, segments[:place])) + place + at, what
        return None

    def columns_of(self, value: Any) -> tuple[str, ...] | None:
        """Return the declared columns, or those of the first value."""
        if self.columns is not None:
            return tuple(self.columns)
        return tuple(value) if isinstance(value, dict) else None

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:
        """Write the header row, if one is declared and the columns have names."""
        mark = opening(self.encoding)
        if not self.header or columns is None:
            return mark
        line = self._line(columns, range(len(columns))) + self.line_end
        return mark + encoded(line, self.encoding, [line])

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:
        """Write dicts by column, or sequences by place, as RFC 4180 with only the quotes that are needed."""
        rows = self._cells(values, columns)
        try:
            lines = list(map(self.delimiter.join, rows))
        except TypeError:  # not all are text
            lines, text = [], self.quote
        else:
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
        widths = list(map(len, rows))
        if text.count(self.delimiter) != sum(widths) - len(rows):
            return False
        return min(widths) > 1 or all(map(any, rows))  # one empty cell alone must be told from a blank line

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
        return self.delimiter.join(cells) or self._blank()

    def _blank(self) -> str:
        """Return one empty cell, told from a blank line."""
        if self.quoting == "none":
            raise ProcessingError(
                "a row of one empty cell is a blank line, and the output has no quotes to tell them apart",
                hint="write with quoting='rfc4180'",
            )
        return self.quote * 2


@cache
def _dicts(columns: tuple[str, ...]) -> Callable[[Iterable[list[str]]], list[dict[str, str]]]:
    """Return what makes dicts of rows, compiled for these columns: it takes half the time of dict(zip(columns, row)).

    Rows of another length raise ValueError. Names enter the code as string literals only.
    """
    cells = [f"c{place}" for place in range(len(columns))]
    items = ", ".join(f"{str.__repr__(name)}: {cell}" for name, cell in zip(columns, cells, strict=True))
    return eval(f"lambda rows: [{{{items}}} for [{', '.join(cells)}] in rows]")  # type: ignore[no-any-return]  # noqa: S307


def _refuse_doubled(
    names: Sequence[str], kind: type[ConfigurationError | InputError], where: str, *, line_no: int | None = None
) -> None:
    if len(set(names)) < len(names):
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        doubled = next(place for place, name in enumerate(names) if first[name] < place)
        raise kind(
            f"{where} names two columns alike: number {doubled + 1} has the name of an earlier one",
            hint="rename it, or give all names with Csv(names=[…])",
            line_no=line_no,
        )


def _lone_return(segment: str, *, last: bool) -> int | None:
    """Return where a carriage return stands without its line feed; at the end of all text it is a line end."""
    found = LONE.search(segment)
    return None if found is None or (last and found.end() == len(segment)) else found.start()


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
