"""The rules of the other formats and of text, one by one."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import warnings
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowmill.errors import ConfigurationError, ProcessingError
from rowmill.formats import Head
from rowmill.formats.fixed import FixedWidth
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines
from rowmill.formats.text import cuts_by_bytes

BOM = codecs.BOM_UTF8
ALL = [module.name for module in pkgutil.iter_modules(encodings.__path__)]


def cut_by_bytes() -> list[str]:
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in ALL:
            try:
                found += [name] * cuts_by_bytes(name)
            except ConfigurationError:
                assert not is_of_text(name)
    return found


def is_of_text(name: str) -> bool:
    try:
        return name != "idna" and bool(b"a".decode(name))
    except (LookupError, UnicodeError):
        return False


def test_an_encoding_is_cut_by_bytes_only_if_ascii_bytes_stand_for_themselves_after_any_other():
    found = cut_by_bytes()
    assert {"cp1252", "latin_1", "ascii", "utf_8"} <= set(found)
    assert not {"utf_16", "utf_7", "shift_jis", "gb18030", "iso2022_jp", "unicode_escape", "cp037"} & set(found)
    for name in found:
        for ascii_byte in b'\n\r",;|~\\A0 \x00\x1b':
            ends = {bytes([byte, ascii_byte]).decode(name, "replace")[-1:] for byte in range(256)}
            assert ends == {chr(ascii_byte)}, name


@pytest.mark.parametrize("form", [Lines, lambda **given: FixedWidth(fields={"a": 1}, **given)])
def test_an_unknown_encoding_is_a_configuration_error(form):
    with pytest.raises(ConfigurationError, match="latin-99"):
        form(encoding="latin-99")


@pytest.mark.parametrize("reads", [Lines(), Jsonl(), FixedWidth(fields={"a": 1})], ids=["lines", "jsonl", "fixed"])
def test_a_byte_order_mark_is_no_part_of_the_first_row(reads):
    assert reads.read_head(BOM + b"1\n", final=True).end == 3
    assert reads.read_head(b"1", final=True).end == 0
    assert reads.read_head(b"", final=True).end == 0
    assert reads.read_head(BOM[:2], final=False) is None


def test_lines_keep_blank_ones_and_a_carriage_return_that_ends_no_line():
    assert Lines().decode(b"\na\r\n\r\n\r\r\nb\rc\n\r", None).rows == ["", "a", "", "\r", "b\rc", "\r"]


def test_a_line_in_a_wrong_encoding_is_malformed_and_its_neighbours_are_not():
    decoded = Lines().decode(b"a\r\n\xff\n\n\xc3\xa9", None)
    assert decoded.rows == ["a", "", "é"]
    assert decoded.malformed == {1: "not utf-8: invalid start byte"}


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=5), min_size=1))
def test_lines_are_read_back_as_they_were_written(lines):
    data = Lines().encode(lines, None)
    assert Lines().decode(data, None).rows == [line.removesuffix("\r") for line in lines]


@pytest.mark.parametrize("value", ["a\nb", 5, None, {"a": 1}], ids=repr)
def test_what_is_not_one_line_is_a_processing_error_with_its_place(value):
    with pytest.raises(ProcessingError) as caught:
        Lines().encode(["fine", value], None)
    assert caught.value.context == {"ordinal": 1}


def test_json_numbers_stay_what_they_are():
    rows = Jsonl().decode(b'{"a":9.10}\n123456789012345678901234567890\n1E400\n', None).rows
    assert rows == [{"a": Decimal("9.10")}, 123456789012345678901234567890, Decimal("1E400")]
    assert Jsonl().encode(rows, None) == b'{"a":9.10}\n123456789012345678901234567890\n1E+400\n'


@pytest.mark.parametrize(
    "line", [b"{", b"[1,]", b"\xff", b'"\xff"', b"  ", b"1e999999999999999999999", b"[" * 100_000, b"9" * 5000, b"1 2"]
)
def test_a_line_that_is_not_json_is_malformed_and_its_neighbours_are_not(line):
    decoded = Jsonl().decode(b"1\n\n" + line + b"\r\n2\n", None)
    assert decoded.rows == [1, 2]
    assert decoded.malformed.keys() == {1}


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize("value", [object(), "\ud800", {(1, 2): 3}, 1j])
def test_what_json_cannot_hold_is_a_processing_error_with_its_place(value):
    with pytest.raises(ProcessingError) as caught:
        Jsonl().encode([1, value], None)
    assert caught.value.context == {"ordinal": 1}


def test_what_is_nested_too_deep_for_json_is_a_processing_error():
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ProcessingError):
        Jsonl().encode([value], None)


FIELDS = FixedWidth(fields={"id": 2, "name": 4})


def test_fixed_width_fields_lose_the_spaces_that_fill_them_up():
    assert FIELDS.read_head(b"", final=True) == Head(("id", "name"), 0)
    assert FIELDS.decode("01é   \r\n 2abcd".encode(), None).rows == [
        {"id": "01", "name": "é"},
        {"id": "2", "name": "abcd"},
    ]


def test_a_line_of_another_width_is_malformed_and_its_neighbours_are_not():
    decoded = FIELDS.decode(b"01abcd\n01abc\n\n\r01abcd\n\xff1abcd\n02abcd", None)
    assert [row["id"] for row in decoded.rows] == ["01", "02"]
    assert decoded.malformed == {
        1: "5 characters where 6 are declared",
        2: "7 characters where 6 are declared",
        3: "not utf-8: invalid start byte",
    }


def test_fixed_width_values_are_read_back_as_they_were_written():
    rows = [{"id": "01", "name": "é"}, {"id": "", "name": "abcd"}]
    assert FIELDS.decode(FIELDS.encode(rows, None), None).rows == rows


@pytest.mark.parametrize("name", ["abcde", "a\nb", "a\rb", object()])
def test_a_value_that_does_not_fit_its_field_is_a_processing_error_with_its_place(name):
    with pytest.raises(ProcessingError) as caught:
        FIELDS.encode([{"id": "1", "name": "a"}, {"id": "2", "name": name}], None)
    assert caught.value.context == {"ordinal": 1}


@pytest.mark.parametrize("fields", [{}, {"a": 0}, {"a": "2"}])
def test_fields_without_a_width_are_a_configuration_error(fields):
    with pytest.raises(ConfigurationError):
        FixedWidth(fields=fields)
