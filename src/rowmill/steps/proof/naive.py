"""Formats once more, naively: the standard library's reader and writer, one row at a time, to check the quick ones by.

Nothing here knows of borders, chunks or partitions.
"""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import msgspec

from rowmill.formats.csv import Csv
from rowmill.formats.fixed import FixedWidth
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines
from rowmill.formats.text import BOM, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rowmill.formats import Format

UTF_8 = ("utf-8", "utf-8-sig")
OVERSIZED = "longer than max_row_bytes"
NO_ROW, NOT_LEGAL = "the corrected text is no row", "the corrected text breaks RFC 4180"
SHOWN_BYTES = 1024
JSON_IN = msgspec.json.Decoder(float_hook=Decimal)
JSON_OUT = msgspec.json.Encoder(decimal_format="number")


class Given(NamedTuple):
    """A row as it stands in a file.

    Attributes:
        row: What a function gets; None where it does not read.
        line: The physical line on which it starts.
        raw: Its bytes, line end included.
        problem: Why it does not read, empty if it does.
    """

    row: Any
    line: int
    raw: bytes
    problem: str = ""


class _Pieces(io.RawIOBase):
    """Bytes that come piece by piece, as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def file_of(pieces: Iterable[bytes]) -> BinaryIO:
    """Return bytes that come piece by piece as a file."""
    return cast("BinaryIO", io.BufferedReader(_Pieces(pieces), 64 * 1024))


def rows(reads: Format, file: BinaryIO) -> Iterator[Given]:
    """Return the rows of a file, header not counted."""
    if not isinstance(reads, Csv):
        return _lines(reads, file)
    return _delimited(reads, file) if reads.trailer is None else _but_the_last(_delimited(reads, file))


def _but_the_last(given: Iterator[Given]) -> Iterator[Given]:
    before = next(given, None)
    for one in given:
        if before is not None:
            yield before
        before = one


def corrected(reads: Format, columns: Sequence[str] | None, text: bytes) -> Given:
    """Return the row that a corrected text is; whoever puts it in its place knows its line.

    Args:
        reads: The input's format.
        columns: Names of the input's columns, None where it has none.
        text: The row without its line end.
    """
    form, raw = reads, text + b"\n"
    if len(raw) > reads.max_row_bytes:
        return Given(None, 0, raw, OVERSIZED)
    if isinstance(reads, Csv):
        form = msgspec.structs.replace(reads, skip_first=0, header=False, names=columns, trailer=None)
        if reads.quoting == "rfc4180" and not _is_legal(reads, raw.decode(_without_mark(reads), "replace")):
            return Given(None, 0, raw, NOT_LEGAL if raw.count(reads.quote.encode()) % 2 == 0 else NO_ROW)
    found = list(rows(form, file_of([raw])))
    if len(found) != 1:
        return Given(None, 0, raw, f"the corrected text is {len(found)} rows" if found else NO_ROW)
    return found[0]._replace(line=0)


def _is_legal(reads: Csv, text: str) -> bool:
    """Whether a text is nothing but rows as RFC 4180 has them."""
    quote, other = re.escape(reads.quote), re.escape(reads.quote + reads.delimiter)
    field = f"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{other}\r\n]*)"
    return re.fullmatch(f"(?:{field}(?:{re.escape(reads.delimiter)}{field})*\r?\n)*", text) is not None


def _lines(reads: Format, file: BinaryIO) -> Iterator[Given]:
    for number, line in enumerate(file, 1):
        raw = line.removeprefix(BOM) if number == 1 and canonical(reads.encoding) in UTF_8 else line
        content = raw.removesuffix(b"\n").removesuffix(b"\r")  # a last line may end with half a CRLF
        if isinstance(reads, Lines):
            content = raw.removesuffix(b"\r\n") if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
        if not raw or not (content or isinstance(reads, Lines)):
            continue
        if len(raw) > reads.max_row_bytes:
            yield Given(None, number, raw, OVERSIZED)
            continue
        try:
            row = JSON_IN.decode(content) if isinstance(reads, Jsonl) else content.decode(reads.encoding)
        except UnicodeDecodeError as error:
            yield Given(None, number, raw, "not utf-8" if isinstance(reads, Jsonl) else _not_text(reads, error))
        except (msgspec.DecodeError, DecimalException, RecursionError) as error:
            yield Given(None, number, raw, _not_json(error))
        else:
            yield _cut(reads, row, number, raw) if isinstance(reads, FixedWidth) else Given(row, number, raw)


def _not_json(error: Exception) -> str:
    if isinstance(error, DecimalException):
        return "a number is too large"
    return "not JSON: nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"


def _cut(reads: FixedWidth, text: str, number: int, raw: bytes) -> Given:
    if len(text) != sum(reads.fields.values()):
        problem = f"{len(text)} characters where {sum(reads.fields.values())} are declared"
        return Given(None, number, raw, problem)
    row, line = {}, io.StringIO(text, newline="")
    for name, width in reads.fields.items():
        field = line.read(width)
        row[name] = field.strip(" ") if reads.strip else field
    return Given(row, number, raw)


def _delimited(reads: Csv, file: BinaryIO) -> Iterator[Given]:
    line = 1 + sum(file.readline().endswith(b"\n") for _ in range(reads.skip_first))
    names, headed = reads.names, not reads.header
    for fields, text in _records(reads, file):
        if fields and headed:
            raw = text.encode(_without_mark(reads), "surrogateescape")
            problem = _problem(reads, fields, names, raw)
            row = None if problem else fields if names is None else dict(zip(names, fields, strict=True))
            yield Given(row, line, raw, problem)
        elif fields:
            names, headed = names or fields, True
        line += text.count("\n")


def _records(reads: Csv, file: BinaryIO) -> Iterator[tuple[list[str], str]]:
    """Return each record's fields, none for a blank line, and the text that it was read from."""
    encoding = "utf-8-sig" if canonical(reads.encoding) in UTF_8 else reads.encoding
    if reads.quoting == "none":
        for text in io.TextIOWrapper(file, encoding, "surrogateescape", newline="\n"):
            content = text.removesuffix("\n").removesuffix("\r")
            yield content.split(reads.delimiter) if content else [], text
        return
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for text in io.TextIOWrapper(file, encoding, "surrogateescape", newline=""):
            taken.append(text)
            yield text

    for fields in csv.reader(lines(), delimiter=reads.delimiter, quotechar=reads.quote):
        yield fields, "".join(taken)
        taken.clear()


