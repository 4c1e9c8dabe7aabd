"""A DynamoDB table: rows are put as they come, and what the run must remember of them is kept in the workspace.

There is no transaction over a run. What stands in for it: puts of a key give the same row however often they are
repeated; a partition counts when its object is in the workspace; merge finds keys that occur in several partitions and
writes the winner once more.
"""

from __future__ import annotations

from itertools import groupby, islice
from operator import itemgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.errors import ConfigurationError, InputError, IntegrityError, TransientError
from rowmill.model import codec
from rowmill.model.capacity import write_units
from rowmill.storage.ahead import in_order
from rowmill.tables import Marker, Settlement, Woven
from rowmill.tables.dynamodb import duplicates as finding
from rowmill.tables.dynamodb import kept as keeping
from rowmill.tables.dynamodb.connecting import named
from rowmill.tables.dynamodb.describing import Described, describe, described, make, try_rights
from rowmill.tables.dynamodb.encoding import Encoder, known_type
from rowmill.tables.dynamodb.kept import AGAIN, RECORD, read_index, read_items, room
from rowmill.tables.dynamodb.reading import counted, found_rows, is_empty
from rowmill.tables.dynamodb.sending import Sender
from rowmill.tables.dynamodb.stage import DynamoDbStage
from rowmill.tables.dynamodb.winners import Chosen, by_place, chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from rowmill.job import Table
    from rowmill.storage import Storage
    from rowmill.tables.dynamodb.kept import Kept, Place
    from rowmill.tracker import Pace

FOLDER, SETTLED = "table", "table.json"
SENT_TOGETHER = 1_000
READ_AT_ONCE = 4  # indexes


