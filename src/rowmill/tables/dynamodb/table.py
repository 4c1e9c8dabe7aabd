"""A DynamoDB table: rows are put as they come, and what the run must remember of them is kept in the workspace.

There is no transaction over a run. What stands in for it: puts of a key give the same row however often they are
repeated; a partition counts when its object is in the workspace; merge finds keys that occur in several partitions and
writes the winner once more.
"""

from __future__ import annotations

import re
from itertools import groupby, islice
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.errors import ConfigurationError, IntegrityError, ProcessingError
from rowmill.model import codec
from rowmill.model.capacity import write_units
from rowmill.tables import Marker, Settlement
from rowmill.tables.dynamodb import duplicates as finding
from rowmill.tables.dynamodb import kept as keeping
from rowmill.tables.dynamodb.describing import Described, describe, make
from rowmill.tables.dynamodb.encoding import Encoder
from rowmill.tables.dynamodb.reading import counted, found_rows, is_empty
from rowmill.tables.dynamodb.sending import Sender
from rowmill.tables.dynamodb.stage import DynamoDbStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from rowmill.job import Table
    from rowmill.storage import Storage
    from rowmill.tables.dynamodb.kept import Kept, Place
    from rowmill.tracker import Pace

URL = re.compile(r"dynamodb://(?:(?P<region>[a-z0-9-]+)/)?(?P<name>[A-Za-z0-9_.-]{3,255})")
FOLDER, SETTLED = "table", "table.json"
WINNERS_TOGETHER = 100_000  # written, and forgotten: 10 MB
SENT_TOGETHER = 1_000


