"""The rules of Csv, one by one."""

from __future__ import annotations

import pytest
from border_kit import ALPHABET, read_by_csv
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowmill.errors import ConfigurationError, InputError, ProcessingError
from rowmill.formats import Head
from rowmill.formats.csv import Csv

BOM = b"\xef\xbb\xbf"
ABC = ("a", "b", "c")


@pytest.mark.parametrize(
    "arguments",
    [
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"delimiter": "é"},
        {"delimiter": "\n"},
        {"quote": "\r"},
        {"quote": ","},
        {"quoting": "minimal"},
        {"line_end": "\r"},
        {"encoding": "latin-99"},
        {"encoding": "rot13"},
        {"encoding": "undefined"},
        {"names": "abc"},
        {"names": [1]},
        {"names": ["a", "a"]},
        {"columns": ["a", "b", "a"]},
        {"skip_first": -1},
    ],
    ids=repr,
)
def test_a_declaration_that_cannot_be_meant_is_refused(arguments):
    with pytest.raises(ConfigurationError) as caught:
        Csv(**arguments)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("reads", "data", "head"),
    [
        (Csv(), b"a,b\n1,2\n", Head(("a", "b"), 4)),
        (Csv(), BOM + b'"a",b\r\n', Head(("a", "b"), 10)),
        (Csv(), b"a,b", Head(("a", "b"), 3)),
        (Csv(), b"a,b\r", Head(("a", "b"), 4)),
        (Csv(), b"\n\r\na\n", Head(("a",), 5)),
        (Csv(), b'"a\nb","c""d"\n', Head(("a\nb", 'c"d'), 13)),
        (Csv(skip_first=2), b'odd "\nx\na\n', Head(("a",), 10)),
        (Csv(skip_first=1, header=False), b"x\n1,2\n", Head(None, 2)),
        (Csv(names=["x", "y"]), b"a,b\n", Head(("x", "y"), 4)),
        (Csv(names=["x", "y"]), b"a,a\n", Head(("x", "y"), 4)),
        (Csv(header=False, names=["x"]), BOM + b"1\n", Head(("x",), 3)),
        (Csv(header=False), b"", Head(None, 0)),
        (Csv(encoding="cp1252"), b"\xe9\n", Head(("é",), 2)),
        (Csv(quoting="lenient"), b'a"b,c\n', Head(('a"b', "c"), 6)),
        (Csv(quoting="none"), b'"a,b\n', Head(('"a', "b"), 5)),
    ],
)
def test_the_head_names_the_columns_and_says_where_rows_begin(reads, data, head):
    assert reads.read_head(data, final=True) == head


def test_a_head_that_may_go_on_is_not_read():
    assert Csv().read_head(b"a,b", final=False) is None
    assert Csv().read_head(b'a,"b\n', final=False) is None
    assert Csv(skip_first=2).read_head(b"x\n", final=False) is None


@pytest.mark.parametrize(
    ("reads", "data", "line", "words"),
    [
        (Csv(), b"", 1, "no header row"),
        (Csv(), BOM, 1, "no header row"),
        (Csv(), b"\n\r\n", 1, "no header row"),
        (Csv(skip_first=3), b"x\n", 4, "no header row"),
        (Csv(), b"a,b,a\n", 1, "number 3"),
        (Csv(skip_first=1), b"x\na,a\n", 2, "number 2"),
        (Csv(names=["x"]), b"a,b\n", 1, "2 columns"),
        (Csv(), b"a\xff\n", 1, "utf-8"),
        (Csv(), b'a"b",c\n', 1, "illegal place"),
        (Csv(), b"a\rb\n1\n", 1, "carriage return"),
        (Csv(), b'a,"b\n1,2\n', 1, "not closed"),
    ],
)
def test_a_header_that_cannot_be_read_is_an_input_error_with_its_line(reads, data, line, words):
    with pytest.raises(InputError, match=words) as caught:
        reads.read_head(data, final=True)
    assert caught.value.exit_code == 3
    assert caught.value.context == {"line_no": line}
    assert caught.value.hint


def test_a_row_of_another_width_is_malformed_and_its_neighbours_are_not():
    names = tuple(f"c{place}" for place in range(14))
    lines = [",".join("x" * 14), ",".join("x" * 13), "", ",".join("x" * 15), ",".join("x" * 14)]
    decoded = Csv().decode("\n".join(lines).encode(), names)
    assert decoded.rows == [dict.fromkeys(names, "x")] * 2
    assert decoded.malformed == {1: "13 fields where the header has 14", 2: "15 fields where the header has 14"}


@pytest.mark.parametrize("quoting", ["rfc4180", "lenient", "none"])
def test_a_row_in_a_wrong_encoding_is_malformed_and_its_neighbours_are_not(quoting):
    data = b'1,2,3\r\n\n4,\xff,6\r\n\xc3\xa9,"x",9\r\n'
    decoded = Csv(quoting=quoting).decode(data, ABC)
    x = '"x"' if quoting == "none" else "x"
    assert decoded.rows == [{"a": "1", "b": "2", "c": "3"}, {"a": "é", "b": x, "c": "9"}]
    assert decoded.malformed == {1: "not utf-8: invalid start byte"}


def test_what_is_wrong_with_a_row_never_shows_its_content():
    decoded = Csv().decode(b"secret,\xff\nsecret\n", ("a", "b"))
    assert decoded.malformed.keys() == {0, 1}
    assert "secret" not in repr(decoded.malformed)


