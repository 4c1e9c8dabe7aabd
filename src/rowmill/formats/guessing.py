"""What a file looks like, guessed from its first rows: pure, and each guess with the reason that it stands on."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import InputError, RowmillError
from rowmill.formats.csv import Csv
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.formats import Format

DELIMITERS = (",", ";", "\t", "|")
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
SURE, LIKELY, UNSURE = "sure", "likely", "unsure"
MOST_BEFORE = 5  # lines above the header
MOST_ODD = 0.02  # of the rows may have another number of fields
KEY_NAME = re.compile(
    r"(^|[\W_])(id|key|no|nr|num|number|code|uuid|ref|reference)$|[a-z](Id|ID|Key|No|Nr|Number|Code)$"
)
NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)*([eE][-+]?[0-9]+)?%?")
DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ][0-9:.]+(Z|[-+][0-9:]+)?)?")


class Guess(NamedTuple):
    """One thing that was guessed.

    Attributes:
        what: `format`, `encoding`, `delimiter`, `quoting`, `skip_first`, `header`, `columns` or `key`.
        value: What it is, in words.
        sure: `sure`, `likely` or `unsure`.
        because: What was seen.
    """

    what: str
    value: str
    sure: str
    because: str


class Column(NamedTuple):
    """A column, and what its values look like: `number`, `date`, `text` or `empty`."""

    name: str
    kind: str


class Look(NamedTuple):
    """What a file looks like.

    Attributes:
        reads: The format that reads it.
        columns: Its columns, None where rows have none.
        key: The column that tells rows apart, empty if none does.
        guesses: What that stands on, in the order of reading.
    """

    reads: Format
    columns: tuple[Column, ...] | None
    key: str
    guesses: tuple[Guess, ...]


def look(head: bytes, others: Sequence[bytes] = (), *, whole: bool) -> Look:
    """Guess what a file is.

    Args:
        head: Its first bytes.
        others: Bytes from other places, for what the head may not show: characters that are no ASCII.
        whole: `head` is all there is.

    Raises:
        InputError: There is nothing to look at.
    """
    encoding = _encoding(head, others)
    lines = _lines(_decoded(head, encoding.value), whole=whole)
    if not lines:
        raise InputError("the file has no line to look at", hint="give a file with rows")
    if (found := _jsonl(lines, encoding)) is not None:
        return found
    text = "".join(lines) if whole else _whole_rows("".join(lines))
    delimiter = _delimiter(text)
    if delimiter is None:
        shape = Guess("format", "lines", LIKELY, "no comma, semicolon, tab or bar parts the lines alike")
        return Look(Lines(encoding=encoding.value), None, "", (shape, encoding))
    return _csv(text, encoding, delimiter, whole=whole)


def _encoding(head: bytes, others: Sequence[bytes]) -> Guess:
    for mark, name in MARKS:
        if head.startswith(mark):
            return Guess("encoding", name, SURE, "the file begins with its byte order mark")
    samples = [head, *others]
    if all(map(_is_utf_8, samples)):
        if all(map(bytes.isascii, samples)):
            return Guess("encoding", "utf-8", LIKELY, "only ASCII was seen, which is the same in nearly every encoding")
        return Guess("encoding", "utf-8", SURE, "all characters that are no ASCII read well in it")
    windows = any(0x80 <= byte < 0xA0 for sample in samples for byte in sample)  # noqa: PLR2004 - no letters elsewhere
    because = "and has quotes, dashes or € of Windows" if windows else "and bytes do not tell which other it is"
    return Guess("encoding", "cp1252", LIKELY if windows else UNSURE, f"it is not UTF-8, {because}")


def _is_utf_8(data: bytes) -> bool:
    """Whether bytes are UTF-8, the characters that are cut at either end left aside."""
    while data and 0x80 <= data[0] < 0xC0:  # noqa: PLR2004 - the rest of a character
        data = data[1:]
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start >= len(data) - 3
    return True


def _decoded(head: bytes, encoding: str) -> str:
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    return text.removesuffix("\ufffd")  # a character that was cut


def _lines(text: str, *, whole: bool) -> list[str]:
    """Return the lines with their ends; the last one only where it is known to be whole."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    if not whole and len(lines) > 1:
        lines.pop()
    return [line for line in lines if line.strip("\r\n")]


def _whole_rows(text: str) -> str:
    """Return text without the row that its end cuts within quotes."""
    cut = text
    while cut.count('"') % 2:
        cut = cut[: cut.rfind("\n", 0, cut.rfind('"')) + 1]
    return cut or text


def _jsonl(lines: Sequence[str], encoding: Guess) -> Look | None:
    try:
        rows = [msgspec.json.decode(line) for line in lines]
    except msgspec.DecodeError:
        return None
    if not all(isinstance(row, dict) for row in rows):
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = tuple(Column(name, _kind([str(row.get(name, "")) for row in rows])) for name in names)
    shape = Guess("format", "JSON Lines", SURE, f"each of {len(rows):,} lines is a JSON object")
    key = _key(names, [[row.get(name) for name in names] for row in rows])
    listed = Guess("columns", f"{len(names)}", LIKELY, "those of the rows that were looked at; others may have more")
    return Look(Jsonl(), columns, key.value, (shape, encoding, listed, key))


