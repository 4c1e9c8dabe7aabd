import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowmill.errors import InputError
from rowmill.formats.csv import Csv
from rowmill.formats.guessing import look
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines

ORDERS = "Order ID;Customer;Date;Amount\n" + "".join(f"{n};Jörg {n};2026-11-{n:02d};{n},50\n" for n in range(1, 29))


def guess(found, what):
    return next(one for one in found.guesses if one.what == what)


def test_delimiter_header_columns_and_key_are_found():
    found = look(ORDERS.encode(), whole=True)
    assert found.reads == Csv(delimiter=";")
    assert [(column.name, column.kind) for column in found.columns] == [
        ("Order ID", "number"), ("Customer", "text"), ("Date", "date"), ("Amount", "number"),
    ]  # fmt: skip
    assert found.key == "Order ID"
    assert guess(found, "key").sure == "likely"
    assert guess(found, "encoding") == ("encoding", "utf-8", "sure", "all characters that are no ASCII read well in it")


@pytest.mark.parametrize(
    ("data", "encoding", "sure"),
    [
        (ORDERS.encode("cp1252"), "cp1252", "unsure"),
        (ORDERS.replace("Jörg", "“Jörg”").encode("cp1252"), "cp1252", "likely"),
        (ORDERS.encode("utf-8-sig"), "utf-8", "sure"),
        (ORDERS.encode("utf-16"), "utf-16", "sure"),
        (ORDERS.replace("ö", "o").encode(), "utf-8", "likely"),
    ],
)
def test_an_encoding_is_told_by_its_bytes(data, encoding, sure):
    assert guess(look(data, whole=True), "encoding")[1:3] == (encoding, sure)


def test_a_character_that_the_sample_cuts_is_no_fault_of_the_encoding():
    data = ORDERS.encode()
    at = data.index("ö".encode()) + 1
    assert guess(look(data[:at], [data[at : at + 40]], whole=False), "encoding")[1:3] == ("utf-8", "sure")


def test_bytes_from_other_places_may_refute_utf_8():
    head = ORDERS.replace("ö", "o").encode()
    assert guess(look(head, ["29;Jörg".encode("cp1252")], whole=False), "encoding").value == "cp1252"


@pytest.mark.parametrize(
    ("text", "quoting"),
    [
        ('a,b\n1,"x,\ny"\n2,"say ""so"""\n', "rfc4180"),
        ('a,b\n1,5" pipe\n2,6" pipe\n', "none"),
        ('a,b\n1,"x"y\n2,"z"\n', "lenient"),
    ],
)
def test_quoting_is_what_reads_all_rows(text, quoting):
    assert look(text.encode(), whole=True).reads.quoting == quoting


def test_a_row_that_the_sample_cuts_within_quotes_is_left_out():
    text = 'a,b\n1,"x"\n2,"y"\n3,"long\nand lo'
    found = look(text.encode(), whole=False)
    assert found.reads == Csv()
    assert guess(found, "columns").because == "every row has as many fields"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("1,2\n3,4\n", False),
        ("id,name\n1,x\n", True),
        ("x,y\nx,z\n", False),
        ("name,city\nx,y\n", True),
        ("id,\n1,x\n", False),
    ],
)
def test_a_header_is_text_that_the_rows_below_do_not_have(text, header):
    assert look(text.encode(), whole=True).reads.header is header


def test_lines_above_the_header_are_passed_over_and_a_trailer_is_told():
    text = "HDR,2026-11-24,ACME\nid,amount\n" + "".join(f"{n},{n}.10\n" for n in range(9)) + "TRL,9,3\n"
    found = look(text.encode(), whole=True)
    assert (found.reads, found.key) == (Csv(skip_first=1), "id")
    assert guess(found, "skip_first").value == "1"
    assert "1 of 11 rows have another number of fields, the last one too" in guess(found, "columns").because


def test_rows_of_uneven_length_are_no_lines_above_a_header():
    assert look(b"a,b,c\n1,2\n", whole=True).reads.skip_first == 0


def test_columns_of_one_name_are_renamed_and_the_file_reads():
    found = look(b"id,note,note\n1,x,y\n2,x,z\n", whole=True)
    assert found.reads == Csv(names=("id_1", "note_2", "note_3"))
    assert found.reads.read_head(b"id,note,note\n", final=True).columns == ("id_1", "note_2", "note_3")


def test_a_column_whose_values_come_again_or_are_missing_is_no_key():
    found = look(b"id,other\n1,a\n1,b\n,c\n", whole=True)
    assert found.key == "other"
    assert guess(found, "key").sure == "unsure"
    assert look(b"id,other\n1,a\n1,a\n", whole=True).key == ""


def test_json_lines_and_plain_lines_are_known():
    found = look(b'{"id": 1, "x": "a"}\n{"id": 2}\n', whole=True)
    assert (found.reads, found.key) == (Jsonl(), "id")
    assert look(b"one\ntwo words\n", whole=True).reads == Lines()


def test_an_empty_file_is_told():
    with pytest.raises(InputError, match="no line"):
        look(b"\n\n", whole=True)


CELLS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=',;\t|"'), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(",;\t|"), st.lists(st.tuples(st.integers(0, 999), CELLS, CELLS), min_size=3, max_size=20))
def test_a_guessed_format_reads_the_rows_as_they_were_written(delimiter, rows):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([("number", "one", "two"), *rows])
    data = out.getvalue().encode()
    reads = look(data, whole=True).reads
    assert reads.delimiter == delimiter
    head = reads.read_head(data, final=True)
    got = [tuple(row.values()) for row in reads.decode(data[head.end :], head.columns).rows]
    assert got == [(str(number), one, two) for number, one, two in rows]
