"""Merge: check the laws, settle the table, join the data in order, publish the output whole, then the report's facts.

Run once, by the coordinator, never by "the last worker".
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError, ProcessingError
from rowmill.formats import borders
from rowmill.model import codec, policy
from rowmill.model import counts as rules
from rowmill.model.identity import PIECE_BYTES
from rowmill.model.receipt import DataObject, Receipt
from rowmill.steps.process import gz
from rowmill.storage import Piece, Storage, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.formats.borders import Rules
    from rowmill.model.counts import Counts
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.tables import Settlement


class Merged(NamedTuple):
    """What merge came to.

    Attributes:
        counts: All rows' outcomes, duplicates included.
        parts: The output's parts in order, the header first if there is one.
        sha256: Digest of the whole output.
        rejects: URL of the rejects file, None if there are no rejects.
    """

    counts: Counts
    totals: dict[str, dict[str, str]]
    parts: tuple[DataObject, ...]
    sha256: str
    rejects: str | None
    table_rows: int | None
    code_digests: tuple[str, ...]


class Publishing(msgspec.Struct, frozen=True):
    """Whose the output is: written before it appears, so that a restart knows its own."""

    run_id: str
    output: str


def receipts_of(run: Run, manifest: Manifest) -> dict[int, Receipt]:
    """Return the receipts that hold: their data is there, and the table has the same attempt's rows.

    A receipt that does not hold is moved aside as evidence, so that its partition is done again.
    """
    markers = None
    if run.table is not None and run.table.settled() is None:
        markers = run.table.markers()
    found: dict[int, Receipt] = {}
    for partition in manifest.partitions:
        name = wire.receipt_name(run.id, partition.index)
        receipt = _readable(run, name)
        if receipt is None:
            continue
        marker = None if markers is None else markers.get(partition.index)
        same_rows = markers is None or (marker is not None and marker.attempt == receipt.attempt)
        if same_rows and _has_size(run.workspace, receipt.data) and _has_size(run.workspace, receipt.rejects):
            found[partition.index] = receipt
        else:
            set_aside(run, partition.index)
    return found


def _readable(run: Run, name: str) -> Receipt | None:
    try:
        return run.load(name, Receipt)
    except IntegrityError:
        set_aside(run, int(name.rpartition("/")[2].removesuffix(".json")))
        return None


def _has_size(storage: Storage, data: DataObject | None) -> bool:
    if data is None:
        return True
    stat = storage.stat(data.name)
    return stat is not None and stat.bytes == data.bytes


def set_aside(run: Run, partition: int) -> None:
    """Keep a receipt that does not hold as evidence, out of the way."""
    name = wire.receipt_name(run.id, partition)
    kept = sum(1 for _ in run.workspace.list(run.name(wire.ASIDE)))
    run.workspace.move(name, run.name(wire.ASIDE, f"{kept:05d}-{name.rpartition('/')[2]}"))


def merge(run: Run, manifest: Manifest) -> Merged | list[int]:
    """Publish the output; or return the partitions whose data does not verify, set aside to be done again.

    Raises:
        IntegrityError: A law is broken; nothing was published.
        InputError: More rejects than the budget bears.
        ProcessingError: Partitions have different columns, or the table refuses rows.

    Restart: safe to repeat at any point; settling and publishing happen once.
    """
    receipts = receipts_of(run, manifest)
    missing = [part.index for part in manifest.partitions if part.index not in receipts]
    if missing:
        return missing
    ordered = [receipts[part.index] for part in manifest.partitions]
    counts, totals = _check(run, manifest, ordered)
    columns = _columns(ordered)
    head = _head(run, columns)
    with ThreadPoolExecutor(max_workers=1) as thread:
        settling = thread.submit(_settle, run, manifest)
        sha256, broken = _verify(run, head, ordered)
        settlement = settling.result()
    if broken:
        for partition in broken:
            set_aside(run, partition)
        return broken
    if settlement is not None:
        counts = msgspec.structs.replace(counts, duplicates=settlement.duplicates)
        if settlement.rows != counts.written - counts.duplicates:
            raise IntegrityError(
                f"the table took {settlement.rows:,} rows of {counts.written:,} written with "
                f"{counts.duplicates:,} duplicates",
                hint="nothing was published; keep the workspace and the table, and report this",
            )
    _publish(
        run,
        [
            *([Piece(literal=head)] if head else []),
            *(Piece(url=f"{run.workspace.url}/{receipt.data.name}") for receipt in ordered),
        ],
    )
    rejects = _publish_rejects(run, ordered)
    header = (DataObject("header", len(head), hashlib.sha256(head).hexdigest(), 0),) if head else ()
    return Merged(
        counts,
        totals,
        (*header, *(receipt.data for receipt in ordered)),
        sha256,
        rejects,
        None if settlement is None else settlement.rows,
        tuple(sorted({receipt.code_digest for receipt in ordered})),
    )


def _check(run: Run, manifest: Manifest, ordered: Sequence[Receipt]) -> tuple[Counts, dict[str, dict[str, str]]]:
    """Check the first law per partition and for the run, and give the verdict on rejects."""
    for partition, receipt in zip(manifest.partitions, ordered, strict=True):
        rules.conserve(partition.rows, receipt.counts, where=f"partition {partition.index}")
        if receipt.data.rows != receipt.counts.written or receipt.table_rows not in (None, receipt.counts.written):
            raise IntegrityError(
                f"partition {partition.index} wrote {receipt.data.rows:,} rows into its data and {receipt.table_rows} "
                f"into the table, of {receipt.counts.written:,}",
                partition=partition.index,
            )
    counts = rules.add(receipt.counts for receipt in ordered)
    rules.conserve(manifest.rows, counts, where="the run")
    policy.parse_budget(run.record.rejects).check(counts.rejected, manifest.rows)
    return counts, _totals(ordered)


def _totals(ordered: Sequence[Receipt]) -> dict[str, dict[str, str]]:
    sums: dict[str, dict[str, Decimal]] = {}
    for receipt in ordered:
        for column, by_kind in receipt.totals.items():
            for kind, text in by_kind.items():
                column_sums = sums.setdefault(column, {})
                column_sums[kind] = column_sums.get(kind, Decimal(0)) + Decimal(text)
    return {
        column: {"read": str(sum(by_kind.values(), Decimal(0))), **{kind: str(one) for kind, one in by_kind.items()}}
        for column, by_kind in sums.items()
    }


def _columns(ordered: Sequence[Receipt]) -> tuple[str, ...] | None:
    named = [receipt for receipt in ordered if receipt.columns is not None]
    for receipt in named:
        if receipt.columns != named[0].columns:
            raise ProcessingError(
                f"partition {receipt.partition} has other columns than partition {named[0].partition}",
                hint="return the same columns in the same order for every row, or declare Csv(columns=[…])",
                partition=receipt.partition,
            )
    return named[0].columns if named else None


def _head(run: Run, columns: tuple[str, ...] | None) -> bytes:
    head = run.job.writes.encode_head(columns if columns is not None else run.job.writes.columns_of(None))
    if not gz(run):
        return head
    member = zlib.compressobj(wbits=31)
    return member.compress(head) + member.flush()


def _settle(run: Run, manifest: Manifest) -> Settlement | None:
    return None if run.table is None else run.table.settle([part.index for part in manifest.partitions])


def _verify(run: Run, head: bytes, ordered: Sequence[Receipt]) -> tuple[str, list[int]]:
    """Read all data once: digest the output, compare each object with its receipt, and count its rows again."""
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
    return whole.hexdigest(), broken


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


def _publish(run: Run, pieces: Sequence[Piece]) -> None:
    run.workspace.put(run.name(wire.PUBLISHING), codec.encode(Publishing(run.id, run.record.output)))
    folder, name = place_of(run.record.output)
    run.open_storage(folder).join(name, pieces)


def rejects_url(run: Run) -> str:
    """Return where rejects are written."""
    return f"{run.record.output}_Rejects"


def _publish_rejects(run: Run, ordered: Sequence[Receipt]) -> str | None:
    folder, name = place_of(rejects_url(run))
    target = run.open_storage(folder)
    objects = [receipt.rejects for receipt in ordered if receipt.rejects is not None]
    if not objects:
        target.delete(name)
        return None
    target.join(name, [Piece(url=f"{run.workspace.url}/{one.name}") for one in objects])
    return rejects_url(run)