def _problem(reads: Csv, fields: Sequence[str], names: Sequence[str] | None, raw: bytes) -> str:
    if len(raw) > reads.max_row_bytes:
        return OVERSIZED
    try:
        raw.decode(_without_mark(reads))
    except UnicodeDecodeError as error:
        return _not_text(reads, error)
    if names is not None and len(fields) != len(names):
        return f"{len(fields)} fields where the header has {len(names)}"
    return ""


def _without_mark(reads: Format) -> str:
    return "utf-8" if canonical(reads.encoding) in UTF_8 else reads.encoding


def _not_text(reads: Format, error: UnicodeDecodeError) -> str:
    return f"not {reads.encoding}: {error.reason}"


def shown(reads: Format, given: Given) -> str:
    """Return a row's text as the rejects file shows it."""
    raw = given.raw[:SHOWN_BYTES] if given.problem == OVERSIZED else given.raw
    return raw.rstrip(b"\r\n").decode(reads.encoding, "backslashreplace")


def columns_of(writes: Format, value: Any) -> Sequence[str] | None:
    """Return the columns of an output whose first value this is."""
    if isinstance(writes, Csv):
        return writes.columns or (list(value) if isinstance(value, dict) else None)
    return list(writes.fields) if isinstance(writes, FixedWidth) else None


def head(writes: Format, columns: Sequence[str] | None) -> bytes:
    """Write what stands before the rows: a byte order mark, a header."""
    named = isinstance(writes, Csv) and writes.header and columns
    return "".encode(writes.encoding) + (written(writes, columns, None) if named else b"")


def written(writes: Format, value: Any, columns: Sequence[str] | None) -> bytes:
    """Write one row."""
    if isinstance(writes, Jsonl):
        return JSON_OUT.encode(value) + b"\n"
    cells = [value[name] for name in columns] if columns and isinstance(value, dict) else value
    if isinstance(writes, FixedWidth):
        widths = writes.fields.values()
        fields = (_text(cell).ljust(width) for cell, width in zip(cells, widths, strict=True))
        return _encoded(writes, "".join(fields), "\n")
    if not isinstance(writes, Csv):
        return _encoded(writes, value, "\n")
    if writes.quoting == "none":
        return _encoded(writes, writes.delimiter.join(map(_text, cells)), writes.line_end)
    line = io.StringIO(newline="")
    # It quotes what its own line end holds: CRLF makes it quote each of the two, whatever Python's version.
    csv.writer(line, delimiter=writes.delimiter, quotechar=writes.quote, lineterminator="\r\n").writerow(cells)
    return _encoded(writes, line.getvalue().removesuffix("\r\n"), writes.line_end)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _encoded(writes: Format, line: str, end: str) -> bytes:
    return (line + end).encode(writes.encoding).removeprefix("".encode(writes.encoding))
