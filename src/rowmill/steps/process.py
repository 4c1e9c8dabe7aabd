"""Process: one partition, from its bytes to a receipt. Only the receipt commits.

read and check digest -> decode -> the user's function -> table -> data object -> receipt, create-if-absent.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import wire
from rowmill.errors import InputError, RowmillError
from rowmill.formats import Decoded
from rowmill.job import PROGRAM, Exec
from rowmill.model import codec
from rowmill.model import counts as rules
from rowmill.model.receipt import DataObject, Receipt, Reject
from rowmill.steps.calling import Batch, Caller
from rowmill.steps.data import data_writer
from rowmill.steps.program import outcomes_of
from rowmill.steps.reading import Chunk, chunks, place_in, places
from rowmill.steps.results import Results
from rowmill.steps.source import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest, Partition
    from rowmill.steps import Run
    from rowmill.steps.preparing import Prepared

OVERSIZED = "longer than max_row_bytes"
TELL_ROWS = 2_000


class Progress(NamedTuple):
    """What a worker tells while it works: rows and rejects since it last told."""

    rows: int
    rejected: int


def process(
    run: Run,
    manifest: Manifest,
    partition: Partition,
    *,
    attempt: str,
    prepared: Prepared,
    tell: Callable[[Progress], None],
) -> Receipt:
    """Do a partition's rows, save them, and publish the receipt; return the one that is there if it was done.

    Args:
        run: The run, open in this process.
        manifest: What split published.
        partition: Which one.
        attempt: A name that no other try has.
        prepared: What this worker keeps from partition to partition.
        tell: Called at every chunk's end; it raises `Stopped` to stop there.

    Raises:
        InputError: The input changed, breaks the declared rules, or a reject is one too many.
        ProcessingError: The user's function failed, or returned what cannot be saved.

    Restart: safe to repeat at any point; nothing counts before the receipt.
    """
    name = wire.receipt_name(run.id, partition.index)
    if (done := run.load(name, Receipt)) is not None:
        return done
    started = time.monotonic()
    try:
        receipt = _work(run, manifest, partition, attempt=attempt, prepared=prepared, tell=tell)
    except RowmillError as error:
        raise error.at(run_id=run.id, partition=partition.index) from error.__cause__
    receipt = _with_seconds(receipt, time.monotonic() - started)
    if not run.workspace.create(name, codec.encode(receipt)):
        done = run.load(name, Receipt)
        if done is not None:
            return done
    return receipt


def _with_seconds(receipt: Receipt, seconds: float) -> Receipt:
    fields = {field: getattr(receipt, field) for field in receipt.__struct_fields__}
    return Receipt(**{**fields, "seconds": round(seconds, 3)})


def _work(
    run: Run,
    manifest: Manifest,
    partition: Partition,
    *,
    attempt: str,
    prepared: Prepared,
    tell: Callable[[Progress], None],
) -> Receipt:
    source = source_of(run, manifest)
    stage = None if run.table is None or run.table.settled() is not None else run.table.stage(partition.index, attempt)
    results = Results(run, stage, rows=manifest.rows)
    with ExitStack() as opened:
        reader = opened.enter_context(source.open())
        name = wire.data_name(run.id, partition.index, attempt)
        data = opened.enter_context(data_writer(run.workspace, name, compress=gz(run)))

        def read() -> Iterator[Chunk]:
            return chunks(
                source.reads,
                reader,
                partition.start,
                partition.end,
                first_line=partition.first_line,
                expect_digest=partition.digest,
            )

        call = _caller(run, manifest, source.reads, read, prepared, opened)
        ordinal, told, rejected = partition.first_ordinal, partition.first_ordinal, 0
        for chunk in read():
            decoded = _decoded(source.reads, manifest.columns, chunk, ordinal)
            batch = batch_of(source.reads, chunk, decoded, ordinal)
            data.write(results.take(batch, call(batch), decoded, chunk, source.reads, ordinal))
            ordinal += len(decoded.rows) + len(decoded.malformed)
            if ordinal - told >= TELL_ROWS:
                tell(Progress(ordinal - told, len(results.rejects) - rejected))
                told, rejected = ordinal, len(results.rejects)
        tell(Progress(ordinal - told, len(results.rejects) - rejected))
    counts = results.counts
    if counts.read != partition.rows:
        raise InputError(
            f"{counts.read:,} rows were read where split counted {partition.rows:,}: the quotes mislead",
            hint="declare Csv(quoting='lenient') or quoting='none'",
            line_no=partition.first_line,
        )
    rules.conserve(partition.rows, counts, where=f"partition {partition.index}")
    table_rows = counts.written if run.table is not None else None
    if stage is not None:
        table_rows = stage.commit()
    return Receipt(
        run_id=run.id,
        partition=partition.index,
        attempt=attempt,
        code_digest=run.code_digest,
        counts=counts,
        data=data.published(counts.written),
        rejects=_publish_rejects(run, partition.index, attempt, results.rejects),
        columns=results.columns,
        table_rows=table_rows,
        totals=results.totals.as_text(),
        seconds=0.0,
    )


def gz(run: Run) -> bool:
    """Whether the output is compressed."""
    return run.record.output.endswith(".gz")


def _caller(
    run: Run,
    manifest: Manifest,
    reads: Format,
    read: Callable[[], Iterator[Chunk]],
    prepared: Prepared,
    opened: ExitStack,
) -> Callable[[Batch], list[Any]]:
    """Return what gives the outcomes of rows: the function, or the program's output."""
    if run.job.kind == PROGRAM and isinstance(run.job.function, Exec):
        return opened.enter_context(outcomes_of(run.job.function, run.job.writes, reads, manifest.columns, read))
    return Caller(run, digest=manifest.input.digest, columns=manifest.columns, prepared=prepared)


def _decoded(reads: Format, columns: tuple[str, ...] | None, chunk: Chunk, ordinal: int) -> Decoded:
    if chunk.oversized:
        return Decoded([], {0: OVERSIZED})
    try:
        return reads.decode(chunk.data, columns)
    except InputError as error:
        place = int(error.context.pop("ordinal"))
        raise error.at(ordinal=ordinal + place, line_no=place_in(reads, chunk, place).line) from None


def batch_of(reads: Format, chunk: Chunk, decoded: Decoded, ordinal: int) -> Batch:
    """Return the rows that read well with their ordinals, and a way to a row's line that costs nothing unless taken."""
    total = len(decoded.rows) + len(decoded.malformed)
    ordinals: Sequence[int] = range(ordinal, ordinal + total)
    if decoded.malformed:
        ordinals = [ordinal + place for place in range(total) if place not in decoded.malformed]
    lines: list[int] = []

    def line_of(row: int) -> int:
        if not lines:
            lines.extend(place.line for place in places(reads, chunk))
        return lines[row - ordinal]

    return Batch(decoded.rows, ordinals, line_of)


def _publish_rejects(run: Run, partition: int, attempt: str, rejects: list[Reject]) -> DataObject | None:
    if not rejects:
        return None
    data = b"".join(codec.encode_line(reject) for reject in rejects)
    name = wire.rejects_name(run.id, partition, attempt)
    run.workspace.put(name, data)
    return DataObject(name, len(data), hashlib.sha256(data).hexdigest(), len(rejects))
