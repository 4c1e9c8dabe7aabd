"""Process: one partition, from its bytes to a receipt. Only the receipt commits.

read and check digest -> decode -> the user's function -> table -> data object -> receipt, create-if-absent.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import wire
from rowmill.errors import InputError, ProcessingError, RowmillError
from rowmill.job import PROGRAM, Exec, Skip
from rowmill.model import codec, policy
from rowmill.model import counts as rules
from rowmill.model.counts import Counts
from rowmill.model.receipt import DataObject, Receipt, Reject
from rowmill.steps.calling import Batch, Caller, Rejected, plain
from rowmill.steps.program import outcomes_of
from rowmill.steps.reading import Chunk, chunks, place_in, places
from rowmill.steps.source import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.formats import Decoded, Format
    from rowmill.model.manifest import Manifest, Partition
    from rowmill.steps import Run
    from rowmill.storage import Storage, Writer
    from rowmill.tables import Stage

OVERSIZED = "longer than max_row_bytes"


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
    setup: Any,
    tell: Callable[[Progress], None],
) -> Receipt:
    """Do a partition's rows, save them, and publish the receipt; return the one that is there if it was done.

    Args:
        run: The run, open in this process.
        manifest: What split published.
        partition: Which one.
        attempt: A name that no other try has.
        setup: What the job's set-up gave.
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
        receipt = _work(run, manifest, partition, attempt=attempt, setup=setup, tell=tell)
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
    setup: Any,
    tell: Callable[[Progress], None],
) -> Receipt:
    source = source_of(run, manifest)
    stage = None if run.table is None or run.table.settled() is not None else run.table.stage(partition.index, attempt)
    results = Results(run, stage, rows=manifest.rows)
    with ExitStack() as opened:
        reader = opened.enter_context(source.open())
        data = opened.enter_context(DataWriter(run.workspace, wire.data_name(run.id, partition.index, attempt), gz(run)))

        def read() -> Iterator[Chunk]:
            return chunks(
                source.reads,
                reader,
                partition.start,
                partition.end,
                first_line=partition.first_line,
                expect_digest=partition.digest,
            )

        call = _caller(run, manifest, source.reads, read, setup, opened)
        ordinal, rejected = partition.first_ordinal, 0
        for chunk in read():
            decoded = _decoded(source.reads, manifest.columns, chunk, ordinal)
            batch = batch_of(source.reads, chunk, decoded, ordinal)
            data.write(results.take(batch, call(batch), decoded, chunk, source.reads, ordinal))
            rows = len(decoded.rows) + len(decoded.malformed)
            ordinal += rows
            tell(Progress(rows, len(results.rejects) - rejected))
            rejected = len(results.rejects)
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
    setup: Any,
    opened: ExitStack,
) -> Callable[[Batch], list[Any]]:
    """Return what gives the outcomes of rows: the function, or the program's output."""
    if run.job.kind == PROGRAM and isinstance(run.job.function, Exec):
        return opened.enter_context(outcomes_of(run.job.function, run.job.writes, reads, manifest.columns, read))
    return Caller(run, digest=manifest.input.digest, columns=manifest.columns, setup=setup)


def _decoded(reads: Format, columns: tuple[str, ...] | None, chunk: Chunk, ordinal: int) -> Decoded:
    from rowmill.formats import Decoded as Rows  # noqa: PLC0415

    if chunk.oversized:
        return Rows([], {0: OVERSIZED})
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


