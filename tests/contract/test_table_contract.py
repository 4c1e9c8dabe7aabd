"""Sqlite joins the suites of tables; and what only SQLite has."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from rowmill.errors import ConfigurationError
from rowmill.tables import Settlement
from rowmill.testing import suites
from rowmill.testing.table_suite import Place, opened, orders, save


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "it's a db; é.db"

    def sql(statement):
        with closing(sqlite3.connect(path)) as db, db:
            return db.execute(statement).fetchall()

    return Place(f"sqlite:///{path}", sql, refuses=(["a", "list"], {"a": "dict"}, 2**80))


@pytest.mark.parametrize("check", suites.TABLES + suites.STAGED + suites.TRANSACTIONAL, ids=suites.name_of)
def test_sqlite_is_a_table(check, place):
    try:
        check(place)
    finally:
        suites.close_all()


def test_declared_types_are_kept_to(place):
    table = opened(place, types={"n": "INTEGER", "r": "REAL"})
    refused = save(table, 0, [{"id": "1", "n": "5", "r": "1.5"}, {"id": "2", "n": "five", "r": "1"}])
    assert [one.place for one in refused] == [1]
    table.settle([0])
    assert place.sql('SELECT id, n, r FROM "Orders"') == [("1", 5, 1.5)]


def test_a_type_that_is_none_is_told_before_row_1(place):
    with pytest.raises(ConfigurationError, match="SQL type"):
        opened(place, types={"n": "INTEGER); DROP TABLE x"})


def test_keys_that_the_live_table_takes_for_one_are_duplicates(place):
    place.sql('CREATE TABLE "Orders" (id INTEGER PRIMARY KEY, note TEXT)')
    table = opened(place)
    save(table, 0, [{"id": "1", "note": "a"}, {"id": "01", "note": "b"}])
    assert table.settle([0]) == Settlement(1, 1)
    assert place.sql('SELECT id, note FROM "Orders"') == [(1, "b")]


def test_a_column_in_other_letters_is_the_same_column(place):
    place.sql('CREATE TABLE "Orders" (ID TEXT PRIMARY KEY, NOTE TEXT)')
    table = opened(place)
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)
    assert place.sql('SELECT "ID", "NOTE" FROM "Orders"') == [("1", "new")]


def test_letters_beyond_ascii_tell_columns_apart(place):
    table = opened(place)
    save(table, 0, [{"id": "1", "É": "a"}])
    save(table, 1, [{"id": "2", "é": "b"}])
    table.settle([0, 1])
    assert place.sql('SELECT "É", "é" FROM "Orders" ORDER BY id') == [("a", None), (None, "b")]


@pytest.mark.parametrize("name", ["_rowmill_x", "sqlite_x"])
def test_a_reserved_name_is_told_by_name(place, name):
    with pytest.raises(ConfigurationError, match=name):
        opened(place, name=name)


def test_a_file_that_is_no_database_is_the_user_s_to_correct(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("this is text, and not a database; " * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        opened(Place(f"sqlite:///{path}", list))
    assert path.read_text().startswith("this is text")


def test_a_missing_folder_is_the_user_s_to_make(tmp_path):
    with pytest.raises(ConfigurationError, match="no folder"):
        opened(Place(f"sqlite:///{tmp_path}/missing/x.db", list))


def test_a_folder_is_no_database(tmp_path):
    with pytest.raises(ConfigurationError):
        opened(Place(f"sqlite:///{tmp_path}", list))


def test_what_may_not_be_written_is_the_user_s_to_correct(nobody_s_folder):
    folder, as_nobody = nobody_s_folder
    folder.chmod(0o755)
    with closing(sqlite3.connect(folder / "old.db")) as db:
        db.execute("CREATE TABLE x (y)")
    (folder / "old.db").chmod(0o444)
    folder.chmod(0o555)
    for name in ("old.db", "new.db"):
        with as_nobody(), pytest.raises(ConfigurationError):
            opened(Place(f"sqlite:///{folder / name}", list))


def test_another_program_s_lock_is_waited_for(place):
    place.sql("CREATE TABLE x (y)")
    other = sqlite3.connect(place.url.removeprefix("sqlite:///"), check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.3, other.rollback)
    timer.start()
    table = opened(place)
    save(table, 0, orders(1))
    timer.join()
    other.close()
    assert set(table.markers()) == {0}


def test_a_view_on_a_table_that_is_gone_is_in_nobody_s_way(place):
    place.sql('CREATE TABLE "Orders" (id TEXT)')
    place.sql('CREATE VIEW seen AS SELECT id FROM "Orders"')
    place.sql('DROP TABLE "Orders"')
    table = opened(place)
    save(table, 0, orders(1))
    assert table.settle([0]) == Settlement(1, 0)
    assert place.sql("SELECT id FROM seen") == [("1",)]
