"""Repair: rejected rows, corrected, done again and woven into their own places; only the repair commits.

read rejects -> decode -> the user's function -> table -> woven data -> repair, create-if-absent.
"""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError
from rowmill.formats.trailer import EXACT
from rowmill.model import codec
from rowmill.model import counts as rules
from rowmill.model.counts import Counts
from rowmill.model.receipt import DataObject, Receipt, Reject
from rowmill.model.repair import Correction, Renewed, Repair
from rowmill.steps.contest import Entry, Result, contest
from rowmill.steps.data import data_writer
from rowmill.steps.generations import filtered_in, rejects_in
from rowmill.steps.process import gz, publish_filtered, publish_rejects
from rowmill.steps.redoing import Redone, redo
from rowmill.steps.weaving import woven, written_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.model.manifest import Manifest
    from rowmill.model.report import Who
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.steps.generations import Generation
    from rowmill.tables import OpenTable


class Signed(NamedTuple):
    """Which repair it is, and who answers for it.

    Attributes:
        attempt: A name that no other try has.
    """

    number: int
    attempt: str
    by: str
    who: Who
    at: str


def make(
    run: Run,
    manifest: Manifest,
    generation: Generation,
    corrections: Sequence[Correction],
    signed: Signed,
    prepared: Prepared,
) -> Repair:
    """Do corrected rows, and write all that they come to; nothing of it counts before the repair is published.

    Args:
        run: The run, open in this process.
        manifest: What split published.
        generation: What counts of the run so far.
        corrections: Rows of the input that are rejects, by ordinal.
        signed: Which repair it is.
        prepared: What this process keeps for the function.

    Raises:
        RowmillError: As `redo` and `contest` do; nothing was changed.

    Restart: safe to repeat at any point, under another attempt's name.
    """
    with _table_of(run, signed) as table:
        stage = None if table is None else table.stage(0, signed.attempt)
        done = redo(run, manifest, generation, corrections, stage, prepared)
        ordered = [generation.receipts[part.index] for part in manifest.partitions]
        entries = [entry for one in done.values() for entry in one.entries]
        apart = run.table is not None and run.table.settled() is not None
        result = contest(run, ordered, entries) if apart else Result(entries, 0)
        rows = _keep(run, signed, wire.CORRECTIONS, map(codec.encode_line, corrections), len(corrections))
        renewed = tuple(_renewed(run, generation.receipts[index], one, signed.attempt) for index, one in done.items())
        if table is not None:
            _save(table, result.entries, signed.attempt)
    written = sum(one.counts.written for one in done.values())
    return Repair(
        number=signed.number,
        by=signed.by,
        who=signed.who,
        at=signed.at,
        code_digest=run.code_digest,
        rows=rows,
        partitions=renewed,
        written=written,
        mended=tuple(ordinal for one in done.values() for ordinal in one.mended),
        refused=tuple(ordinal for one in done.values() for ordinal in one.refused),
        delta=_delta(run, signed, [added.data for one in done.values() for added in one.added]),
        apart=apart,
        saved=None if table is None else len(result.entries),
        duplicates=result.duplicates,
    )


@contextmanager
def _table_of(run: Run, signed: Signed) -> Iterator[OpenTable | None]:
    """Give the table as the repair uses it, without what an attempt that was cut off has left."""
    if run.table is None:
        yield None
        return
    with closing(run.table.of_repair(signed.number)) as table:
        table.discard()
        yield table


def _save(table: OpenTable, entries: Sequence[Entry], attempt: str) -> None:
    """Stage the rows that the table takes, by partition."""
    for partition, group in groupby(entries, key=lambda entry: entry.rank.partition):
        values = [entry.value for entry in group]
        stage = table.stage(partition, attempt)
        if stage.add(values) or stage.commit() != len(values):
            raise IntegrityError(f"the table took {len(values):,} repaired rows before, and not now")


def _renewed(run: Run, receipt: Receipt, done: Redone, attempt: str) -> Renewed:
    """Write a partition's rows and rejects anew, and return its receipt."""
    counts = _amended(receipt.counts, done.counts)
    rules.conserve(receipt.counts.read, counts, where=f"partition {receipt.partition}")
    before = written_bytes(run.workspace, receipt.data, compressed=gz(run))
    name = wire.data_name(run.id, receipt.partition, attempt)
    with data_writer(run.workspace, name, compress=gz(run)) as data:
        for piece in woven(before, run.job.writes, receipt.data.rows, done.added):
            data.write(piece)
    left = list(_left(run, receipt, done))
    return Renewed(
        receipt.attempt,
        msgspec.structs.replace(
            receipt,
            attempt=attempt,
            code_digest=receipt.code_digest,
            counts=counts,
            data=data.published(counts.written),
            rejects=publish_rejects(run, receipt.partition, attempt, [reject for reject, _ in left]),
            columns=receipt.columns or done.columns,
            table_rows=None if receipt.table_rows is None else counts.written,
            totals=_summed(receipt.totals, done.totals),
            reject_places=tuple(place for _, place in left),
            filtered=publish_filtered(run, receipt.partition, attempt, _left_out(run, receipt, done)),
        ),
        tuple(one.place for one in done.added),
    )


def _left_out(run: Run, receipt: Receipt, done: Redone) -> dict[str, list[int]]:
    """Return which rows are left out now, by reason: those of before, and corrected ones that the function filters."""
    before = filtered_in(run.workspace, receipt) or {}
    reasons = sorted({*before, *done.filtered})
    return {reason: sorted([*before.get(reason, ()), *done.filtered.get(reason, ())]) for reason in reasons}


def _amended(before: Counts, done: Counts) -> Counts:
    """Return a partition's counts when some of its rejects have another outcome."""
    filtered = {
        reason: before.filtered.get(reason, 0) + done.filtered.get(reason, 0)
        for reason in sorted({*before.filtered, *done.filtered})
    }
    rejected = before.rejected - done.read + done.rejected
    return Counts(before.read, before.written + done.written, filtered, rejected)


def _left(run: Run, receipt: Receipt, done: Redone) -> Iterator[tuple[Reject, int]]:
    """Give the rejects that are left, each with the written rows before it, which may have become more."""
    given = {one.was.ordinal: one for one in done.given}
    added = 0
    for reject, place in zip(rejects_in(run.workspace, receipt), receipt.reject_places, strict=True):
        if reject.ordinal not in given:
            yield reject, place + added
        elif reject.ordinal in done.refused:
            yield done.refused[reject.ordinal], place + added
        else:
            added += reject.ordinal in done.written


def _summed(before: dict[str, dict[str, str]], more: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {
        column: {kind: str(EXACT.add(Decimal(text), Decimal(more[column][kind]))) for kind, text in kinds.items()}
        for column, kinds in before.items()
    }


def _delta(run: Run, signed: Signed, rows: Sequence[bytes]) -> DataObject | None:
    """Keep the rows that are written now, as they stand in the output."""
    if not rows:
        return None
    name = wire.repair_part(run.id, signed.number, signed.attempt, wire.DELTA)
    with data_writer(run.workspace, name, compress=gz(run)) as data:
        for row in rows:
            data.write(row)
    return data.published(len(rows))


def _keep(run: Run, signed: Signed, part: str, lines: Iterator[bytes], rows: int) -> DataObject:
    name, data = wire.repair_part(run.id, signed.number, signed.attempt, part), b"".join(lines)
    run.workspace.put(name, data)
    return DataObject(name, len(data), hashlib.sha256(data).hexdigest(), rows)
