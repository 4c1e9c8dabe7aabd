"""Any text goes through COPY and comes back the same, in the quick way and in the careful one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowmill.tables.postgresql import copying
from rowmill.testing.table_suite import Place, close_all, opened, save

COLUMNS = ("id", "note", "more")
TEXT = st.text(st.sampled_from("aN\\.\t\n\r\"',é行🚀 ") | st.characters(exclude_categories=["Cs"]), max_size=8)
WRITABLE = TEXT.filter(lambda text: "\x00" not in text)
ROWS = st.lists(st.tuples(WRITABLE, WRITABLE), min_size=1, max_size=6)


def cells_of(row):
    return tuple(row[column] for column in COLUMNS)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXT)), min_size=1, max_size=4))
def test_the_quick_way_writes_what_the_careful_one_writes_or_nothing(rows):
    quick = copying.whole(rows, cells_of, len(COLUMNS))
    if quick is not None:
        kinds = ["text"] * len(COLUMNS)
        assert quick == b"\n".join(copying.line(cells_of(row), kinds, copying.NULL) for row in rows)
    else:
        assert any(letter in cell for row in rows for cell in row.values() for letter in "\\\t\n\r\x00")


@pytest.mark.parametrize("row", [{"id": "1"}, dict.fromkeys(COLUMNS), dict.fromkeys(COLUMNS, 1), {"id": "\ud800"}])
def test_the_quick_way_leaves_what_is_no_text_to_the_careful_one(row):
    assert copying.whole([row], cells_of, len(COLUMNS)) is None


@given(rows=ROWS, null=st.none() | WRITABLE)
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back_from_the_server_as_it_was(server, rows, null):
    place = server.fresh("copied")
    made = [{"id": f"#{number}", "note": note, "more": more} for number, (note, more) in enumerate(rows)]
    try:
        table = opened(Place(place), null=null)
        assert save(table, 0, [made[0]]) == []  # from the second chunk on the quick way is tried
        assert save(table, 1, made) == []
        table.settle([0, 1])
        found = list(table.rows([(row["id"],) for row in made]))
    finally:
        close_all()
    assert found == [{name: None if cell == null else cell for name, cell in row.items()} for row in made]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "text", None),
        (True, "boolean", "True"),
        (0.1, "double precision", "0.1"),
        (Decimal("1E+3"), "numeric", "1E+3"),
        (date(2024, 2, 29), "date", "2024-02-29"),
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), "timestamp with time zone", "2024-02-29 01:02:03+00:00"),
        (b"\x00\xff", "bytea", "\\x00ff"),
        ({"a": [1, "é"]}, "jsonb", '{"a":[1,"é"]}'),
    ],
)
def test_values_of_python_have_a_text_that_the_server_reads(value, kind, text):
    assert copying.text_of(value, kind) == text


@pytest.mark.parametrize(
    ("value", "kind"), [([1], "text"), ([1], "integer[]"), ({1}, "jsonb"), ([object()], "jsonb"), (b"x", "text")]
)
def test_what_a_column_cannot_hold_is_a_refusal(value, kind):
    with pytest.raises(ValueError, match=r"cannot"):
        copying.text_of(value, kind)
