"""Merge: check the laws, settle the table, join the data in order, publish the output whole, then the report's facts.

Run once, by the coordinator, never by "the last worker".
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError, ProcessingError
from rowmill.formats.trailer import EXACT
from rowmill.model import counts as rules
from rowmill.model import policy
from rowmill.model import repair as repair_rules
from rowmill.model.receipt import DataObject, Receipt
from rowmill.steps import generations
from rowmill.steps.generations import has_size
from rowmill.steps.output import Broken, claim_output, make_output, publish_rejects, publish_repairs
from rowmill.steps.process import gz
from rowmill.storage.ahead import in_order
from rowmill.tables import Settlement, Woven

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.model.counts import Counts
    from rowmill.model.manifest import Manifest
    from rowmill.model.repair import Repair
    from rowmill.steps import Run
    from rowmill.steps.generations import Generation

ASKED_AT_ONCE = 16


class Merged(NamedTuple):
    """What merge came to.

    Attributes:
        counts: All rows' outcomes, duplicates included.
        parts: The output's parts in order, the header first if there is one.
        sha256: Digest of the whole output.
        rejects: URL of the rejects file, None if there are no rejects.
        held: Rejects for whose sake the output is withheld.
        repairs: What was laid over the receipts, in order.
        repairs_url: URL of the rows by which the output has grown since it was last published.
    """

    counts: Counts
    totals: dict[str, dict[str, str]]
    parts: tuple[DataObject, ...]
    sha256: str | None
    rejects: str | None
    table_rows: int | None
    code_digests: tuple[str, ...]
    held: int = 0
    repairs: tuple[Repair, ...] = ()
    repairs_url: str | None = None


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
    whole = has_size(run.workspace, receipt.data) and has_size(run.workspace, receipt.rejects)
    return receipt if whole else None


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
    check_totals(manifest, [receipts[part.index] for part in manifest.partitions])
    generation = generations.current(run, receipts)
    try:
        return _join(run, manifest, generation)
    except Broken as broken:
        for partition in broken.partitions:
            _set_broken_aside(run, generation, partition)
        return broken.partitions


def _set_broken_aside(run: Run, generation: Generation, partition: int) -> None:
    """Set aside what has to be made again: a repair that made the partition and those after it, or its receipt."""
    made = (at for at, one in enumerate(generation.repairs) if partition in one.renewed)
    if (first := next(made, None)) is None:
        set_aside(run, partition)
    else:
        generations.set_aside_from(run, generations.repairs_of(run), first)


def _join(run: Run, manifest: Manifest, generation: Generation) -> Merged:
    """Check the laws, settle the table and make the output at the same time, and publish when both are right."""
    ordered = [generation.receipts[part.index] for part in manifest.partitions]
    counts, totals = _check(manifest, ordered)
    codes = _codes(ordered, generation.repairs)
    if held := _held(run, manifest, counts, generation.repairs):
        rejects = publish_rejects(run, ordered)
        return Merged(counts, totals, (), None, rejects, None, codes, held, tuple(generation.repairs))
    head = head_of(run, columns_of(ordered))
    with ExitStack() as seen, ThreadPoolExecutor(max_workers=1) as thread:
        making = thread.submit(make_output, run, head, ordered, seen)
        settlement = _settle(run, manifest, generation.repairs, confirm=making.result)
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
        codes,
        repairs=tuple(generation.repairs),
        repairs_url=publish_repairs(run, head, generation.repairs),
    )


def _codes(ordered: Sequence[Receipt], repairs: Sequence[Repair]) -> tuple[str, ...]:
    """Return the digests of the code that did the rows, as they were first and as they were repaired."""
    by_repairs = {repair.code_digest for repair in repairs if repair.code_digest}
    return tuple(sorted({receipt.code_digest for receipt in ordered} | by_repairs))


def _held(run: Run, manifest: Manifest, counts: Counts, repairs: Sequence[Repair]) -> int:
    """Return for how many rejects the output is withheld.

    Raises:
        InputError: There are more than the budget bears.
    """
    budget = policy.parse_budget(run.record.rejects)
    left = counts.rejected - len(repair_rules.waived(repairs))
    budget.check(left, manifest.rows)
    return left if budget.hold else 0


def _settle(
    run: Run, manifest: Manifest, repairs: Sequence[Repair], *, confirm: Callable[[], object]
) -> Settlement | None:
    """Settle the run with the repairs that were made before; then those that were made after it was settled."""
    if run.table is None:
        return None
    partitions = [part.index for part in manifest.partitions]
    woven = [
        Woven(repair.number, one.receipt.partition, one.places)
        for repair in repairs
        if repair.saved and not repair.apart
        for one in repair.partitions
        if one.places
    ]
    done = run.table.settle(partitions, confirm=confirm, woven=woven)
    for repair in (repair for repair in repairs if repair.apart):
        if repair.saved:
            with closing(run.table.of_repair(repair.number)) as table:
                rows = table.settle(partitions).rows
            if rows != repair.saved:
                raise IntegrityError(f"the table took {rows:,} rows of repair {repair.number}, of {repair.saved:,}")
        done = Settlement(
            done.rows + repair.written - repair.duplicates,
            done.duplicates + repair.duplicates,
        )
    return done


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


def _check(manifest: Manifest, ordered: Sequence[Receipt]) -> tuple[Counts, dict[str, dict[str, str]]]:
    """Check the first law per partition and for the run."""
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
    return counts, totals_of(ordered)


def check_totals(manifest: Manifest, processed: Sequence[Receipt]) -> None:
    """Check the first law on sums: what split added up is what process read, whatever became of the rows.

    Raises:
        IntegrityError: It is not.
    """
    read = totals_of(processed)
    for column, told in manifest.sums.items():
        if column in read and Decimal(read[column]["read"]) != Decimal(told):
            raise IntegrityError(
                f"{column!r} is not conserved: the input has {told}, and {read[column]['read']} was read",
                hint="nothing was published; keep the workspace and report this",
            )


def totals_of(ordered: Sequence[Receipt]) -> dict[str, dict[str, str]]:
    """Return the sums of all partitions by column and outcome, and of all outcomes together, as text."""
    sums: dict[str, dict[str, Decimal]] = {}
    for receipt in ordered:
        for column, by_kind in receipt.totals.items():
            for kind, text in by_kind.items():
                column_sums = sums.setdefault(column, {})
                column_sums[kind] = EXACT.add(column_sums.get(kind, Decimal(0)), Decimal(text))
    read = {column: reduce(EXACT.add, by_kind.values(), Decimal(0)) for column, by_kind in sums.items()}
    return {
        column: {"read": str(read[column]), **{kind: str(one) for kind, one in by_kind.items()}}
        for column, by_kind in sums.items()
    }


def columns_of(ordered: Sequence[Receipt]) -> tuple[str, ...] | None:
    """Return the output's columns.

    Raises:
        ProcessingError: Partitions have different ones.
    """
    named = [receipt for receipt in ordered if receipt.columns is not None]
    for receipt in named:
        if receipt.columns != named[0].columns:
            raise ProcessingError(
                f"partition {receipt.partition} has other columns than partition {named[0].partition}",
                hint="return the same columns in the same order for every row, or declare Csv(columns=[…])",
                partition=receipt.partition,
            )
    return named[0].columns if named else None


def head_of(run: Run, columns: tuple[str, ...] | None) -> bytes:
    """Return what stands before the output's rows."""
    head = run.job.writes.encode_head(columns if columns is not None else run.job.writes.columns_of(None))
    if not gz(run):
        return head
    member = zlib.compressobj(wbits=31)
    return member.compress(head) + member.flush()