class DynamoDb:
    """A table in DynamoDB: `dynamodb://[region/]name`."""

    def __init__(self, url: str, declared: Table, *, run_id: str, workspace: Storage, pace: Pace, create: bool) -> None:
        self._url = url
        self._region, self._name = named(url)
        if not 1 <= len(declared.keys) <= 2:  # noqa: PLR2004 - partition key and sort key
            raise ConfigurationError(
                f"a DynamoDB table has a key of one or two columns, the job declares {len(declared.keys)}",
                hint="declare Table(key=…)",
            )
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
        for column, kind in self._declared.types.items():
            known_type(column, kind)
        if self._create and described(self._region, self._name) is None:
            make(self._region, self._name, self._key_types())
        live = self._described = describe(self._region, self._name)
        if list(live.keys) != self._keys:
            raise ConfigurationError(
                f"the key of the table {self._name!r} is {', '.join(live.keys)}, the job's is {', '.join(self._keys)}",
                hint="declare Table(key=…) as the table has it",
                url=self._url,
            )
        try_rights(self._region, self._name, live.keys)
        is_empty(self._region, self._name)  # it is asked later whether what was settled is still there

    def _key_types(self) -> dict[str, str]:
        declared = [known_type(key, self._declared.types.get(key, "S")) for key in self._declared.keys]
        if "BOOL" in declared:
            raise ConfigurationError("a key of a DynamoDB table cannot be BOOL", hint="declare it as S, N or B")
        return dict(zip(self._keys, declared, strict=True))

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
        self._drop_stage()
        self._stage = DynamoDbStage(self, self._opened_sender(), self._encoder(), partition, attempt)
        return self._stage

    def _drop_stage(self) -> None:
        """Drop what is under way, and what of it is still to be sent."""
        if self._stage is not None:
            self._stage.abandon()
            self._stage = None
            self._close_sender()

    def keep(self, partition: int, attempt: str, rows: int, items: BinaryIO, places: Mapping[bytes, Place]) -> None:
        """Keep a partition's items and keys: with this it counts. What earlier attempts kept goes."""
        name = keeping.name_of(self._folder, partition, attempt, rows)
        keeping.write(self._workspace, name, items, places)
        for one in list(keeping.kept_of(self._workspace, self._folder)):
            if one.partition == partition and one.name != name:
                self._workspace.delete(one.name)
        self._stage = None

    def markers(self) -> dict[int, Marker]:
        """Return which partitions are kept; none if the live table lost their rows, and then they are forgotten.

        Else the rows of those that are redone first would make it look as if the others were there too.
        """
        kept = self._kept()
        if any(one.rows for one in kept.values()) and is_empty(self._region, self._name):
            self.discard()
            return {}
        return {part: Marker(one.attempt, one.rows) for part, one in kept.items()}

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

    def settle(
        self,
        partitions: Sequence[int],
        *,
        confirm: Callable[[], object] = lambda: None,
        woven: Sequence[Woven] = (),
    ) -> Settlement:
        """Write once more, of keys that occur in several partitions, the row that stays.

        Raises:
            InputError: A key occurs twice and the job says `fail`; rows of the run are in the table.
            TransientError: A worker that was thought dead has replaced a partition's object meanwhile.

        Restart: safe to repeat at any point; a winner written twice is the same row.

        Cost: see `duplicates` and `winners`; of the partitions' objects the indexes are read, and the winners' items.
        """
        del woven  # there are none: see `of_repair`
        if (done := self.settled()) is not None:
            return done
        self._drop_stage()
        ordered = self._ordered(partitions)
        rows = sum(one.rows for one in ordered)
        with TemporaryFile(prefix="rowmill-") as indexes, TemporaryFile(prefix="rowmill-") as winners, room():
            keys, told = self._chosen(ordered, indexes, winners)
            duplicates = rows - keys + told.losers
            confirm()
            self._write(by_place(winners, told.lots), ordered)
        settlement = Settlement(rows - duplicates, duplicates)
        self._workspace.put(f"{self._run}/{SETTLED}", codec.encode(settlement))
        return settlement

    def _ordered(self, partitions: Sequence[int]) -> list[Kept]:
        """Return the partitions' objects in the order of the input.

        Raises:
            TransientError: One is not there; what counts as done was looked up before.
        """
        kept = self._kept()
        for part in partitions:
            if part not in kept:
                raise TransientError(f"what was kept of partition {part} is gone", hint=AGAIN, partition=part)
        return [kept[part] for part in partitions]

    def _chosen(self, ordered: Sequence[Kept], indexes: BinaryIO, winners: BinaryIO) -> tuple[int, Chosen]:
        """Return how many keys the partitions have, each counted by itself, and the winners of those in several.

        Raises:
            InputError: A key occurs twice and the job says `fail`.
        """
        read = in_order(lambda one: read_index(self._workspace, one.name), ordered, READ_AT_ONCE)
        places = finding.gathered(read, indexes)
        keys = sum(end - start for start, end in places) // RECORD.size
        found = finding.winners(indexes, places, last=self._declared.on_duplicate != "first")
        if self._declared.on_duplicate == "fail":
            self._refuse_doubled(sum(one.rows for one in ordered) > keys, next(found, None), ordered)
        return keys, chosen(found, winners)

    def _refuse_doubled(self, within: bool, across: finding.Winner | None, ordered: Sequence[Kept]) -> None:
        if not within and across is None:
            return
        where = "within a partition" if across is None else f"in partition {ordered[across.partition].partition}, again"
        raise InputError(
            f"a key of the table {self._name!r} occurs twice in the input, {where}",
            hint="correct the input, or declare Table(on_duplicate='last') or 'first'; rows that came before are in "
            "the table",
        )

    def _write(self, winners: Iterable[tuple[int, Place]], ordered: Sequence[Kept]) -> None:
        """Write winners once more.

        Raises:
            IntegrityError: The table did not acknowledge each of them.
        """
        sent = 0
        for number, group in groupby(winners, key=itemgetter(0)):
            items = read_items(self._workspace, ordered[number].name, (place for _, place in group))
            while batch := [(item, write_units(len(item))) for item in islice(items, SENT_TOGETHER)]:
                self._opened_sender().put(batch)
                sent += len(batch)
        if sent and (told := self._opened_sender().flush()) != sent:
            raise IntegrityError(f"the table acknowledged {told:,} items of {sent:,} sent")

    def discard(self) -> None:
        """Forget what the run kept; its rows stay in the table."""
        self._workspace.delete(f"{self._run}/{SETTLED}")
        self._workspace.delete(self._folder)

    def of_repair(self, number: int) -> DynamoDb:
        """Refuse: rows are put as they come, so that a repair which is given up could not be taken back."""
        raise ConfigurationError(
            f"repair {number} is not possible: a DynamoDB table cannot take the rows of a repair all at once",
            hint="accept the rejects with `rowmill waive`, or correct the input and run it with --fresh",
            url=self._url,
        )

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
        self._drop_stage()
        self._close_sender()
