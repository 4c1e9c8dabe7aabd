"""What a table that settles by SQL must do as well: with live tables of others, and with what was deleted outside."""

# ruff: noqa: S101, S608, PLR2004 - a suite asserts, and small numbers and strange names are its material

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.errors import ConfigurationError, ProcessingError
from rowmill.tables import Settlement, Woven
from rowmill.testing.failing import failure_of
from rowmill.testing.table_suite import OPENED, Place, notes, opened, orders, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowmill.tables import OpenTable


def foreign_rows_columns_and_indexes_stay(place: Place) -> None:
    """A live table keeps what others put there: rows, columns with their defaults, indexes, views."""
    place.sql("CREATE TABLE \"Orders\" (foreigner TEXT DEFAULT 'ours', id TEXT PRIMARY KEY, note TEXT)")
    place.sql("INSERT INTO \"Orders\" VALUES ('kept', '1', 'foreign'), ('kept', '2', 'foreign')")
    place.sql('CREATE INDEX by_note ON "Orders" (note)')
    place.sql('CREATE VIEW seen AS SELECT id, foreigner FROM "Orders"')
    table = opened(place)
    save(table, 0, orders(2, 3))
    assert table.settle([0]) == Settlement(2, 0)
    rows = place.sql('SELECT id, note, foreigner FROM "Orders" ORDER BY id')
    assert rows == [("1", "foreign", "kept"), ("2", "new", "kept"), ("3", "new", "ours")]
    assert place.sql("SELECT id FROM seen ORDER BY id") == [("1",), ("2",), ("3",)]


def a_live_table_without_its_key_gets_one(place: Place) -> None:
    """Rows of a key that no index guards are found all the same."""
    place.sql('CREATE TABLE "Orders" (id TEXT, note TEXT)')
    place.sql("INSERT INTO \"Orders\" VALUES ('1', 'foreign'), ('2', 'foreign')")
    table = opened(place)
    save(table, 0, orders(2, 3))
    assert table.settle([0]) == Settlement(2, 0)
    assert notes(table, 1, 2, 3) == ["foreign", "new", "new"]
    assert table.count() == 3


def a_live_table_that_holds_a_key_twice_is_refused_before_row_1(place: Place) -> None:
    """No key could tell its rows apart."""
    place.sql('CREATE TABLE "Orders" (id TEXT, note TEXT)')
    place.sql("INSERT INTO \"Orders\" VALUES ('1', 'a'), ('1', 'b')")
    assert isinstance(failure_of(lambda: opened(place)), ConfigurationError)


def a_live_table_that_cannot_take_the_rows_is_refused_before_row_1(place: Place) -> None:
    """The key's column is missing, or a column must have a value that the job never gives."""
    place.sql('CREATE TABLE "Keyless" (other TEXT)')
    place.sql('CREATE TABLE "Demanding" (id TEXT PRIMARY KEY, must TEXT NOT NULL, may TEXT NOT NULL DEFAULT 1)')
    assert isinstance(failure_of(lambda: opened(place, name="Keyless")), ConfigurationError)
    demanding = opened(place, name="Demanding")
    assert isinstance(failure_of(lambda: demanding.check(["id", "may"])), ConfigurationError)
    assert failure_of(lambda: demanding.check(["id", "must"])) is None


def a_view_is_no_table(place: Place) -> None:
    """Rows cannot be saved in what only shows others'."""
    place.sql('CREATE VIEW "Orders" AS SELECT 1 AS id')
    error = failure_of(lambda: opened(place))
    assert isinstance(error, ConfigurationError)
    assert "view" in str(error)


def nothing_of_the_book_keeping_is_in_the_live_table(place: Place) -> None:
    """Its columns are the results', in their order, and no staging table is left."""
    for run_id in ("run-1", "run-2"):
        table = opened(place, run_id)
        save(table, 0, [{"id": "1", "note": "x", "last": "y"}])
        table.settle([0])
        assert list(*table.rows([("1",)])) == ["id", "note", "last"]
        assert isinstance(failure_of(lambda: place.sql(f'SELECT * FROM "_rowmill_{run_id}"')), Exception)  # noqa: B023


