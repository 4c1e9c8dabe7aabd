"""The law of borders: whatever the cut, the rows of the partitions in order are those of the plain reader."""

from __future__ import annotations

import json
import re

import pytest
from border_kit import ALPHABET, GRAINS, TANGLE, read_by_csv, read_in_partitions, rfc4180_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowmill.errors import InputError
from rowmill.formats.csv import Csv
from rowmill.formats.fixed import FixedWidth
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines

BOM = "\ufeff"
often = settings(deadline=None, max_examples=100)
some_rows = st.integers(1, 6)
any_text = st.text(st.sampled_from(ALPHABET), max_size=60)


@often
@given(rfc4180_texts(), some_rows, GRAINS, st.booleans())
def test_the_partitions_rows_are_those_of_csv_reader_on_the_whole(made, rows_per_partition, grain, bom):
    text, rows = made
    data = (BOM * bom + text).encode()
    found = read_in_partitions(Csv(header=False), data, rows_per_partition=rows_per_partition, grain=grain)
    assert found.rows == read_by_csv(text) == rows
    assert not found.malformed
    assert [read_by_csv(place.raw.decode()) for place in found.places] == [[row] for row in rows]


@often
@given(rfc4180_texts(";", "'"), some_rows, GRAINS)
def test_another_delimiter_and_quote_keep_the_law(made, rows_per_partition, grain):
    text, rows = made
    reads = Csv(header=False, delimiter=";", quote="'")
    found = read_in_partitions(reads, text.encode(), rows_per_partition=rows_per_partition, grain=grain)
    assert found.rows == read_by_csv(text, delimiter=";", quotechar="'") == rows


@often
@given(rfc4180_texts(), some_rows, GRAINS, st.booleans(), st.integers(0, 2))
def test_a_header_is_no_row_and_names_the_cells(made, rows_per_partition, grain, bom, skip_first):
    text, rows = made
    names = [f"column\n{place}" for place in range(len(rows[0]) if rows else 1)]
    header = ",".join(f'"{name}"' for name in names) + "\r\n"
    data = (BOM * bom + 'an odd " line\n' * skip_first + header + text).encode()
    reads = Csv(skip_first=skip_first)
    found = read_in_partitions(reads, data, rows_per_partition=rows_per_partition, grain=grain)
    assert found.head.columns == tuple(names)
    assert found.rows == [dict(zip(names, row, strict=True)) for row in rows]


@often
@given(TANGLE, some_rows, GRAINS)
@example('"a\r', 1, (1, 1, 1))
def test_lenient_reads_any_text_as_csv_reader_does(text, rows_per_partition, grain):
    reads = Csv(header=False, quoting="lenient")
    found = read_in_partitions(reads, text.encode(), rows_per_partition=rows_per_partition, grain=grain)
    assert found.rows == read_by_csv(text)


