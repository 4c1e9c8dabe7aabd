"""A partition's rows on their way into DynamoDB. They are in the table at once; they count when `commit` returns."""

from __future__ import annotations

import zlib
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from rowmill.errors import IntegrityError
from rowmill.model.capacity import write_units
from rowmill.tables import Refused
from rowmill.tables.dynamodb.encoding import Unsendable
from rowmill.tables.dynamodb.kept import Place, hash_of, room

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rowmill.tables.dynamodb.encoding import Encoder
    from rowmill.tables.dynamodb.sending import Sender
    from rowmill.tables.dynamodb.table import DynamoDb

TOGETHER = 1_000


class DynamoDbStage:
    """A partition's rows: sent, and kept for the case that another partition has the same key.

    A key is never under way twice: of rows with one key the first is sent at once, the last after all are acknowledged.
    """

    def __init__(self, table: DynamoDb, sender: Sender, encoder: Encoder, partition: int, attempt: str) -> None:
        self._table = table
        self._sender = sender
        self._encoder = encoder
        self._partition = partition
        self._attempt = attempt
        self._last_wins = table.declared.on_duplicate == "last"
        self._items = TemporaryFile(prefix="rowmill-")  # noqa: SIM115 - closed by commit, or with the stage
        self._bytes = 0
        self._places: dict[bytes, Place] = {}
        self._late: set[bytes] = set()
        self._rows = self._sent = 0

    def add(self, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Take rows."""
        refused: list[Refused] = []
        items: list[tuple[bytes, int]] = []
        with room():
            for place, value in enumerate(values):
                try:
                    item, key, size_bytes = self._encoder.encode_sized(value)
                except Unsendable as error:
                    refused.append(Refused(place, error.reason))
                    continue
                if self._keep(hash_of(key), item):
                    items.append((item, write_units(size_bytes)))
        self._rows += len(values) - len(refused)
        self._send(items)
        return refused

    def _keep(self, key: bytes, item: bytes) -> bool:
        """Keep an item; return whether it is to be sent now."""
        again = key in self._places
        if again and not self._last_wins:
            return False
        self._items.write(item)
        self._places[key] = Place(self._bytes, len(item), zlib.crc32(item))
        self._bytes += len(item)
        if again:
            self._late.add(key)
        return not again

    def _send(self, items: list[tuple[bytes, int]]) -> None:
        if items:
            self._sender.put(items)
            self._sent += len(items)

    def _acknowledged(self) -> None:
        """Wait until the table has all that was sent.

        Raises:
            IntegrityError: It acknowledged another number.
        """
        if (told := self._sender.flush()) != self._sent:
            raise IntegrityError(f"the table acknowledged {told:,} items of {self._sent:,} sent")
        self._sent = 0

    def commit(self) -> int:
        """Wait for the table, write what must be written last, and keep the items and their keys."""
        self._acknowledged()
        with room():
            self._items.flush()
        for items in self._in_batches(sorted(self._places[key] for key in self._late)):
            self._send(items)
        self._acknowledged()
        self._items.seek(0, 2)
        self._table.keep(self._partition, self._attempt, self._rows, self._items, self._places)
        self._items.close()
        return self._rows

    def _in_batches(self, places: Sequence[Place]) -> Iterable[list[tuple[bytes, int]]]:
        for low in range(0, len(places), TOGETHER):
            items = []
            for offset, length, _ in places[low : low + TOGETHER]:
                self._items.seek(offset)
                item = self._items.read(length)
                items.append((item, write_units(length)))  # its JSON is longer than what counts: never too few
            yield items

    def abandon(self) -> None:
        """Let go of what is kept here."""
        with suppress(OSError):  # a full disk, of which was told
            self._items.close()