class Results:
    """What became of a partition's rows so far."""

    def __init__(self, run: Run, stage: Stage | None, *, rows: int) -> None:
        self._writes = run.job.writes
        self._stage = stage
        self._budget = policy.parse_budget(run.record.rejects).allowed(rows)
        self._filtered: dict[str, int] = {}
        self._read = self._written = 0
        self.columns: tuple[str, ...] | None = None
        self.rejects: list[Reject] = []
        self.totals = Totals(run.job.totals)

    @property
    def counts(self) -> Counts:
        """The rows' outcomes, counted."""
        return Counts(self._read, self._written, dict(sorted(self._filtered.items())), len(self.rejects))

    def take(
        self, batch: Batch, outcomes: list[Any], decoded: Decoded, chunk: Chunk, reads: Format, ordinal: int
    ) -> bytes:
        """Sort a chunk's outcomes, save the values in the table, and return them as the output's bytes."""
        self._read += len(batch.rows) + len(decoded.malformed)
        refused = dict(decoded.malformed)
        if set(map(type, outcomes)) == {dict}:
            values, at = outcomes, batch.ordinals
        else:
            values, at = self._sorted(batch, outcomes, refused, ordinal)
        if self.totals.columns:
            values, at = self._totalled(batch, outcomes, values, at, refused, ordinal)
        if values and self._stage is not None:
            values, at = self._saved(values, at, refused, ordinal, batch)
        data = self._encoded(values, at, batch) if values else b""
        self._written += len(values)
        if refused:
            self._refuse(refused, chunk, reads, ordinal)
        return data

    def _sorted(
        self, batch: Batch, outcomes: list[Any], refused: dict[int, str], first: int
    ) -> tuple[list[Any], list[int]]:
        values, at = [], []
        for ordinal, outcome in zip(batch.ordinals, outcomes, strict=True):
            if isinstance(outcome, Skip):
                self._filtered[outcome.reason] = self._filtered.get(outcome.reason, 0) + 1
            elif isinstance(outcome, Rejected):
                refused[ordinal - first] = outcome.reason
            elif outcome is None:
                raise ProcessingError(
                    "the function returned None",
                    hint="return the result, or Skip(reason) to leave the row out, or raise Reject(reason)",
                    ordinal=ordinal,
                    line_no=batch.line_of(ordinal),
                )
            else:
                values.append(plain(outcome))
                at.append(ordinal)
        return values, at

    def _totalled(
        self,
        batch: Batch,
        outcomes: list[Any],
        values: Sequence[Any],
        at: Sequence[int],
        refused: dict[int, str],
        first: int,
    ) -> tuple[Sequence[Any], Sequence[int]]:
        """Add each row's numbers to its outcome's sum; a row whose number does not read is refused."""
        written, bad = set(at), set()
        for ordinal, row, outcome in zip(batch.ordinals, batch.rows, outcomes, strict=True):
            kind = "written" if ordinal in written else "filtered" if isinstance(outcome, Skip) else "rejected"
            if (reason := self.totals.add(kind, row)) is not None and kind == "written":
                refused[ordinal - first] = reason
                bad.add(ordinal)
        if not bad:
            return values, at
        kept = [(value, ordinal) for value, ordinal in zip(values, at, strict=True) if ordinal not in bad]
        return [value for value, _ in kept], [ordinal for _, ordinal in kept]

    def _saved(
        self, values: Sequence[Any], at: Sequence[int], refused: dict[int, str], first: int, batch: Batch
    ) -> tuple[Sequence[Any], Sequence[int]]:
        for ordinal, value in zip(at, values, strict=True):
            if not isinstance(value, dict):
                raise ProcessingError(
                    f"a result is a {type(value).__name__}, and a table takes columns by name",
                    hint="return a dict, or declare no table",
                    ordinal=ordinal,
                    line_no=batch.line_of(ordinal),
                )
            break
        assert self._stage is not None  # noqa: S101 - the caller asked
        bad = {one.place: one.reason for one in self._stage.add(values)}
        if not bad:
            return values, at
        refused.update({at[place] - first: f"the table refuses it: {reason}" for place, reason in bad.items()})
        kept = [place for place in range(len(values)) if place not in bad]
        return [values[place] for place in kept], [at[place] for place in kept]

    def _encoded(self, values: Sequence[Any], at: Sequence[int], batch: Batch) -> bytes:
        if self.columns is None:
            self.columns = self._writes.columns_of(values[0])
        try:
            return self._writes.encode(values, self.columns)
        except ProcessingError as error:
            ordinal = at[int(error.context.pop("ordinal"))]
            raise error.at(ordinal=ordinal, line_no=batch.line_of(ordinal)) from None

    def _refuse(self, refused: dict[int, str], chunk: Chunk, reads: Format, first: int) -> None:
        where = places(reads, chunk)
        for index in sorted(refused):
            place = where[index]
            raw = place.raw.rstrip(b"\r\n").decode(reads.encoding, "backslashreplace")
            self.rejects.append(
                Reject(first + index, place.line, place.offset, refused[index], raw, truncated=chunk.oversized)
            )
            if len(self.rejects) > self._budget:
                raise InputError(
                    f"a row was rejected: {refused[index]}"
                    if not self._budget
                    else f"more than {self._budget:,} rows were rejected, the last one: {refused[index]}",
                    hint="correct the input, or bear rejects with --rejects N or --rejects P%",
                    ordinal=first + index,
                    line_no=place.line,
                )


class Totals:
    """Exact sums of columns of the input, by outcome."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self._sums: dict[str, dict[str, Decimal]] = {
            column: {kind: Decimal(0) for kind in ("written", "filtered", "rejected")} for column in columns
        }

    def add(self, kind: str, row: Any) -> str | None:
        """Add a row; return what is wrong with it, None if nothing is."""
        try:
            numbers = {column: Decimal(str(row[column]).strip() or "0") for column in self.columns}
        except (InvalidOperation, KeyError, TypeError) as error:
            if isinstance(error, InvalidOperation):
                return "a column with a declared total holds no number"
            raise ProcessingError(f"Job(totals=…) names a column that rows do not have: {error}") from None
        for column, number in numbers.items():
            self._sums[column][kind] = _exact_sum(self._sums[column][kind], number)
        return None

    def as_text(self) -> dict[str, dict[str, str]]:
        """Return the sums as text, so that no digit is lost on the way."""
        return {column: {kind: str(total) for kind, total in sums.items()} for column, sums in self._sums.items()}


def _exact_sum(one: Decimal, other: Decimal) -> Decimal:
    """Add without rounding, whatever the length."""
    from decimal import MAX_PREC, Context as Arithmetic  # noqa: PLC0415

    return Arithmetic(prec=min(MAX_PREC, 200)).add(one, other)


class DataWriter:
    """A data object in the making: digested, and compressed as one gzip member if the output is."""

    def __init__(self, workspace: Storage, name: str, compress: bool) -> None:
        self._name = name
        self._opened = workspace.writer(name)
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._member = zlib.compressobj(wbits=31) if compress else None  # its header carries no time

    def __enter__(self) -> DataWriter:
        self._out: Writer = self._opened.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        if failure[0] is None and self._member is not None:
            self._put(self._member.flush())
        self._opened.__exit__(*failure)

    def write(self, data: bytes) -> None:
        """Add encoded rows."""
        self._put(data if self._member is None else self._member.compress(data))

    def _put(self, data: bytes) -> None:
        if data:
            self._out.write(data)
            self._sha256.update(data)
            self._bytes += len(data)

    def published(self, rows: int) -> DataObject:
        """Return what was written."""
        return DataObject(self._name, self._bytes, self._sha256.hexdigest(), rows)


def _publish_rejects(run: Run, partition: int, attempt: str, rejects: list[Reject]) -> DataObject | None:
    if not rejects:
        return None
    data = b"".join(codec.encode_line(reject) for reject in rejects)
    name = wire.rejects_name(run.id, partition, attempt)
    run.workspace.put(name, data)
    return DataObject(name, len(data), hashlib.sha256(data).hexdigest(), len(rejects))


