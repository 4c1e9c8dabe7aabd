"""What every table must do, whatever is behind it. A check gets a fresh database."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and small numbers and strange names are its material

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import InputError
from rowmill.job import Table
from rowmill.tables import Settlement, open_table
from rowmill.testing.failing import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowmill.storage import Storage
    from rowmill.tables import OpenTable, Refused


class Place(NamedTuple):
    """A fresh database for one check.

    Attributes:
        url: As `--table` gives it; `{table}` in it becomes the table's name.
        workspace: Where a table keeps what it must remember of a run; tables that settle by SQL need none.
        refuses: Three values that no column takes.
        no_key: Why a row without its key is refused, as a pattern; `{column}` becomes the table's key column.
        sql: Executes a statement from outside of Rowmill and returns the rows; only `TRANSACTIONAL` checks call it.
    """

    url: str
    sql: Callable[[str], list[tuple[Any, ...]]] = lambda _: []
    workspace: Storage | None = None
    refuses: tuple[Any, Any, Any] = (["a", "list"], {"a": "dict"}, [])
    no_key: str = "the key '{column}' is NULL"


OPENED: list[OpenTable] = []
STRANGE = (
    'a "quoted" name',
    "it's; DROP TABLE Orders; --",
    "select",
    "été 行",
    "a.b[c]",
    "rowid",
    "_rowid_",
    "%s ?1 :x",
)


def opened(place: Place, run_id: str = "run-1", **declared: Any) -> OpenTable:
    """Open the table of a run; by default `Orders` with the key `id`, checked."""
    made = Table(**{"name": "Orders", "key": "id", **declared})
    url = place.url.replace("{table}", made.name)
    table = open_table(url, made, run_id=run_id, workspace=place.workspace, create=True)
    OPENED.append(table)
    table.check(None)
    return table


def close_all() -> None:
    """Close what checks have opened; called after each check."""
    while OPENED:
        OPENED.pop().close()


def save(
    table: OpenTable, partition: int, values: Sequence[Mapping[str, Any]], attempt: str = "try-1"
) -> list[Refused]:
    """Stage a partition and commit it; return what was refused."""
    stage = table.stage(partition, attempt)
    refused = stage.add(values)
    assert stage.commit() == len(values) - len(refused)
    return refused


def orders(*ids: int, note: str = "new") -> list[dict[str, str]]:
    """Return rows of a key and a note."""
    return [{"id": str(number), "note": note} for number in ids]


def notes(table: OpenTable, *ids: int) -> list[str | None]:
    """Return what the live table says for keys, None where it has no row."""
    found = table.rows([(str(number),) for number in ids])
    return [None if row is None else row["note"] for row in found]


def what_is_not_committed_does_not_count(place: Place) -> None:
    """A stage that was never committed leaves nothing."""
    table = opened(place)
    assert table.settled() is None
    table.stage(0, "dead").add(orders(1, 2))
    save(table, 1, orders(3))
    assert set(table.markers()) == {1}
    assert table.settle([0, 1]) == Settlement(1, 0)
    assert notes(table, 1, 2, 3) == [None, None, "new"]


def markers_tell_attempt_and_rows(place: Place) -> None:
    """Each committed partition is told, an empty one too, also to another process that opens the table."""
    table = opened(place)
    save(table, 2, orders(1, 2), "second")
    save(table, 0, [], "first")
    markers = opened(place).markers()
    assert {part: (marker.attempt, marker.rows) for part, marker in markers.items()} == {
        0: ("first", 0),
        2: ("second", 2),
    }


def settling_twice_is_settling_once(place: Place) -> None:
    """The second time says the same and changes nothing."""
    table = opened(place)
    save(table, 0, orders(1, 1, 2))
    assert table.settle([0]) == Settlement(2, 1)
    assert table.settle([0]) == Settlement(2, 1)
    assert opened(place).settled() == Settlement(2, 1)
    assert table.count() == 2


def a_run_of_no_rows_settles(place: Place) -> None:
    """Nothing written is a result too."""
    table = opened(place)
    save(table, 0, [])
    assert table.settle([0]) == Settlement(0, 0)
    assert table.settled() == Settlement(0, 0)
    assert opened(place).settle([]) == Settlement(0, 0)


def the_last_in_the_input_wins(place: Place) -> None:
    """Whatever the order of commits, within a partition and across partitions."""
    for number, commits in enumerate(((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))):
        table = opened(place, f"run-{number}", name=f"Orders{number}")
        _commit_doubled(table, commits)
        assert table.settle([0, 1, 2, 3]) == Settlement(4, 5)
        assert notes(table, 1, 2, 3, 4) == ["part 3", "part 0 b", "part 2", "part 3"]


def the_first_in_the_input_wins_if_the_job_says_so(place: Place) -> None:
    """The mirror of the last."""
    for number, commits in enumerate(((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))):
        table = opened(place, f"run-{number}", name=f"Orders{number}", on_duplicate="first")
        _commit_doubled(table, commits)
        assert table.settle([0, 1, 2, 3]) == Settlement(4, 5)
        assert notes(table, 1, 2, 3, 4) == ["part 0 a", "part 0 a", "part 2", "part 2"]


def _commit_doubled(table: OpenTable, commits: Sequence[int]) -> None:
    parts = {
        0: [*orders(1, 2, note="part 0 a"), *orders(1, 2, note="part 0 b")],
        1: [],
        2: orders(3, 4, 1, note="part 2"),
        3: orders(4, 1, note="part 3"),
    }
    for part in commits:
        save(table, part, parts[part])


def a_doubled_key_fails_if_the_job_says_so(place: Place) -> None:
    """Within a partition and across; nothing is saved."""
    for number, parts in enumerate(([orders(1, 1), []], [orders(1, 2), orders(2)])):
        table = opened(place, f"run-{number}", name=f"Orders{number}", on_duplicate="fail")
        for index, rows in enumerate(parts):
            save(table, index, rows)
        error = failure_of(lambda: table.settle([0, 1]))  # noqa: B023 - called at once
        assert isinstance(error, InputError)
        assert error.hint
        assert table.count() == 0
        assert table.settled() is None


def a_redone_partition_replaces_its_rows(place: Place) -> None:
    """Of two attempts the later one's rows stand, and the other partitions' are untouched."""
    table = opened(place)
    for part in range(4):
        save(table, part, orders(part * 10, part * 10 + 1, note="first try"))
    save(table, 1, orders(10, note="second try"), "try-2")
    save(table, 3, orders(30, 31, 32, note="second try"), "try-2")
    save(table, 1, orders(10, 12, note="third try"), "try-3")
    save(table, 0, [], "try-2")
    assert table.markers()[1].attempt == "try-3"
    assert table.settle([0, 1, 2, 3]) == Settlement(7, 0)
    first, second, third = "first try", "second try", "third try"
    assert notes(table, 0, 1, 10, 11, 12) == [None, None, third, None, third]
    assert notes(table, 20, 21, 30, 31, 32) == [first, first, second, second, second]


def a_redone_partition_keeps_its_place_in_the_order(place: Place) -> None:
    """The last of the input wins, not the last that was redone."""
    table = opened(place)
    save(table, 0, orders(1, note="part 0"))
    save(table, 1, orders(1, note="part 1"))
    save(table, 0, orders(1, note="part 0 again"), "try-2")
    assert table.settle([0, 1]) == Settlement(1, 1)
    assert notes(table, 1) == ["part 1"]


def rows_of_earlier_files_stay_and_are_updated(place: Place) -> None:
    """The next file's rows join; a key of both takes the later file's row; the older one re-run takes its own."""
    older = opened(place)
    save(older, 0, orders(1, 2, note="older"))
    older.settle([0])
    newer = opened(place, "run-2")
    save(newer, 0, orders(2, 3, note="newer"))
    assert newer.settle([0]) == Settlement(2, 0)
    assert notes(newer, 1, 2, 3) == ["older", "newer", "newer"]
    older.discard()
    assert older.settled() is None
    save(older, 0, orders(1, 2, note="older"), "again")
    assert older.settle([0]) == Settlement(2, 0)
    assert notes(older, 1, 2, 3) == ["older", "older", "newer"]


def discarding_forgets_one_run_only(place: Place) -> None:
    """What another run staged, and what is settled, stay."""
    one, other = opened(place), opened(place, "run-2")
    save(one, 0, orders(1))
    save(other, 0, orders(2))
    one.discard()
    one.discard()
    assert one.markers() == {}
    assert set(other.markers()) == {0}
    assert other.settle([0]) == Settlement(1, 0)
    assert notes(other, 1, 2) == [None, "new"]


def two_runs_stage_side_by_side(place: Place) -> None:
    """Runs do not see each other before they settle, and the later one joins the earlier one's rows."""
    one, other = opened(place), opened(place, "run-2")
    save(one, 0, orders(1, 2, note="one"))
    save(other, 0, orders(2, 3, note="other"))
    save(one, 1, orders(4, note="one"))
    assert one.settle([0, 1]) == Settlement(3, 0)
    assert other.settle([0]) == Settlement(2, 0)
    assert notes(one, 1, 2, 3, 4) == ["one", "other", "other", "one"]


