"""The file of corrections that a user hands in: read, and matched with the rejects by their place in the input."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import InputError
from rowmill.model.repair import Correction

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from rowmill.model.receipt import Reject

ORDINAL, LINE, REASON, ROW = COLUMNS = ("ordinal", "line", "reason", "row")
DELIMITERS = ",;\t"  # spreadsheets write what their country has
NEXT = "`rowmill rejects RUN --csv` writes such a file; keep its columns ordinal, line and row"


class Fix(NamedTuple):
    """A line of the file.

    Attributes:
        at: The line, counted from 1.
        ordinal, line: The place in the input, as far as the file tells it.
    """

    at: int
    ordinal: int | None
    line: int | None
    row: str


def listing(rejects: Iterable[Reject]) -> str:
    """Return rejects as the file that is corrected and handed in again."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.ordinal, one.line, one.reason, one.raw) for one in rejects)
    return out.getvalue()


def corrections(
    data: bytes, name: str, rejects: Iterable[Reject], before: Mapping[int, Collection[str]]
) -> list[Correction]:
    """Read the file, and find the reject that each line stands for.

    Args:
        data: The file.
        name: What it is called, for messages.
        rejects: What is left of the run's rejects, in order.
        before: Texts that were handed in before, by ordinal: whoever was cut off hands them in again.

    Raises:
        InputError: It is no such file, or speaks of a row that is not among the rejects.
    """
    known = {one.ordinal: one for one in rejects}
    by_line = {one.line: one.ordinal for one in known.values()}
    found: dict[int, Correction] = {}
    fixes = list(_fixes(data, name))
    if not fixes:
        raise InputError(f"{name} corrects no row", hint=NEXT)
    for fix in fixes:
        ordinal = by_line.get(fix.line or 0, -1) if fix.ordinal is None else fix.ordinal
        if ordinal not in known and fix.row in before.get(ordinal, ()):
            continue
        _check(fix, ordinal, known, name)
        if ordinal in found:
            raise InputError(f"line {fix.at} of {name} corrects a row for the second time", hint="leave one of them")
        found[ordinal] = Correction(ordinal, fix.row)
    return [found[ordinal] for ordinal in sorted(found)]


def _check(fix: Fix, ordinal: int, known: Mapping[int, Reject], name: str) -> None:
    if ordinal not in known:
        raise InputError(
            f"line {fix.at} of {name} speaks of a row that is not among the run's rejects: "
            "it was written, filtered, or repaired before",
            hint="take the line out; `rowmill rejects RUN` lists what is left",
        )
    if fix.line not in (None, known[ordinal].line):
        raise InputError(
            f"line {fix.at} of {name} says line {fix.line:,} of the input, and the reject with ordinal {ordinal:,} "
            f"stands on line {known[ordinal].line:,}",
            hint="the file belongs to another run, or its places were changed",
        )


def _fixes(data: bytes, name: str) -> Iterator[Fix]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8", hint="save it as CSV UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, name))
    head = [cell.strip().lower() for cell in next(reader)]
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) != len(head):
            raise InputError(
                f"line {reader.line_num} of {name} has {len(cells)} columns where its header has {len(head)}", hint=NEXT
            )
        fields = dict(zip(head, cells, strict=True))
        ordinal, line = (_number(fields.get(place, ""), reader.line_num, name) for place in (ORDINAL, LINE))
        if ordinal is None and line is None:
            raise InputError(f"line {reader.line_num} of {name} says no place", hint=NEXT)
        yield Fix(reader.line_num, ordinal, line, fields[ROW])


def _delimiter(text: str, name: str) -> str:
    """Return what parts the columns: that by which the header has those that are needed."""
    first = text.partition("\n")[0].strip().lower()
    for delimiter in DELIMITERS:
        names = [cell.strip().strip('"') for cell in first.split(delimiter)]
        if ROW in names and (ORDINAL in names or LINE in names):
            return delimiter
    raise InputError(f"{name} has no header with the columns ordinal, or line, and row", hint=NEXT)


def _number(text: str, at: int, name: str) -> int | None:
    cleaned = text.strip()
    if not cleaned:
        return None
    if not (cleaned.isascii() and cleaned.isdecimal()):
        raise InputError(f"line {at} of {name} has a place that is no number", hint=NEXT)
    return int(cleaned)