class DynamoDb:
    """A table in DynamoDB: `dynamodb://[region/]name`."""

    def __init__(self, url: str, declared: Table, *, run_id: str, workspace: Storage, pace: Pace, create: bool) -> None:
        parts = URL.fullmatch(url)
        if parts is None:
            raise ConfigurationError(f"{url} names no table", hint="write dynamodb://region/name", url=url)
        if not 1 <= len(declared.keys) <= 2:  # noqa: PLR2004 - partition key and sort key
            raise ConfigurationError(
                f"a DynamoDB table has a key of one or two columns, the job declares {len(declared.keys)}",
                hint="declare Table(key=…)",
            )
        self._url, self._region, self._name = url, parts["region"], parts["name"]
        self._declared = declared
        self._run = wire.run_dir(run_id)
        self._workspace = workspace
        self._pace = pace
        self._create = create
        mapping = declared.columns or {}
        self._keys = [mapping.get(key, key) for key in declared.keys]
        self._described: Described | None = None
        self._sender: Sender | None = None
        self._stage: DynamoDbStage | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    @property
    def declared(self) -> Table:
        """What the job declares."""
        return self._declared

    @property
    def _folder(self) -> str:
        return f"{self._run}/{FOLDER}"

    def _live(self) -> Described:
        """Return what the table is; asked once by a process."""
        if self._described is None:
            self._described = describe(self._region, self._name)
        return self._described

    def check(self, columns: Sequence[str] | None) -> None:
        """Compare the declaration with the live table; make it if that is asked for.

        Raises:
            ConfigurationError: It is not there, has another key, or may not be used.
        """
        del columns  # a table knows its key only
        for name, kind in self._declared.types.items():
            if kind not in ("S", "N", "B", "BOOL"):
                raise ConfigurationError(
                    f"Table(types=…): {kind!r} of {name!r} is no type of DynamoDB", hint="use S, N, B or BOOL"
                )
        if self._create:
            make(self._region, self._name, self._keys, self._key_types())
        live = self._live()
        if list(live.keys) != self._keys:
            raise ConfigurationError(
                f"the key of the table {self._name!r} is {', '.join(live.keys)}, the job's is {', '.join(self._keys)}",
                hint="declare Table(key=…) as the table has it",
                url=self._url,
            )

    def _key_types(self) -> list[str]:
        types = [self._declared.types.get(key, "S") for key in self._declared.keys]
        return [kind if kind in ("N", "B") else "S" for kind in types]

    def _encoder(self) -> Encoder:
        return Encoder(
            keys=self._declared.keys,
            key_types=dict(zip(self._declared.keys, self._live().keys.values(), strict=True)),
            columns=self._declared.columns,
            types=self._declared.types,
            null=self._declared.null,
        )

    def _opened_sender(self) -> Sender:
        if self._sender is None:
            self._sender = Sender(self._region, self._name, pace=self._pace)
            self._sender.__enter__()
        return self._sender

    def stage(self, partition: int, attempt: str) -> DynamoDbStage:
        """Begin a partition; what an earlier one left under way is dropped."""
        if self._stage is not None:
            self._stage.abandon()
            self._close_sender()
        self._stage = DynamoDbStage(self, self._opened_sender(), self._encoder(), partition, attempt)
        return self._stage

    def keep(self, partition: int, attempt: str, rows: int, items: BinaryIO, places: Mapping[bytes, Place]) -> None:
        """Keep a partition's items and keys: with this it counts. What earlier attempts kept goes."""
        name = keeping.name_of(self._folder, partition, attempt, rows)
        keeping.write(self._workspace, name, items, places)
        for one in list(keeping.kept_of(self._workspace, self._folder)):
            if one.partition == partition and one.name != name:
                self._workspace.delete(one.name)
        self._stage = None

    def markers(self) -> dict[int, Marker]:
        """Return which partitions are kept."""
        return {part: Marker(one.attempt, one.rows) for part, one in self._kept().items()}

    def _kept(self) -> dict[int, Kept]:
        return {one.partition: one for one in keeping.kept_of(self._workspace, self._folder)}

    def settled(self) -> Settlement | None:
        """Return what settling came to; None if the table has gone, or was emptied."""
        name = f"{self._run}/{SETTLED}"
        data = self._workspace.get(name)
        if data is None:
            return None
        done = codec.decode(data, Settlement, name=name)
        return None if done.rows and is_empty(self._region, self._name) else done

    def settle(self, partitions: Sequence[int], *, confirm: Callable[[], object] = lambda: None) -> Settlement:
        """Write once more, of keys that occur in several partitions, the row that stays.

        Raises:
            ProcessingError: A key occurs twice and the job says `fail`; rows of the run are in the table.

        Restart: safe to repeat at any point; a winner written twice is the same row.
        """
        if (done := self.settled()) is not None:
            return done
        kept = self._kept()
        ordered = [kept[part] for part in partitions if part in kept]
        with TemporaryFile(prefix="rowmill-") as file:
            indexes = (keeping.read_index(self._workspace, one.name) for one in ordered)
            spans = finding.gathered(indexes, file)
            keys = sum(end - start for start, end in spans) // keeping.RECORD.size
            rows = sum(one.rows for one in ordered)
            last = self._declared.on_duplicate != "first"
            within = rows - keys
            if self._declared.on_duplicate == "fail":
                self._refuse_doubled(within, next(finding.winners(file, spans, last=last), None), ordered)
            confirm()
            lost = within + self._write(finding.winners(file, spans, last=last), ordered)
        settlement = Settlement(rows - lost, lost)
        self._workspace.put(f"{self._run}/{SETTLED}", codec.encode(settlement))
        return settlement

    def _refuse_doubled(self, within: int, across: finding.Winner | None, ordered: Sequence[Kept]) -> None:
        if not within and across is None:
            return
        where = "within a partition" if across is None else f"in partition {ordered[across.partition].partition}, again"
        raise ProcessingError(
            f"a key of {self._declared.name!r} occurs twice in the input, {where}",
            hint="correct the input, or declare Table(on_duplicate='last') or 'first'",
        )

    def _write(self, found: Iterator[finding.Winner], ordered: Sequence[Kept]) -> int:
        """Write winners, some at a time; return how many rows lost."""
        lost = 0
        while some := list(islice(found, WINNERS_TOGETHER)):
            lost += sum(winner.losers for winner in some)
            some.sort(key=lambda winner: (winner.partition, winner.place))
            sent = 0
            for partition, group in groupby(some, key=lambda winner: winner.partition):
                places = (winner.place for winner in group)
                items = keeping.read_items(self._workspace, ordered[partition].name, places)
                while batch := [(item, write_units(len(item))) for item in islice(items, SENT_TOGETHER)]:
                    self._opened_sender().put(batch)
                    sent += len(batch)
            if (told := self._opened_sender().flush()) != sent:
                raise IntegrityError(f"the table acknowledged {told:,} items of {sent:,} sent")
        return lost

    def discard(self) -> None:
        """Forget what the run kept; its rows stay in the table."""
        self._workspace.delete(f"{self._run}/{SETTLED}")
        self._workspace.delete(self._folder)

    def rows(self, keys: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any] | None]:
        """Return the live row of each key; a declared column that it lacks is None."""
        columns = dict.fromkeys((self._declared.columns or {}).values())
        for row in found_rows(self._region, self._name, self._live().keys, keys):
            yield None if row is None else columns | row

    def count(self) -> int:
        """Return the number of rows in the live table.

        Cost: reads the whole table.
        """
        return counted(self._region, self._name)

    def _close_sender(self) -> None:
        if self._sender is not None:
            self._sender.__exit__(None, None, None)
            self._sender = None

    def close(self) -> None:
        """Let go of the connections."""
        if self._stage is not None:
            self._stage.abandon()
            self._stage = None
        self._close_sender()