def a_composite_key_tells_rows_apart(place: Place) -> None:
    """All its columns together are the key."""
    table = opened(place, key=["shop", "id"])
    rows = [{"shop": shop, "id": number, "note": note} for shop, number, note in ("a1x", "a2x", "b1x", "a1y")]
    save(table, 0, rows)
    assert table.settle([0]) == Settlement(3, 1)
    found = table.rows([("a", "1"), ("b", "1"), ("b", "2")])
    assert [row and row["note"] for row in found] == ["y", "x", None]


def without_a_key_every_row_is_kept(place: Place) -> None:
    """Equal rows too, of one run and of the next."""
    for run_id in ("run-1", "run-2"):
        table = opened(place, run_id, key=None)
        save(table, 0, orders(1, 1))
        save(table, 1, orders(1))
        assert table.settle([0, 1]) == Settlement(3, 0)
    assert table.count() == 6


def a_new_name_makes_a_new_column(place: Place) -> None:
    """In the middle of a chunk, of a partition, of a run, and in the live table of an earlier run."""
    table = opened(place)
    stage = table.stage(0, "try-1")
    assert stage.add([{"id": "1", "note": "a"}, {"id": "2", "note": "b", "extra": "c"}]) == []
    assert stage.add([{"id": "3", "more": "d"}]) == []
    assert stage.add([{"note": "e", "id": "4"}]) == []
    assert stage.commit() == 4
    save(table, 1, [{"Third": "f", "id": "5", "note": "g"}])
    save(table, 2, orders(6))
    table.settle([0, 1, 2])
    later = opened(place, "run-2")
    save(later, 0, [{"id": "7", "late": "h"}])
    later.settle([0])
    found = {row["id"]: {k: v for k, v in row.items() if v is not None} for row in _rows(later, range(1, 8))}
    assert found == {
        "1": {"id": "1", "note": "a"},
        "2": {"id": "2", "note": "b", "extra": "c"},
        "3": {"id": "3", "more": "d"},
        "4": {"id": "4", "note": "e"},
        "5": {"id": "5", "note": "g", "Third": "f"},
        "6": {"id": "6", "note": "new"},
        "7": {"id": "7", "late": "h"},
    }


