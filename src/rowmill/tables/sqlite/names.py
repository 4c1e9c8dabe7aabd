"""Names as SQLite takes them, whatever is in them, and its errors as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw

from rowmill.errors import ConfigurationError, ProcessingError, RowmillError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """Return a name as SQLite compares it: ASCII letters alike, others as they are."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def rowid_of(columns: Iterable[str]) -> str:
    """Return the name of a row's place that no column of the table hides."""
    taken = set(map(folded, columns))
    for name in ("rowid", "_rowid_", "oid"):
        if name not in taken:
            return name
    raise ConfigurationError(
        "SQLite cannot keep the order of rows that have columns called rowid, _rowid_ and oid",
        hint="name one of them otherwise: Table(columns={…})",
    )


def free_name(db: apsw.Connection, wanted: str) -> str:
    """Return a name for an index that nothing in the database has."""
    taken = {folded(name) for (name,) in db.execute("SELECT name FROM sqlite_master")}
    name, number = wanted, 2
    while folded(name) in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def number(db: apsw.Connection, statement: str) -> int:
    """Return the one number that a statement gives."""
    found: Any = db.execute(statement).fetchall()
    return int(found[0][0])


def translated(error: apsw.Error, path: Path) -> RowmillError:
    """Return SQLite's error as ours."""
    where = f"{path}: {error}"
    if isinstance(error, (apsw.FullError, apsw.IOError)):
        return TransientError(where, hint="make room, then give the same command again", url=str(path))
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return TransientError(where, hint="another program holds the database; try again later", url=str(path))
    if isinstance(error, (apsw.NotADBError, apsw.CorruptError)):
        return ConfigurationError(where, hint="the file is no SQLite database; give another --table", url=str(path))
    if isinstance(error, (apsw.CantOpenError, apsw.ReadOnlyError, apsw.AuthError, apsw.PermissionsError)):
        return ConfigurationError(where, hint="check the path and its rights, or give another --table", url=str(path))
    return ProcessingError(where, hint="the database refused a statement of the run", url=str(path))