def a_deleted_table_is_noticed_and_made_anew(place: Place) -> None:
    """The run is not settled any more, and settles again once its partitions are redone."""
    table = opened(place)
    for part in range(3):
        save(table, part, orders(part, part + 10))
    table.settle([0, 1, 2])
    place.sql('DROP TABLE "Orders"')
    assert table.settled() is None
    assert not any(marker.rows for marker in table.markers().values())
    for part in (2, 0, 1):
        save(table, part, orders(part, part + 10), "again")
    assert table.settle([0, 1, 2]) == Settlement(6, 0)
    assert notes(table, 0, 10, 1, 11, 2, 12) == ["new"] * 6


def an_emptied_table_is_noticed(place: Place) -> None:
    """What was settled is gone, so the run is not settled; another run's rows do not make it so while it is redone."""
    table = opened(place)
    save(table, 0, orders(1, 2))
    table.settle([0])
    place.sql('DELETE FROM "Orders"')
    assert table.settled() is None
    save(table, 0, orders(1, 2), "again")
    other = opened(place, "run-2")
    save(other, 0, orders(3))
    other.settle([0])
    assert table.settled() is None
    assert table.settle([0]) == Settlement(2, 0)
    assert notes(table, 1, 2, 3) == ["new"] * 3


def a_staging_table_that_was_dropped_is_noticed(place: Place) -> None:
    """Its markers count no more, and redoing its partitions loses none of the others."""
    table = opened(place)
    for part in range(3):
        save(table, part, orders(part, part + 10))
    place.sql('DROP TABLE "_rowmill_run-1"')
    assert not any(marker.rows for marker in table.markers().values())
    for part in (2, 0, 1):
        save(table, part, orders(part, part + 10), "again")
    assert table.settle([0, 1, 2]) == Settlement(6, 0)


def a_late_commit_changes_nothing_that_is_settled(place: Place) -> None:
    """A worker that was thought dead and commits after the settling leaves no trace."""
    late = opened(place)
    stage = late.stage(0, "late")
    stage.add(orders(1, 2, 3, note="late"))
    table = opened(place)
    save(table, 0, orders(1, 2))
    settled = table.settle([0])
    stage.commit()
    assert table.settled() == settled
    assert table.settle([0]) == settled
    assert notes(table, 1, 2, 3) == ["new", "new", None]
    assert failure_of(lambda: place.sql('SELECT * FROM "_rowmill_run-1"')) is not None


def a_row_that_the_live_table_refuses_is_named(place: Place) -> None:
    """A CHECK, a NOT NULL or another UNIQUE: nothing is saved; the partition and the written row are told."""
    for name, constraint in (("A", "CHECK (note <> 'bad')"), ("B", "UNIQUE"), ("C", "NOT NULL")):
        place.sql(f'CREATE TABLE "{name}" (id TEXT PRIMARY KEY, note TEXT {constraint})')
        place.sql(f"INSERT INTO \"{name}\" VALUES ('99', 'bad')" if name == "B" else "SELECT 1")
        table = opened(place, f"run-{name}", name=name, null="null")
        before = table.count()
        save(table, 0, [{"id": str(number), "note": f"n{number}"} for number in range(50)])
        rows = [{"id": str(number), "note": f"n{number}"} for number in range(50, 90)]
        rows[33]["note"] = {"A": "bad", "B": "bad", "C": "null"}[name]
        save(table, 1, rows)
        error = failure_of(lambda: table.settle([0, 1]))  # noqa: B023 - called at once
        assert isinstance(error, ProcessingError)
        assert error.context["partition"] == 1
        assert "row 33 " in f"{error} "
        assert table.count() == before
        assert table.settled() is None
        assert set(table.markers()) == {0, 1}


def a_taken_name_of_an_index_is_in_nobody_s_way(place: Place) -> None:
    """An index of the key gets a free name."""
    place.sql('CREATE TABLE "Orders_key" (x TEXT)')
    table = opened(place)
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)
    place.sql('DROP TABLE "Orders_key"')


def _repair(table: OpenTable, number: int) -> OpenTable:
    repair = table.of_repair(number)
    OPENED.append(repair)
    return repair


def _repaired(table: OpenTable, number: int, rows: Mapping[int, Sequence[Mapping[str, str]]]) -> None:
    repair = _repair(table, number)
    repair.discard()
    for partition, values in rows.items():
        save(repair, partition, values)