def _rows(table: OpenTable, ids: Sequence[int]) -> list[dict[str, Any]]:
    return [row for row in table.rows([(str(number),) for number in ids]) if row is not None]


def columns_are_mapped_by_declaration(place: Place) -> None:
    """Only declared columns are saved, under the table's names; one that a row lacks is NULL."""
    table = opened(place, key="Order ID", columns={"Order ID": "order_id", "Note": "text"})
    save(table, 0, [{"Order ID": "1", "Note": "a", "Secret": "b"}, {"Order ID": "2", "text": "c"}])
    table.settle([0])
    assert list(table.rows([("1",), ("2",)])) == [{"order_id": "1", "text": "a"}, {"order_id": "2", "text": None}]


def a_text_is_null_if_the_job_says_so(place: Place) -> None:
    """Exactly this text, and only with the declaration."""
    for number, null in enumerate(("", "NA", None)):
        table = opened(place, f"run-{number}", name=f"Orders{number}", null=null)
        save(table, 0, [{"id": "1", "note": ""}, {"id": "2", "note": "NA"}, {"id": "3", "note": " "}])
        table.settle([0])
        assert notes(table, 1, 2, 3) == [None if note == null else note for note in ("", "NA", " ")]


def values_come_back_as_they_were(place: Place) -> None:
    """Text is not read as a number, whatever it looks like."""
    texts = ("007", "1e3", "0.10", " x ", "NULL", "", "line\nfeed", "行🚀", "a'b\"c;--")
    table = opened(place)
    save(table, 0, [{"id": str(number), "note": text} for number, text in enumerate(texts)])
    table.settle([0])
    assert notes(table, *range(len(texts))) == list(texts)