@pytest.mark.parametrize(
    ("text", "ordinal", "words"),
    [
        ('1,2\n3,x"y"\n', 1, "quote"),
        ('1,2\n"3"x,4\n', 1, "quote"),
        ('1,2\n\n3, "4"\n', 1, "quote"),
        ('"1\n\n",2\n3,4"\n', 1, "quote"),
        ("1,2\n3\r4\n", 1, "carriage return"),
        ('1,"2"\n\n3\r4\n', 1, "carriage return"),
        ('1,"2"\n"3"\r"4"\n', 1, "carriage return"),
        ('"\r",2\n\r3,4\n', 1, "carriage return"),
        ('1\r2\n3,x"y"\n', 0, "carriage return"),
        ('3,x"y"\n1\r2\n', 0, "quote"),
        ('1,2\n\xff,3\nx"y",4\n', 2, "quote"),
    ],
)
def test_text_that_breaks_rfc_4180_is_refused_at_its_first_place(text, ordinal, words):
    with pytest.raises(InputError, match=words) as caught:
        Csv().decode(text.encode("latin-1"), None)
    assert caught.value.context == {"ordinal": ordinal}
    assert "lenient" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"a\rb",c\r\n', [["a\rb", "c"]]),
        ('"a\r\nb"\r\n\r\n"c"\r', [["a\r\nb"], ["c"]]),
        ('"a""b","",""""\n', [['a"b', "", '"']]),
        ('""\n\n""\n', [[""], [""]]),
        (" a , b\n", [[" a ", " b"]]),
        ("a,b\r", [["a", "b"]]),
        ("a\x00b,\u2028\x85\n", [["a\x00b", "\u2028\x85"]]),
        ("1e5,007, 1.50\n", [["1e5", "007", " 1.50"]]),
    ],
)
def test_values_survive_character_by_character(text, rows):
    assert Csv().decode(text.encode(), None).rows == rows


def test_thousands_of_columns_are_read():
    names = tuple(f"c{place}" for place in range(5_000))
    decoded = Csv().decode(",".join(names).encode(), names)
    assert decoded.rows == [{name: name for name in names}]


def test_column_names_are_data_whatever_they_look_like():
    names = ("'", '"', "\\", "{x}", "\n", "') or exit('", "é", "\x00", "__import__('os')")
    assert Csv().decode(b"1,2,3,4,5,6,7,8,9\n", names).rows == [dict(zip(names, "123456789", strict=True))]


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text(st.sampled_from(ALPHABET), max_size=6)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))


written = settings(deadline=None, max_examples=150)


@written
@given(tables(), st.sampled_from([",", ";", "\t"]), st.sampled_from(['"', "'"]), st.sampled_from(["\n", "\r\n"]))
@example([[""]], ",", '"', "\n")
@example([["\r"]], ",", '"', "\r\n")
@example([["a", ""], ["", ""]], ",", '"', "\r\n")
def test_any_cells_are_written_so_that_csv_reader_reads_them_back(rows, delimiter, quote, line_end):
    form = Csv(header=False, delimiter=delimiter, quote=quote, line_end=line_end)
    data = form.encode(rows, None)
    assert read_by_csv(data.decode(), delimiter=delimiter, quotechar=quote) == rows
    assert form.decode(data, None).rows == rows


@written
@given(tables())
def test_rows_written_at_once_are_the_bytes_of_rows_written_with_care(rows):
    form = Csv(header=False)
    names = tuple(f"c{place}" for place in range(len(rows[0])))
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    with_care = "".join(f"{line}\n" for line in form._lines(rows, names)).encode()
    assert form.encode(dicts, names) == form.encode(rows, None) == with_care


def test_values_that_are_no_text_are_written_as_str_gives_them():
    assert Csv().encode([{"a": 1, "b": None, "c": 2.5}, {"a": "x,y", "b": "", "c": True}], ABC) == (
        b'1,,2.5\n"x,y",,True\n'
    )


def test_the_header_is_written_like_a_row():
    assert Csv().encode_head(("a,b", 'c"', "")) == b'"a,b","c""",\n'
    assert Csv(line_end="\r\n").encode_head(("a", "b")) == b"a,b\r\n"
    assert Csv(header=False).encode_head(("a",)) == b""


def test_a_byte_order_mark_is_written_once_and_before_all():
    form = Csv(encoding="utf-8-sig")
    assert form.encode_head(("a",)) + form.encode([["1"]], None) + form.encode([["é"]], None) == (
        BOM + b"a\n1\n" + "é\n".encode()
    )


@pytest.mark.parametrize("cell", ["a,b", "a\nb", "a\rb", ""], ids=repr)
def test_without_quotes_a_cell_that_needs_them_is_a_processing_error(cell):
    with pytest.raises(ProcessingError) as caught:
        Csv(quoting="none").encode([["fine"], [cell]], None)
    assert caught.value.context == {"ordinal": 1}


def test_without_quotes_a_quote_is_written_as_it_is():
    assert Csv(quoting="none").encode([['5" pipe', '"']], None) == b'5" pipe,"\n'


@pytest.mark.parametrize(
    ("values", "ordinal"),
    [
        ([{"a": "1", "b": "2"}, {"a": "1"}], 1),
        ([{"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}], 1),
        ([{"a": "1", "b": "2"}, ["1", "2"]], 1),
        ([["1", "2"], ["1"]], 1),
        ([{"a": "1", "b": "2"}, {"a": "1", "b": object()}], 1),
        ([{"a": "1", "b": "\ud800"}], 0),
    ],
)
def test_a_value_that_cannot_be_written_is_a_processing_error_with_its_place(values, ordinal):
    with pytest.raises(ProcessingError) as caught:
        Csv().encode(values, ("a", "b"))
    assert caught.value.context == {"ordinal": ordinal}


def test_declared_columns_choose_and_order_what_is_written():
    form = Csv(columns=["b", "a"])
    assert form.columns_of({"a": "1"}) == ("b", "a")
    assert form.encode([{"a": "1", "b": "2", "c": "3"}], ("b", "a")) == b"2,1\n"