def _delimiter(text: str) -> Guess | None:
    """Return what parts the lines into the same number of fields, and the most of them."""
    found = []
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        share = rows / widths.total()
        if width > 1:
            found.append((share, width, delimiter, widths.total()))
    if not found:
        return None
    share, width, delimiter, rows = max(found)
    if share < 0.5:  # noqa: PLR2004 - half the rows
        return None
    because = f"it parts {100 * share:.0f} % of {rows:,} rows into {width} fields"
    return Guess("delimiter", delimiter, SURE if share >= 1 - MOST_ODD and rows > 1 else UNSURE, because)


def _csv(text: str, encoding: Guess, delimiter: Guess, *, whole: bool) -> Look:
    quoting = _quoting(text, delimiter.value)
    reads = Csv(delimiter=delimiter.value, quoting=quoting.value, encoding=encoding.value)  # type: ignore[arg-type]
    if reads.quoting == "none":
        rows = [line.rstrip("\r").split(reads.delimiter) for line in text.split("\n") if line]
    else:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=reads.delimiter) if row]
    width = Counter(map(len, rows)).most_common(1)[0][0]
    before = _rows_before(rows, width) if reads.quoting == "none" or '"' not in text else 0  # else rows are no lines
    reads, rows = msgspec.structs.replace(reads, skip_first=before), rows[before:]
    header = _header(rows, width)
    names = rows[0] if header.value == "yes" else [f"column_{place + 1}" for place in range(width)]
    body = [row for row in (rows[1:] if header.value == "yes" else rows) if len(row) == len(names)]
    if header.value == "no":
        reads = msgspec.structs.replace(reads, header=False, names=tuple(names))
    elif len(set(names)) < len(names):
        names = [f"{name or 'column'}_{place + 1}" for place, name in enumerate(names)]
        reads = msgspec.structs.replace(reads, names=tuple(names))
        header = header._replace(
            sure=UNSURE, because=f"{header.because}; it names columns alike, so that they are renamed"
        )
    columns = tuple(Column(name, _kind([row[at] for row in body])) for at, name in enumerate(names))
    odd = sum(len(row) != width for row in rows)
    because = (
        "every row has as many fields" if not odd else f"{odd:,} of {len(rows):,} rows have another number of fields"
    )
    if whole and len(rows[-1]) != width:
        because += ", the last one too: it may be a trailer, which Csv(trailer=Trailer(…)) declares"
    listed = Guess("columns", f"{len(names)}", SURE if not odd else LIKELY, because)
    shape = Guess("format", "delimited text", delimiter.sure, "")
    skipped = Guess("skip_first", f"{before}", LIKELY, "so many lines at the top have another number of fields")
    key = _key(names, body)
    guesses = (shape, encoding, delimiter, quoting, *([skipped] if before else []), header, listed, key)
    return Look(reads, columns, key.value, guesses)


def _rows_before(rows: Sequence[Sequence[str]], width: int) -> int:
    """Return how many rows at the top have another number of fields, as a bank's or a report's own first line."""
    before = next((at for at, row in enumerate(rows[: MOST_BEFORE + 1]) if len(row) == width), 0)
    return before if len(rows) > 2 * before + 1 else 0


def _quoting(text: str, delimiter: str) -> Guess:
    if '"' not in text:
        return Guess("quoting", "rfc4180", LIKELY, "no quote was seen")
    try:
        Csv(delimiter=delimiter, header=False).decode(text.encode(), None)
    except RowmillError as error:
        around = any(cell.startswith('"') for line in text.split("\n") for cell in line.split(delimiter))
        kind = "lenient" if around else "none"
        return Guess("quoting", kind, UNSURE, f"for RFC 4180, {error.message}")
    return Guess("quoting", "rfc4180", SURE, "all quotes stand around whole fields")


def _header(rows: Sequence[Sequence[str]], width: int) -> Guess:
    first, body = rows[0], [row for row in rows[1:] if len(row) == width]
    if len(first) != width or not all(name.strip() for name in first) or any(_kind([name]) != "text" for name in first):
        return Guess("header", "no", LIKELY, "the first row has numbers, dates or empty fields")
    if not body:
        return Guess("header", "yes", UNSURE, "there is one row only, of text")
    apart = [name for at, name in enumerate(first) if _kind([row[at] for row in body]) in ("number", "date")]
    if apart:
        return Guess("header", "yes", SURE, f"{apart[0]!r} stands over values that are no text")
    if any(name in {row[at] for row in body} for at, name in enumerate(first)):
        return Guess("header", "no", UNSURE, "the first row has values that come again below it")
    return Guess("header", "yes", LIKELY, "the first row is text that does not come again below it")


def _kind(values: Sequence[str]) -> str:
    """Return what a column's values look like."""
    filled = [value.strip() for value in values if value.strip()]
    if not filled:
        return "empty"
    for kind, pattern in (("number", NUMBER), ("date", DATE)):
        if all(pattern.fullmatch(value) for value in filled):
            return kind
    return "text"


def _key(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Guess:
    """Return the column whose values are all there and all different, by preference one that is called so."""
    unique = [
        name
        for at, name in enumerate(names)
        if rows and len({row[at] for row in rows if isinstance(row[at], (str, int))} - {""}) == len(rows)
    ]
    if not unique:
        return Guess("key", "", UNSURE, f"no column has another value in each of {len(rows):,} rows")
    called = [name for name in unique if KEY_NAME.search(name) or KEY_NAME.search(name.lower())]
    because = f"its values differ in all of {len(rows):,} rows that were looked at"
    sure = LIKELY if called and len(rows) > 20 else UNSURE  # noqa: PLR2004 - few rows tell little
    return Guess("key", (called or unique)[0], sure, because)
