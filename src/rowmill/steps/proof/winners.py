"""Written rows against the live table: each key's winner is there, and says what was written."""

from __future__ import annotations

import math
import sqlite3
from ast import literal_eval
from base64 import b64encode
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.job import Table
    from rowmill.tables import OpenTable

BATCH_ROWS = 1_000
BOOLS = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)
# `same` is that of the row which min or max picks: SQLite's "bare columns in an aggregate query".
FIRST = """SELECT count(*), count(*) FILTER (WHERE NOT same), min(place) FILTER (WHERE NOT same)
    FROM (SELECT min(place) AS place, same FROM seen GROUP BY key)"""
LAST = FIRST.replace("(SELECT min(", "(SELECT max(")


class Winners:
    """Compares rows as they come, and gives the verdict at the end, when it is known which row of a key won.

    Cost: memory for a thousand rows; a key of each row in a temporary file.
    """

    def __init__(self, table: OpenTable, declared: Table, agree: Callable[[Any, Any], bool]) -> None:
        self._table = table
        self._agree = agree
        self._declared = declared
        self._held: list[tuple[int, Mapping[str, Any]]] = []
        self._lost: int | None = None
        self._unkeyed = 0
        self._blind = not declared.keys
        self._seen = sqlite3.connect("")  # a file that SQLite makes when memory does not do, and removes
        self._seen.execute("CREATE TABLE seen (key BLOB, place INTEGER, same INTEGER)")

    def add(self, ordinal: int, value: Any) -> None:
        """Take a written row; one without the key's columns cannot be looked up, nor can all others then."""
        self._blind = self._blind or not isinstance(value, dict) or any(key not in value for key in self._declared.keys)
        if self._blind:
            return
        self._held.append((ordinal, columns_of(self._declared, value)))
        if len(self._held) == BATCH_ROWS:
            self._compare()

    def _compare(self) -> None:
        names = self._declared.columns or {}
        keys = [names.get(key, key) for key in self._declared.keys]
        wanted = [tuple(bound(row[key]) for key in keys) for _, row in self._held]
        seen = []
        for (ordinal, row), key, live in zip(self._held, wanted, self._table.rows(wanted), strict=True):
            if None in key:
                self._unkeyed += 1  # NULL is no key: the row is there, and cannot be looked up
            elif live is None:
                self._lost = ordinal if self._lost is None else self._lost
            else:
                # By the exact name first: SQL's names have no letters of their own, other tables' have.
                cells = {name.lower(): cell for name, cell in live.items()} | live
                spelled = {name: name if name in cells else name.lower() for name in (*keys, *row)}
                own = msgspec.msgpack.encode([cells[spelled[name]] for name in keys])  # as the table spells it
                agrees = all(spelled[name] in cells and self._agree(cells[spelled[name]], row[name]) for name in row)
                seen.append((own, ordinal, agrees))
        self._seen.executemany("INSERT INTO seen VALUES (?, ?, ?)", seen)
        self._held.clear()

    def verdict(self) -> int | None:
        """Return how many rows of the table the run must have; None where rows cannot be looked up.

        Raises:
            IntegrityError: A row is missing, or differs.
        """
        if self._blind:
            return None
        self._compare()
        if self._lost is not None:
            raise IntegrityError(f"the table has no row for the key of input row {self._lost:,}", ordinal=self._lost)
        query = FIRST if self._declared.on_duplicate == "first" else LAST
        rows, differing, first = self._seen.execute(query).fetchone()
        if differing:
            raise IntegrityError(
                f"{differing:,} of the table's rows differ from what was written, the first is of input row {first:,}",
                ordinal=first,
            )
        return int(rows) + self._unkeyed

    def close(self) -> None:
        """Let go of the temporary file."""
        self._seen.close()


def columns_of(declared: Table, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result by the table's columns, as far as it is saved."""
    names = declared.columns or {name: name for name in value}
    cells = {names[name]: cell for name, cell in value.items() if name in names}
    return {name: None if declared.null is not None and cell == declared.null else cell for name, cell in cells.items()}


def bound(value: Any) -> Any:
    """Return a key's value as a database takes it."""
    return value if value is None or isinstance(value, (str, bytes, int, float)) else str(value)


def same_text(cell: Any, text: Any) -> bool:
    """As `same`, where what was written is known as a file's text: NULL and empty text look alike there."""
    if isinstance(cell, (dict, list, set)) and isinstance(text, str):
        try:
            text = literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return False
    return (cell is None and text in (None, "")) or same(cell, text)


def same(cell: Any, value: Any) -> bool:
    """Whether a table's cell says what was written, in the table's own type: text 1.50 may stand as the number 1.5."""
    if cell is None or value is None:
        return cell is value
    if bytes in (type(cell), type(value)):
        return _same_bytes(cell, value)
    if isinstance(cell, (dict, list, set)):
        return _same_inside(cell, value)
    return _same_scalar(cell, value)


def _same_scalar(cell: Any, value: Any) -> bool:
    if isinstance(cell, bool) and str(value).lower() in BOOLS:
        return BOOLS[str(value).lower()] is cell
    if isinstance(value, bool) or value in ("True", "False"):
        return str(cell) in (str(value), str(int(value in (True, "True"))))
    if str(cell) == str(value):
        return True
    if isinstance(cell, str) and isinstance(value, (str, date, time)):
        return _same_moment(cell, value)
    return _equal_numbers(cell, value)


def _same_bytes(cell: Any, value: Any) -> bool:
    """Compare bytes; as text they may stand as what they say, as base64 in JSON, as Python shows them in CSV."""
    if isinstance(cell, bytes) and isinstance(value, str):
        return value in (b64encode(cell).decode(), str(cell)) or value.encode() == cell
    return bool(cell == value)


def _same_inside(cell: Any, value: Any) -> bool:
    """Compare what holds other things; a set is a list in JSON."""
    if isinstance(cell, dict):
        return isinstance(value, dict) and cell.keys() == value.keys() and all(same(cell[k], value[k]) for k in cell)
    if not isinstance(value, (list, tuple, set, frozenset)) or len(cell) != len(value):
        return False
    if isinstance(cell, list):
        return isinstance(value, (list, tuple)) and all(map(same, cell, value))
    return all(any(same(one, other) for other in value) for one in cell)


def _same_moment(cell: str, value: Any) -> bool:
    """Compare a moment's ISO 8601 text with what Python or JSON writes for it: a blank for the T, Z for no offset."""
    text = value if isinstance(value, str) else value.isoformat()
    in_json = cell.removesuffix("+00:00") + "Z" if cell.endswith("+00:00") else cell
    return text in (cell, cell.replace("T", " ", 1), in_json) and _is_moment(cell)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _equal_numbers(cell: Any, value: Any) -> bool:
    try:
        if isinstance(cell, float):
            return math.isclose(cell, float(value), rel_tol=1e-14)
        return Decimal(str(cell)) == Decimal(str(value))
    except (InvalidOperation, ValueError, TypeError):
        return False
