"""The output: data verified, joined in order out of sight, and published whole or not at all."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError
from rowmill.formats import borders
from rowmill.model import codec
from rowmill.model.identity import PIECE_BYTES
from rowmill.steps.process import gz
from rowmill.storage import Piece, Storage, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from rowmill.formats.borders import Rules
    from rowmill.model.receipt import DataObject, Receipt
    from rowmill.steps import Run


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
    sha256 = verify(run, head, ordered)
    folder, name = place_of(run.record.output)
    pieces = [Piece(url=f"{run.workspace.url}/{receipt.data.name}") for receipt in ordered]
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
    with target.joining(name, [Piece(url=f"{run.workspace.url}/{one.name}") for one in objects]):
        pass
    return rejects_url(run)


def verify(run: Run, head: bytes, ordered: Sequence[Receipt]) -> str:
    """Read all data once: compare each object with its receipt, count its rows again, return the whole's SHA-256."""
    whole, broken = hashlib.sha256(head), []
    for receipt in ordered:
        own, counter = hashlib.sha256(), RowCounter(run.job.writes.rules, compressed=gz(run))
        for data in read_object(run.workspace, receipt.data):
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
    return whole.hexdigest()


def _is_whole(storage: Storage, data: DataObject | None) -> bool:
    if data is None:
        return True
    digest = hashlib.sha256()
    for piece in read_object(storage, data):
        digest.update(piece)
    return digest.hexdigest() == data.sha256


def read_object(storage: Storage, data: DataObject) -> Iterator[bytes]:
    """Read an object piece by piece."""
    if not data.bytes:
        return
    with storage.open(data.name) as reader:
        for low, high in borders.pieces_of(0, data.bytes):
            yield reader.read(low, high)


class RowCounter:
    """Counts rows in the bytes of an output, by borders alone."""

    def __init__(self, rules: Rules, *, compressed: bool) -> None:
        # What is written is RFC 4180, so parity tells its rows whatever the input's rules were.
        self._rules = rules if rules.reader is None else borders.Rules(quote=rules.reader["quotechar"].encode())
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
