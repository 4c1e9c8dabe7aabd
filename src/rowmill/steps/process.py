"""Process: one partition, from its bytes to a receipt. Only the receipt commits.

read and check digest -> decode -> the user's function -> table -> data object -> receipt, create-if-absent.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import InputError, RowmillError
from rowmill.formats import Decoded
from rowmill.job import PROGRAM, Exec
from rowmill.model import codec, policy
from rowmill.model import counts as rules
from rowmill.model.receipt import DataObject, Filtered, Receipt, Reject, gaps_of
from rowmill.steps.data import data_writer
from rowmill.steps.function.calling import Batch, Caller
from rowmill.steps.reading import Chunk, chunks, place_in, places
from rowmill.steps.results import Results
from rowmill.steps.source import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rowmill.formats import Format
    from rowmill.model.counts import Counts
    from rowmill.model.manifest import Manifest, Partition
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.steps.results import Progress
    from rowmill.storage import Reader

OVERSIZED = "longer than max_row_bytes"
TELL_ROWS = 2_000


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
        tell: Called at the end of a chunk after every so many rows, and at the partition's end.

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
    seconds, end = round(time.monotonic() - started, 3), datetime.now(UTC).isoformat(timespec="milliseconds")
    receipt = msgspec.structs.replace(receipt, seconds=seconds, end=end)
    if not run.workspace.create(name, codec.encode(receipt)):
        done = run.load(name, Receipt)
        if done is not None:
            return done
    return receipt


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
    results = Results(run, stage, first=partition.first_ordinal, budget=_budget(run, manifest))
    name = wire.data_name(run.id, partition.index, attempt)
    with source.open() as reader, data_writer(run.workspace, name, compress=gz(run)) as data:
        read = _reading(source.reads, reader, partition)
        with calling(run, manifest, source.reads, read, prepared) as call:
            for made in _outcomes(source.reads, manifest.columns, read(), partition.first_ordinal, call):
                results.expect(made[-1])
                data.write(results.take(*made))
                results.tell(tell, at_least=TELL_ROWS)
                run.border()
        results.tell(tell, at_least=0)
    counts = results.counts
    _same_rows(partition, counts)
    saved = counts.written if stage is None else stage.commit()
    return Receipt(
        run_id=run.id,
        partition=partition.index,
        attempt=attempt,
        code_digest=run.code_digest,
        counts=counts,
        data=data.published(counts.written),
        rejects=publish_rejects(run, partition.index, attempt, results.rejects),
        columns=results.columns,
        table_rows=None if run.table is None else saved,
        totals=results.totals.as_text(),
        seconds=0.0,
        filtered=publish_filtered(run, partition.index, attempt, results.filtered),
        reject_places=tuple(results.reject_places),
    )


def _reading(reads: Format, reader: Reader, partition: Partition) -> Callable[[], Iterator[Chunk]]:
    return partial(
        chunks,
        reads,
        reader,
        partition.start,
        partition.end,
        first_line=partition.first_line,
        expect_digest=partition.digest,
    )


def _budget(run: Run, manifest: Manifest) -> int:
    return policy.parse_budget(run.record.rejects).allowed(manifest.rows)


def _outcomes(
    reads: Format,
    columns: tuple[str, ...] | None,
    read: Iterator[Chunk],
    ordinal: int,
    call: Callable[[Batch], list[Any]],
) -> Iterator[tuple[Batch, list[Any], Decoded, Chunk, Format, int]]:
    """Decode chunk after chunk and call the function; give what `Results.take` takes."""
    for chunk in read:
        decoded = decode_chunk(reads, columns, chunk, ordinal)
        batch = batch_of(reads, chunk, decoded, ordinal)
        yield batch, call(batch), decoded, chunk, reads, ordinal
        ordinal += len(decoded.rows) + len(decoded.malformed)


def _same_rows(partition: Partition, counts: Counts) -> None:
    """Check the first law: as many rows as split counted, and one outcome for each."""
    if counts.read != partition.rows:
        raise InputError(
            f"{counts.read:,} rows were read where split counted {partition.rows:,}: the quotes mislead",
            hint="declare Csv(quoting='lenient') or quoting='none'",
            line_no=partition.first_line,
        )
    rules.conserve(partition.rows, counts, where=f"partition {partition.index}")


def gz(run: Run) -> bool:
    """Whether the output is compressed."""
    return run.record.output.endswith(".gz")


def calling(
    run: Run, manifest: Manifest, reads: Format, read: Callable[[], Iterator[Chunk]], prepared: Prepared
) -> AbstractContextManager[Callable[[Batch], list[Any]]]:
    """Return what gives the outcomes of rows: the function, or the program's output."""
    if run.job.kind == PROGRAM and isinstance(run.job.function, Exec):
        from rowmill.steps.function.program import outcomes_of  # noqa: PLC0415 - few jobs need what it imports

        return outcomes_of(run.job.function, run.job.writes, reads, manifest.columns, read)
    return nullcontext(Caller(run, digest=manifest.input.digest, columns=manifest.columns, prepared=prepared))


def decode_chunk(reads: Format, columns: tuple[str, ...] | None, chunk: Chunk, ordinal: int) -> Decoded:
    """Read a chunk's rows.

    Raises:
        InputError: The text breaks the declared rules, with the row's place.
    """
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


def publish_rejects(run: Run, partition: int, attempt: str, rejects: Sequence[Reject]) -> DataObject | None:
    """Write a partition's rejects; None if there are none."""
    if not rejects:
        return None
    data = b"".join(codec.encode_line(reject) for reject in rejects)
    name = wire.rejects_name(run.id, partition, attempt)
    run.workspace.put(name, data)
    return DataObject(name, len(data), hashlib.sha256(data).hexdigest(), len(rejects))


def publish_filtered(run: Run, partition: int, attempt: str, rows: Mapping[str, Sequence[int]]) -> DataObject | None:
    """Keep which rows were left out, so that each can be told later why it is not in the output."""
    if not rows:
        return None
    data = codec.encode_line(Filtered({reason: gaps_of(ordinals) for reason, ordinals in sorted(rows.items())}))
    name = wire.filtered_name(run.id, partition, attempt)
    run.workspace.put(name, data)
    return DataObject(name, len(data), hashlib.sha256(data).hexdigest(), sum(map(len, rows.values())))