def a_row_that_cannot_be_saved_is_found(place: Place) -> None:
    """Only the bad rows of a chunk are refused, each with a reason; the others are taken, in order."""
    table = opened(place)
    rows: list[dict[str, Any]] = [{"id": str(number), "note": "x"} for number in range(100)]
    rows[17]["note"], rows[18]["note"], rows[99]["note"] = place.refuses
    stage = table.stage(0, "try-1")
    refused = stage.add(rows)
    assert [one.place for one in refused] == [17, 18, 99]
    assert all(one.reason for one in refused)
    assert stage.add(orders(200)) == []
    assert stage.commit() == 98
    assert table.settle([0]) == Settlement(98, 0)
    assert notes(table, 16, 17, 18, 19, 98, 99, 200) == ["x", None, None, "x", "x", None, "new"]


def a_row_without_a_key_is_refused(place: Place) -> None:
    """A key that is NULL, by value, by `null=` or because the column is missing, tells no row from another."""
    declared: Sequence[tuple[dict[str, Any], str]] = (
        ({"key": "id", "null": ""}, "id"),
        ({"key": ["note", "id"]}, "id"),
        ({"key": "id", "columns": {"id": "order_id", "note": "note"}, "null": ""}, "order_id"),
    )
    bad: list[dict[str, Any]] = [{"id": None, "note": "x"}, {"note": "x"}]
    for number, (words, column) in enumerate(declared):
        table = opened(place, f"run-{number}", name=f"Orders{number}", **words)
        blank = [{"id": "", "note": "x"}] if "null" in words else []
        refused = save(table, 0, [*orders(1), *bad, *orders(2), *blank])
        assert [one.place for one in refused] == [1, 2, 4][: 2 + len(blank)]
        assert all(re.fullmatch(place.no_key.replace("{column}", column), one.reason) for one in refused)
        refused = save(table, 1, [{"note": "x"}, {"note": "x"}])
        assert [one.place for one in refused] == [0, 1]
        assert table.settle([0, 1]) == Settlement(2, 0)


def names_in_tables_are_only_names(place: Place) -> None:
    """Quotes, SQL, any script, and words of the database's own, as names of tables and of columns."""
    for number, name in enumerate(STRANGE):
        key = STRANGE[number - 1]
        for run in ("a", "b"):
            table = opened(place, f"run-{number}-{run}", name=name, key=key)
            for part, text in enumerate(("one", "two")):
                rows = [{other: f"{other} {count} {text}" for other in STRANGE} | {key: str(count)} for count in (1, 2)]
                assert save(table, part, rows) == []
            assert table.settle([0, 1]) == Settlement(2, 2)
            expected = {other: f"{other} 2 two" for other in STRANGE} | {key: "2"}
            assert list(table.rows([("2",), ("9",)])) == [expected, None]
        assert table.count() == 2


TABLES: tuple[Callable[[Place], None], ...] = (
    markers_tell_attempt_and_rows,
    settling_twice_is_settling_once,
    a_run_of_no_rows_settles,
    the_last_in_the_input_wins,
    the_first_in_the_input_wins_if_the_job_says_so,
    a_redone_partition_keeps_its_place_in_the_order,
    rows_of_earlier_files_stay_and_are_updated,
    a_composite_key_tells_rows_apart,
    a_new_name_makes_a_new_column,
    columns_are_mapped_by_declaration,
    a_text_is_null_if_the_job_says_so,
    values_come_back_as_they_were,
    a_row_that_cannot_be_saved_is_found,
    a_row_without_a_key_is_refused,
)

# What a table that shows rows before it settles, and has no row without a key, cannot do.
STAGED: tuple[Callable[[Place], None], ...] = (
    what_is_not_committed_does_not_count,
    a_doubled_key_fails_if_the_job_says_so,
    a_redone_partition_replaces_its_rows,
    without_a_key_every_row_is_kept,
    names_in_tables_are_only_names,
    two_runs_stage_side_by_side,
    discarding_forgets_one_run_only,
)