@often
@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xc3", b"\xa9", b"\x00", b"\xff"]), max_size=30))
@example([b"\xef\xbb\xbf", b'"a"'])
def test_lenient_finds_the_rows_of_csv_reader_in_any_bytes(tokens):
    data = b"".join(tokens)
    found = read_in_partitions(Csv(header=False, quoting="lenient"), data)
    rows = read_by_csv(data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape"))
    bad = [place for place, row in enumerate(rows) if not "".join(row).isascii() and not is_utf_8("".join(row))]
    assert sorted(found.malformed) == bad
    assert found.rows == [row for place, row in enumerate(rows) if place not in bad]


def is_utf_8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@often
@given(TANGLE, some_rows, GRAINS)
def test_rfc4180_reads_what_keeps_it_as_csv_reader_does_and_refuses_all_else(text, rows_per_partition, grain):
    reads, grain = Csv(header=False), {"rows_per_partition": rows_per_partition, "grain": grain}
    if is_rfc4180(text):
        assert read_in_partitions(reads, text.encode(), **grain).rows == read_by_csv(text)
    else:
        with pytest.raises(InputError, match=r"quote|carriage return") as caught:
            read_in_partitions(reads, text.encode(), **grain)
        assert "lenient" in caught.value.hint


FIELD = r'(?:[^",\r\n]*|"(?:[^"]|"")*")'
ROW = rf"{FIELD}(?:,{FIELD})*"


def is_rfc4180(text: str) -> bool:
    return re.fullmatch(rf"(?:{ROW}\r?\n)*{ROW}\r?", text) is not None


@often
@given(TANGLE, some_rows, GRAINS)
def test_without_quotes_a_row_is_a_line_that_is_not_blank(text, rows_per_partition, grain):
    reads = Csv(header=False, quoting="none")
    found = read_in_partitions(reads, text.encode(), rows_per_partition=rows_per_partition, grain=grain)
    lines = [line for line in text.replace("\r\n", "\n").removesuffix("\r").split("\n") if line]
    assert found.rows == [line.split(",") for line in lines]


@often
@given(any_text, some_rows, GRAINS, st.booleans())
def test_lines_are_the_text_between_line_ends_and_none_is_made_up(text, rows_per_partition, grain, bom):
    data = (BOM * bom + text).encode()
    found = read_in_partitions(Lines(), data, rows_per_partition=rows_per_partition, grain=grain)
    lines = text.replace("\r\n", "\n").split("\n")
    assert found.rows == (lines if lines[-1] else lines[:-1])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@often
@given(st.lists(st.tuples(values, st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\n"])), max_size=12), some_rows, GRAINS)
def test_json_lines_are_the_values_line_by_line(lines, rows_per_partition, grain):
    data = "".join(json.dumps(value) + end for value, end in lines).encode()
    for whole in (data, data.rstrip()):
        found = read_in_partitions(Jsonl(), whole, rows_per_partition=rows_per_partition, grain=grain)
        assert found.rows == [value for value, _ in lines]
        assert not found.malformed


@often
@given(st.text(st.sampled_from(ALPHABET.replace('"', "")), max_size=60), some_rows, GRAINS)
def test_what_is_not_json_is_malformed_in_its_place(text, rows_per_partition, grain):
    found = read_in_partitions(Jsonl(), text.encode(), rows_per_partition=rows_per_partition, grain=grain)
    lines = [line for line in text.replace("\r\n", "\n").removesuffix("\r").split("\n") if line]
    assert sorted(found.malformed) == list(range(len(lines)))


@often
@given(
    st.lists(st.text(st.sampled_from('ab é€,"\t'), max_size=6), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    some_rows,
    GRAINS,
)
def test_fixed_width_cuts_each_line_by_character(lines, line_end, rows_per_partition, grain):
    reads = FixedWidth(fields={"a": 1, "b": 3}, strip=False)
    data = line_end.join([*lines, ""]).encode()
    found = read_in_partitions(reads, data, rows_per_partition=rows_per_partition, grain=grain)
    rows = [line for line in lines if line]
    assert found.rows == [{"a": row[:1], "b": row[1:]} for row in rows if len(row) == 4]
    assert sorted(found.malformed) == [place for place, row in enumerate(rows) if len(row) != 4]


FORMS = [Csv(header=False), Csv(header=False, quoting="lenient"), Csv(header=False, quoting="none"), Lines()]


@pytest.mark.parametrize("reads", FORMS, ids=["rfc4180", "lenient", "none", "lines"])
@often
@given(
    lengths=st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["\n", "\r\n", "\n\n\n\n\n\n"])), max_size=12),
    rows_per_partition=some_rows,
    grain=GRAINS,
    most=st.integers(5, 40),
)
def test_a_row_that_is_too_long_is_told_from_its_neighbours_whatever_the_cut(
    reads, lengths, rows_per_partition, grain, most
):
    quoted = reads in FORMS[:2]
    rows = [chr(97 + place) * length for place, (length, _) in enumerate(lengths)]
    if quoted:
        rows = [f'"{row}\n"' if len(row) % 2 else f'{row},""' for row in rows]
    data = "".join(row + end for row, (_, end) in zip(rows, lengths, strict=True)).encode()
    reads = type(reads)(**{name: getattr(reads, name) for name in reads.__struct_fields__} | {"max_row_bytes": most})
    found = read_in_partitions(reads, data, rows_per_partition=rows_per_partition, grain=grain)
    if isinstance(reads, Lines):
        long = [p for p, line in enumerate(data.split(b"\n")) if len(line) + 1 > most]
    else:
        ends = ["\r\n" if end == "\r\n" else "\n" for _, end in lengths]
        long = [place for place, row in enumerate(rows) if len(row + ends[place]) > most]
    assert sorted(found.malformed) == long
    assert [place for place, chunk in zip(long, filter(lambda c: c.oversized, found.chunks), strict=True)] == long
    for place in long:
        assert data[found.places[place].offset :].startswith(found.places[place].raw)
    if not isinstance(reads, Lines):
        kept = [row for place, row in enumerate(rows) if place not in long]
        assert found.rows == [row for one in kept for row in read_by_csv(one)]


@often
@given(TANGLE, st.integers(1, 12), some_rows, GRAINS)
def test_lenient_passes_over_a_long_row_as_csv_reader_reads_it(text, most, rows_per_partition, grain):
    data = text.encode()
    free = read_in_partitions(Csv(header=False, quoting="lenient"), data)
    reads = Csv(header=False, quoting="lenient", max_row_bytes=most)
    bound = read_in_partitions(reads, data, rows_per_partition=rows_per_partition, grain=grain)
    long = [place for place, where in enumerate(free.places) if len(where.raw) > most]
    assert sorted(bound.malformed) == long
    assert bound.rows == [row for place, row in enumerate(free.rows) if place not in long]
    assert [where[:2] for where in bound.places] == [where[:2] for where in free.places]
