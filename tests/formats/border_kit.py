"""What the tests of borders share: bytes to read from, files to make up, and the slow, plain way to find rows."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

from hypothesis import strategies as st

from rowmill.steps.reading import chunks, places
from rowmill.steps.split import Extent, read_body, read_head, share

ALPHABET = "ab ,;é€😀\n\r\"'\t\x00\x85\u2028"
TANGLE = st.text(st.sampled_from('a,"\n\r'), max_size=40)  # nearly every two neighbours mean something
GRAINS = st.tuples(st.integers(1, 40), st.integers(1, 3), st.integers(1, 60))


class Bytes(NamedTuple):
    data: bytes

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


class Found(NamedTuple):
    head: object
    partitions: tuple
    rows: list
    malformed: dict
    chunks: list
    places: list


def read_in_partitions(reads, data: bytes, *, rows_per_partition: int = 3, grain=(7, 2, 10)) -> Found:
    """Split, read every partition as process does, and check on the way what must hold for any format."""
    piece_bytes, blocks, chunk_bytes = grain
    reader = Bytes(data)
    head = read_head(reads, reader, len(data))
    extent = Extent(reads, reader, head.end, len(data), piece_bytes, piece_bytes * blocks)
    body = read_body(extent, workers=2)
    partitions = share(extent, body, rows_per_partition)
    rows, malformed, seen, where = [], {}, [], []
    for part in partitions:
        assert part.first_ordinal == len(rows) + len(malformed)
        assert part.first_line == data.count(b"\n", 0, part.start) + 1
        assert part.rows <= rows_per_partition
        assert part.rows or len(partitions) == 1  # blank lines alone
        for chunk in chunks(
            reads,
            reader,
            part.start,
            part.end,
            first_line=part.first_line,
            expect_digest=part.digest,
            piece_bytes=piece_bytes,
            chunk_bytes=chunk_bytes,
        ):
            first = len(rows) + len(malformed)
            seen.append(chunk)
            where += places(reads, chunk)
            if chunk.oversized:
                malformed[first] = "oversized"
                continue
            decoded = reads.decode(chunk.data, head.columns)
            rows += decoded.rows
            malformed |= {first + place: reason for place, reason in decoded.malformed.items()}
        assert len(rows) + len(malformed) == part.first_ordinal + part.rows
    check_tiles(partitions, seen, head.end, data)
    check_places(where, data)
    assert len(where) == body.rows == len(rows) + len(malformed)
    return Found(head, partitions, rows, malformed, seen, where)


def check_tiles(partitions, seen, start: int, data: bytes) -> None:
    borders = [start, *(part.end for part in partitions)]
    assert [part.start for part in partitions] == borders[:-1]
    assert borders[-1] == len(data)
    at, passed_over = start, False
    for chunk in seen:
        assert chunk.offset == at or (passed_over and chunk.offset > at)
        assert chunk.first_line == data.count(b"\n", 0, chunk.offset) + 1
        assert data.startswith(chunk.data, chunk.offset)
        at, passed_over = chunk.offset + len(chunk.data), chunk.oversized
    assert at == borders[-1] or passed_over


def check_places(where, data: bytes) -> None:
    at = 0
    for place in where:
        assert place.offset >= at
        assert place.line == data.count(b"\n", 0, place.offset) + 1
        assert data.startswith(place.raw, place.offset)
        at = place.offset + len(place.raw)


def read_by_csv(text: str, **dialect: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]


@st.composite
def rfc4180_texts(draw, delimiter: str = ",", quote: str = '"') -> tuple[str, list[list[str]]]:
    """Give a text that keeps RFC 4180, blank lines put in, and its rows."""
    cells = st.text(st.sampled_from(ALPHABET + delimiter + quote), max_size=6)
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=12))
    text = ""
    for row in rows:
        text += "".join(draw(st.lists(st.sampled_from(["\n", "\r\n"]), max_size=2)))
        written = [written_cell(cell, delimiter, quote, quoted=draw(st.booleans())) for cell in row]
        text += (delimiter.join(written) or quote * 2) + draw(st.sampled_from(["\n", "\r\n"]))
    if rows and draw(st.booleans()):
        text = text.removesuffix("\n").removesuffix("\r")
    return text, rows


def written_cell(cell: str, delimiter: str, quote: str, *, quoted: bool) -> str:
    if quoted or any(special in cell for special in (delimiter, quote, "\r", "\n")):
        return quote + cell.replace(quote, quote * 2) + quote
    return cell


class Plain(NamedTuple):
    """What the slow, plain way finds.

    Attributes:
        inside: Whether each offset lies inside quotes.
        feeds: One past each line feed outside quotes.
        ends: One past each row's end that a line feed makes.
        lone: Offsets of carriage returns that stand alone outside quotes.
    """

    inside: list[bool]
    feeds: list[int]
    ends: list[int]
    lone: list[int]


def found_plainly(data: bytes, *, quote: bytes = b'"', blank_rows: bool = False) -> Plain:
    """Walk byte by byte."""
    inside, feeds, ends, lone, line = [False], [], [], [], 0
    for at, byte in enumerate(data):
        within = inside[-1]
        if not within and byte == ord("\n"):
            feeds.append(at + 1)
            if blank_rows or data[line:at] not in (b"", b"\r"):
                ends.append(at + 1)
            line = at + 1
        if not within and byte == ord("\r") and at + 1 < len(data) and data[at + 1] != ord("\n"):
            lone.append(at)
        inside.append(within ^ (bytes([byte]) == quote))
    return Plain(inside, feeds, ends, lone)