def repaired_rows_stand_in_their_own_places(place: Place) -> None:
    """Rows that repairs add before a run is settled come where they belong."""
    place.sql('CREATE TABLE "Orders" (id TEXT, note TEXT)')
    table = opened(place, key=None)
    save(table, 1, orders(5, 6))
    save(table, 0, orders(2, 4))
    save(table, 2, [])
    _repaired(table, 1, {0: orders(1, 3, note="first"), 2: [{"id": "7", "note": "first", "more": "x"}]})
    _repaired(table, 2, {0: orders(0, note="second"), 1: orders(56, note="second")})
    woven = [Woven(1, 0, (0, 1)), Woven(1, 2, (0,)), Woven(2, 0, (0,)), Woven(2, 1, (1,))]
    assert table.settle([0, 1, 2], woven=woven) == Settlement(9, 0)
    assert table.settle([0, 1, 2], woven=woven) == Settlement(9, 0)
    found = place.sql('SELECT * FROM "Orders"')  # as they were put there
    assert [row[0] for row in found] == ["0", "1", "2", "3", "4", "5", "56", "6", "7"]
    assert [row[2] for row in found] == [None] * 8 + ["x"]
    assert _repair(table, 1).markers() == {}


def a_repaired_row_wins_its_key_by_its_place(place: Place) -> None:
    """Not by the time at which it was written."""
    for way, kept in (("last", ["old", "new"]), ("first", ["new", "old"])):
        table = opened(place, f"run-{way}", name=f"By {way}", on_duplicate=way)
        save(table, 0, [*orders(1, note="old"), *orders(2, note="old")])
        _repaired(table, 1, {0: [*orders(1, note="new"), *orders(2, note="new")]})
        assert table.settle([0], woven=[Woven(1, 0, (0, 2))]) == Settlement(2, 2)
        assert notes(table, 1, 2) == kept


def a_repair_that_the_live_table_refuses_settles_nothing(place: Place) -> None:
    """Neither the repair's rows nor the run's; both stay staged."""
    place.sql("CREATE TABLE \"Orders\" (id TEXT PRIMARY KEY, note TEXT CHECK (note <> 'bad'))")
    table = opened(place)
    save(table, 0, orders(1))
    _repaired(table, 1, {0: orders(2, note="bad")})
    assert isinstance(failure_of(lambda: table.settle([0], woven=[Woven(1, 0, (1,))])), ProcessingError)
    assert table.settled() is None
    assert table.count() == 0
    assert [marker.rows for marker in (table.markers()[0], _repair(table, 1).markers()[0])] == [1, 1]


def a_repair_of_a_settled_run_is_settled_once(place: Place) -> None:
    """Its rows take over what has their key, and it remembers that it was settled."""
    table = opened(place)
    save(table, 0, orders(1, 2))
    table.settle([0])
    _repaired(table, 1, {0: orders(2, 3, note="repaired")})
    repair = _repair(table, 1)
    assert repair.settled() is None
    assert repair.settle([0]) == Settlement(2, 0)
    assert repair.settle([0]) == Settlement(2, 0)
    assert table.settled() == Settlement(2, 0)
    assert notes(table, 1, 2, 3) == ["new", "repaired", "repaired"]


TRANSACTIONAL: tuple[Callable[[Place], None], ...] = (
    foreign_rows_columns_and_indexes_stay,
    a_live_table_without_its_key_gets_one,
    a_live_table_that_holds_a_key_twice_is_refused_before_row_1,
    a_live_table_that_cannot_take_the_rows_is_refused_before_row_1,
    a_view_is_no_table,
    nothing_of_the_book_keeping_is_in_the_live_table,
    a_deleted_table_is_noticed_and_made_anew,
    an_emptied_table_is_noticed,
    a_staging_table_that_was_dropped_is_noticed,
    a_late_commit_changes_nothing_that_is_settled,
    a_row_that_the_live_table_refuses_is_named,
    a_taken_name_of_an_index_is_in_nobody_s_way,
    repaired_rows_stand_in_their_own_places,
    a_repaired_row_wins_its_key_by_its_place,
    a_repair_that_the_live_table_refuses_settles_nothing,
    a_repair_of_a_settled_run_is_settled_once,
)
