"""Names and values as PostgreSQL takes them, whatever is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_BYTES = 63
PART = r'([^\W\d][\w$]*|"(?:[^"]|"")+")'  # a plain word, or anything in quotes
DOTTED = re.compile(rf"{PART}\.{PART}")
QUOTED = re.compile(r'"(?:[^"]|"")+"')


def split_name(name: str) -> tuple[str, str]:
    """Return schema and table of a declared name; the schema is empty where it names none.

    `sales.orders` and `"my shop".orders` have a schema; `"sales.orders"`, and what is not two words, is one table.
    """
    if found := DOTTED.fullmatch(name):
        return _unquoted(found[1]), _unquoted(found[2])
    return "", _unquoted(name)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if QUOTED.fullmatch(name) else name


def quoted(name: str) -> str:
    """Return a name as SQL takes it.

    Raises:
        ConfigurationError: PostgreSQL would cut it.
    """
    if not name or "\x00" in name or _size_bytes(name) > NAME_BYTES:
        raise ConfigurationError(
            f"PostgreSQL takes no name like {name!r}: of 1 to {NAME_BYTES} bytes in UTF-8, and without NUL",
            hint="give the column another name: Table(columns={…})",
        )
    return sql.Identifier(name).as_string(None)


def _size_bytes(name: str) -> int:
    try:
        return len(name.encode())
    except UnicodeEncodeError:
        return NAME_BYTES + 1


def listed(names: Iterable[str]) -> str:
    """Return names as a list of SQL."""
    return ", ".join(map(quoted, names))


def literal(text: str) -> str:
    """Return a text as a value of SQL."""
    return sql.Literal(text).as_string(None)


class Column(NamedTuple):
    """A column of a live table.

    Attributes:
        kind: Its type, as SQL writes it, with the collation if it is a special one.
        required: It must have a value, and has no default.
        made: The server makes its value, and takes no other.
    """

    name: str
    kind: str
    required: bool
    made: bool


class Names(NamedTuple):
    """The tables of a run.

    Attributes:
        schema: Where they are.
        table: The live table.
        run_id: Whose staging table it is.
    """

    schema: str
    table: str
    run_id: str

    @property
    def live(self) -> str:
        """The user's table."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def staging(self) -> str:
        """The run's own table."""
        return f"{quoted(self.schema)}.{quoted(f'_rowmill_{self.run_id}')}"

    @property
    def markers(self) -> str:
        """What is staged."""
        return f'{quoted(self.schema)}."_rowmill_markers"'

    @property
    def runs(self) -> str:
        """What is settled."""
        return f'{quoted(self.schema)}."_rowmill_runs"'

    @property
    def bookkeeping(self) -> str:
        """How the tables of Rowmill's own are made."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self.markers} "
            "(run_id text, partition bigint, attempt text, rows bigint, PRIMARY KEY (run_id, partition));"
            f"CREATE TABLE IF NOT EXISTS {self.runs} "
            "(run_id text PRIMARY KEY, live text, rows bigint, duplicates bigint)"
        )
