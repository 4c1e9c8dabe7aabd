"""Where results are saved. One file per technology; none knows another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec

from rowmill.errors import ConfigurationError
from rowmill.tracker import UNLIMITED, Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rowmill.job import Table
    from rowmill.storage import Storage


class Marker(msgspec.Struct, frozen=True):
    """A table's own word that it holds a partition's rows.

    Attributes:
        attempt: The try that wrote them.
        rows: How many.
    """

    attempt: str
    rows: int


class Settlement(msgspec.Struct, frozen=True):
    """What settling a run came to.

    Attributes:
        rows: Rows of the run in the table.
        duplicates: Written rows that another row of the run with the same key took over.
    """

    rows: int
    duplicates: int


class Woven(msgspec.Struct, frozen=True):
    """Rows of a repair that a partition has more, before the run is settled.

    Attributes:
        repair: Which repair staged them.
        places: For each row, in order, how many of the partition's staged rows stand before it.
    """

    repair: int
    partition: int
    places: tuple[int, ...]


class Refused(msgspec.Struct, frozen=True):
    """A row that the table does not take.

    Attributes:
        place: Its place among the rows given.
        reason: The database's own words.
    """

    place: int
    reason: str


class Stage(Protocol):
    """A partition's rows on their way. Nothing of them counts until `commit` returns."""

    def add(self, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Take rows; return those that the database refuses, found by bisection; the others are taken."""

    def commit(self) -> int:
        """Save all rows and the partition's marker in one durable transaction; return the rows acknowledged."""


class OpenTable(Protocol):
    """A table of one run, from one process."""

    @property
    def url(self) -> str:
        """Where it is, without credentials."""

    def check(self, columns: Sequence[str] | None) -> None:
        """Compare the declaration with the live table, before row 1.

        Args:
            columns: The results' columns, as far as the job declares them.

        Raises:
            ConfigurationError: They do not fit, and why.
        """

    def stage(self, partition: int, attempt: str) -> Stage:
        """Begin a partition; what an earlier attempt left of it is replaced."""

    def markers(self) -> dict[int, Marker]:
        """Return which partitions are staged; none once the run is settled."""

    def settle(
        self,
        partitions: Sequence[int],
        *,
        confirm: Callable[[], object] = lambda: None,
        woven: Sequence[Woven] = (),
    ) -> Settlement:
        """Put the staged rows of these partitions, in this order, into the table in one transaction; once.

        Args:
            partitions: All of the run, in the manifest's order.
            woven: Rows of repairs that were made before, in order; each repair's places count those before it.
            confirm: Called before the transaction commits; what it raises rolls all back.

        Raises:
            InputError: A key occurs twice and the job says `fail`.
            ProcessingError: The live table refuses a row.
        """

    def settled(self) -> Settlement | None:
        """Return what settling came to; None if the run is not settled, or the table is gone."""

    def discard(self) -> None:
        """Forget all that the run staged."""

    def of_repair(self, number: int) -> OpenTable:
        """Return the same table as a repair of the run uses it: its rows are staged and settled apart from the run's.

        Raises:
            ConfigurationError: Rows of such a table cannot be repaired.
        """

    def rows(self, keys: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any] | None]:
        """Return the live row of each key, None where there is none; for verification."""

    def count(self) -> int:
        """Return the number of rows in the live table."""

    def close(self) -> None:
        """Let go of the database."""


def open_table(
    url: str,
    declared: Table,
    *,
    run_id: str,
    workspace: Storage | None = None,
    pace: Pace = UNLIMITED,
    create: bool = False,
) -> OpenTable:
    """Open the table that a job declares, at a URL.

    Args:
        url: Where; its scheme tells the technology.
        declared: What the job declares.
        run_id: Whose rows they are.
        workspace: Where a table that has no transactions keeps what it must remember of the run.
        pace: How fast it may be written.
        create: Make it if it is not there.

    Raises:
        ConfigurationError: No technology here knows the scheme, or the URL holds a password.
    """
    scheme = urlsplit(url).scheme
    if urlsplit(url).password:
        raise ConfigurationError(
            "a table's URL must not hold a password", hint="give it by the database's own file or service"
        )
    if scheme == "sqlite":
        from rowmill.tables.sqlite.table import Sqlite  # noqa: PLC0415 - a worker imports what it uses

        return Sqlite(url, declared, run_id=run_id)
    if scheme == "dynamodb" and workspace is not None:
        from rowmill.tables.dynamodb.table import DynamoDb  # noqa: PLC0415

        return DynamoDb(url, declared, run_id=run_id, workspace=workspace, pace=pace, create=create)
    if scheme in ("postgresql", "postgres"):
        from rowmill.tables.postgresql.table import PostgreSql  # noqa: PLC0415

        return PostgreSql(url, declared, run_id=run_id)
    raise ConfigurationError(
        f"no table here opens {scheme}:// addresses" if scheme else "the table's address says no kind of database",
        hint="use sqlite:///file.db, postgresql://host/database or dynamodb://region/table",
    )
