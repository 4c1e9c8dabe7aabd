"""The output: data verified, joined in order out of sight, and published whole or not at all."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError
from rowmill.formats import borders
from rowmill.model import codec
from rowmill.model.identity import PIECE_BYTES
from rowmill.model.report import Report
from rowmill.steps.process import gz
from rowmill.storage import Piece, Reader, Storage, place_of
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.formats import Format
    from rowmill.formats.borders import Rules
    from rowmill.model.receipt import DataObject, Receipt
    from rowmill.model.repair import Repair
    from rowmill.steps import Run

OPENED_AHEAD = 4  # objects: while one is digested, an object store brings the next


class Broken(Exception):  # noqa: N818 - no failure of the run: what is broken is done again
    """Data that is not what its receipts say."""

    def __init__(self, partitions: list[int]) -> None:
        super().__init__(partitions)
        self.partitions = partitions


class Publishing(msgspec.Struct, frozen=True):
    """Whose the output is: written before it appears, so that a restart knows its own."""

    run_id: str
    output: str
    schema: str = "rowmill.publishing/1"


class Made(NamedTuple):
    """An output that is complete and not yet seen.

    Attributes:
        sha256: Digest of the whole.
        bytes: Its length.
    """

    sha256: str
    bytes: int


def make_output(run: Run, head: bytes, ordered: Sequence[Receipt], seen: ExitStack) -> Made:
    """Verify all data and join it in order, out of sight; the output appears when `seen` closes without an exception.

    Raises:
        Broken: Data is not what its receipts say.
        IntegrityError: It is, and holds another number of rows.
    """
    sha256, versions = verify(run, head, ordered)
    folder, name = place_of(run.record.output)
    pieces = [
        Piece(storage=run.workspace, name=receipt.data.name, version=version, bytes=receipt.data.bytes)
        for receipt, version in zip(ordered, versions, strict=True)
        if receipt.data.bytes
    ]
    seen.enter_context(run.open_storage(folder).joining(name, [Piece(literal=head), *pieces]))
    return Made(sha256, len(head) + sum(receipt.data.bytes for receipt in ordered))


def claim_output(run: Run) -> None:
    """Write down whose the output is, before it appears."""
    run.workspace.put(run.name(wire.PUBLISHING), codec.encode(Publishing(run.id, run.record.output)))


def rejects_url(run: Run) -> str:
    """Return where rejects are written."""
    return f"{run.record.output}_Rejects"


def publish_rejects(run: Run, ordered: Sequence[Receipt]) -> str | None:
    """Publish all rejects in order; return their URL, None if there are none."""
    folder, name = place_of(rejects_url(run))
    target = run.open_storage(folder)
    objects = [receipt.rejects for receipt in ordered if receipt.rejects is not None]
    if not objects:
        target.delete(name)
        return None
    with target.joining(name, [Piece(storage=run.workspace, name=one.name) for one in objects]):
        pass
    return rejects_url(run)


def repairs_url(run: Run) -> str:
    """Return where the rows are written by which a repair lets the output grow."""
    return f"{run.record.output}_Repairs"


def publish_repairs(run: Run, head: bytes, repairs: Sequence[Repair]) -> str | None:
    """Publish the rows that the output has more than when it was last published, for those who already took it.

    Returns:
        Their URL; None if nobody can have taken an output without them.
    """
    before = run.load(run.name(wire.REPORT), Report)
    if before is None or before.generation == len(repairs):
        return None if before is None else before.repairs
    folder, name = place_of(repairs_url(run))
    added = [repair.delta for repair in repairs[before.generation :] if repair.delta is not None]
    pieces = [Piece(storage=run.workspace, name=one.name) for one in added]
    with run.open_storage(folder).joining(name, [Piece(literal=head), *pieces]):
        pass
    return repairs_url(run)


def verify(run: Run, head: bytes, ordered: Sequence[Receipt]) -> tuple[str, list[str]]:
    """Read all data once: compare each object with its receipt, and count its rows again.

    Returns:
        The whole's SHA-256, and each object's version: what is joined must be what was read here.
    """
    whole, broken, versions = hashlib.sha256(head), [], []
    objects = in_order(lambda receipt: opened(run.workspace, receipt.data), ordered, OPENED_AHEAD)
    for receipt, (version, pieces) in zip(ordered, objects, strict=True):
        own, counter = hashlib.sha256(), RowCounter(run.job.writes, compressed=gz(run))
        versions.append(version)
        for data in pieces:
            whole.update(data)
            own.update(data)
            counter.add(data)
        if own.hexdigest() != receipt.data.sha256 or not _is_whole(run.workspace, receipt.rejects):
            broken.append(receipt.partition)
        elif counter.rows() != receipt.counts.written:
            raise IntegrityError(
                f"the data of partition {receipt.partition} holds {counter.rows():,} rows, "
                f"{receipt.counts.written:,} were written",
                hint="nothing was published; keep the workspace and report this",
                partition=receipt.partition,
            )
    if broken:
        raise Broken(broken)
    return whole.hexdigest(), versions


def _is_whole(storage: Storage, data: DataObject | None) -> bool:
    if data is None:
        return True
    digest = hashlib.sha256()
    for piece in opened(storage, data).pieces:
        digest.update(piece)
    return digest.hexdigest() == data.sha256


class Opened(NamedTuple):
    """An object that is being read.

    Attributes:
        version: Its version; empty if it has no bytes.
        pieces: Its bytes, the first of them read already.
    """

    version: str
    pieces: Iterator[bytes]


def opened(storage: Storage, data: DataObject) -> Opened:
    """Begin to read an object."""
    if not data.bytes:
        return Opened("", iter(()))
    block = ExitStack()
    reader = block.enter_context(storage.open(data.name))
    (low, high), *others = borders.pieces_of(0, data.bytes)
    return Opened(reader.stat.version, chain((reader.read(low, high),), _rest(block, reader, others)))


def _rest(block: ExitStack, reader: Reader, others: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    with block:
        for low, high in others:
            yield reader.read(low, high)


def rules_of_output(writes: Format) -> Rules:
    """Return how the rows of an output end: what is written is RFC 4180, whatever the input's rules were."""
    rules = writes.rules
    return rules if rules.reader is None else borders.Rules(quote=rules.reader["quotechar"].encode())


class RowCounter:
    """Counts rows in the bytes of an output, by borders alone."""

    def __init__(self, writes: Format, *, compressed: bool) -> None:
        self._rules = rules_of_output(writes)
        self._compressed = compressed
        self._member = zlib.decompressobj(wbits=31)
        self._before = b"\n"
        self._inside = False
        self._rows = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        data = self._member.decompress(data) if self._compressed else data
        for low in range(0, len(data), PIECE_BYTES):
            piece = data[low : low + PIECE_BYTES]
            read = borders.scan(piece, self._rules, before=self._before)
            self._rows += (read.inside if self._inside else read.outside).rows
            self._inside ^= read.odd
            self._before = (self._before + piece)[-2:]

    def rows(self) -> int:
        """Return how many rows ended."""
        return self._rows
