"""Merge: check the laws, settle the table, join the data in order, publish the output whole, then the report's facts.

Run once, by the coordinator, never by "the last worker".
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError, ProcessingError
from rowmill.model import counts as rules
from rowmill.model import policy
from rowmill.model.receipt import DataObject, Receipt
from rowmill.steps.output import Broken, claim_output, make_output, publish_rejects
from rowmill.steps.process import gz
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.model.counts import Counts
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.storage import Storage
    from rowmill.tables import Settlement

ASKED_AT_ONCE = 16


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


def receipts_of(run: Run, manifest: Manifest) -> dict[int, Receipt]:
    """Return the receipts that hold: their data is there, and the table has the same attempt's rows.

    A receipt that does not hold is moved aside as evidence, so that its partition is done again.
    """
    there = set(run.workspace.list(run.name(wire.RECEIPTS)))  # first: each of them has had its marker by then
    markers = None
    if run.table is not None and run.table.settled() is None:
        markers = run.table.markers()
    named = {part.index: wire.receipt_name(run.id, part.index) for part in manifest.partitions}
    asked = [index for index, name in named.items() if name in there]
    found: dict[int, Receipt] = {}
    # an object store takes its time for each question, and there may be ten thousand partitions
    answers = in_order(lambda index: _with_data(run, named[index]), asked, ASKED_AT_ONCE)
    for index, receipt in zip(asked, answers, strict=True):
        marker = None if markers is None else markers.get(index)
        if receipt is not None and (markers is None or (marker is not None and marker.attempt == receipt.attempt)):
            found[index] = receipt
        else:
            set_aside(run, index)
    return found


def _with_data(run: Run, name: str) -> Receipt | None:
    """Return a receipt that reads and whose data is there."""
    try:
        receipt = run.load(name, Receipt)
    except IntegrityError:
        return None
    if receipt is None:
        return None
    whole = _has_size(run.workspace, receipt.data) and _has_size(run.workspace, receipt.rejects)
    return receipt if whole else None


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
        StateError: Another coordinator has taken the run over; nothing was published.
        InputError: More rejects than the budget bears.
        ProcessingError: Partitions have different columns, or the table refuses rows.

    Restart: safe to repeat at any point; settling and publishing happen once.
    """
    receipts = receipts_of(run, manifest)
    missing = [part.index for part in manifest.partitions if part.index not in receipts]
    if missing:
        return missing
    try:
        return _join(run, manifest, [receipts[part.index] for part in manifest.partitions])
    except Broken as broken:
        for partition in broken.partitions:
            set_aside(run, partition)
        return broken.partitions


def _join(run: Run, manifest: Manifest, ordered: Sequence[Receipt]) -> Merged:
    """Check the laws, settle the table and make the output at the same time, and publish when both are right."""
    counts, totals = _check(run, manifest, ordered)
    head = _head(run, _columns(ordered))
    with ExitStack() as seen, ThreadPoolExecutor(max_workers=1) as thread:
        making = thread.submit(make_output, run, head, ordered, seen)
        settlement = _settle(run, manifest, confirm=making.result)
        made = making.result()
        counts = _balanced(counts, settlement)
        run.check_claim()
        claim_output(run)
    header = (DataObject("header", len(head), hashlib.sha256(head).hexdigest(), 0),) if head else ()
    return Merged(
        counts,
        totals,
        (*header, *(receipt.data for receipt in ordered)),
        made.sha256,
        publish_rejects(run, ordered),
        None if settlement is None else settlement.rows,
        tuple(sorted({receipt.code_digest for receipt in ordered})),
    )


def _settle(run: Run, manifest: Manifest, *, confirm: Callable[[], object]) -> Settlement | None:
    if run.table is None:
        return None
    return run.table.settle([part.index for part in manifest.partitions], confirm=confirm)


def _balanced(counts: Counts, settlement: Settlement | None) -> Counts:
    """Check that the table took what was written, but for duplicates, which are counted now.

    Raises:
        IntegrityError: It did not.
    """
    if settlement is None:
        return counts
    if settlement.rows != counts.written - settlement.duplicates:
        raise IntegrityError(
            f"the table took {settlement.rows:,} rows of {counts.written:,} written with "
            f"{settlement.duplicates:,} duplicates",
            hint="nothing was published; keep the workspace and the table, and report this",
        )
    return msgspec.structs.replace(counts, duplicates=settlement.duplicates)


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
