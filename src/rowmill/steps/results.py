"""What became of a partition's rows: outcomes sorted, values saved and encoded, rejects kept, totals added."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import InputError, IntegrityError, ProcessingError
from rowmill.formats.masking import hidden
from rowmill.formats.trailer import EXACT, number_of, sum_of
from rowmill.job import Skip
from rowmill.model.counts import Counts
from rowmill.model.receipt import Reject
from rowmill.steps.function.converting import plain
from rowmill.steps.function.outcome import Rejected
from rowmill.steps.reading import Chunk, places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.formats import Decoded, Format
    from rowmill.steps import Run
    from rowmill.steps.function.calling import Batch
    from rowmill.tables import Stage


NO_NUMBER = "a column with a declared total holds no number"


class Progress(NamedTuple):
    """What a worker tells while it works: rows and rejects since it last told."""

    rows: int
    rejected: int


class Results:
    """What became of a partition's rows so far."""

    def __init__(self, run: Run, stage: Stage | None, *, first: int, budget: int) -> None:
        self._writes = run.job.writes
        self._stage = stage
        self._budget = budget
        self.filtered: dict[str, array[int]] = {}  # by reason, the ordinals
        self._first = first
        self._sensitive = run.job.sensitive
        self._read = self._written = 0
        self._told = (0, 0)  # rows and rejects
        self.columns: tuple[str, ...] | None = None
        self.rejects: list[Reject] = []
        self.reject_places: list[int] = []
        self.totals = Totals(run.job.totals)

    @property
    def counts(self) -> Counts:
        """The rows' outcomes, counted."""
        filtered = {reason: len(rows) for reason, rows in sorted(self.filtered.items())}
        return Counts(self._read, self._written, filtered, len(self.rejects))

    def tell(self, tell: Callable[[Progress], None], *, at_least: int) -> None:
        """Tell what came since the last time, if it is so many rows."""
        rows, rejected = self._told
        if self._read - rows >= at_least:
            tell(Progress(self._read - rows, len(self.rejects) - rejected))
            self._told = (self._read, len(self.rejects))

    def expect(self, ordinal: int) -> None:
        """Check the second law: the chunk that comes next follows the one before it.

        Raises:
            IntegrityError: It does not.
        """
        if ordinal != self._first + self._read:
            raise IntegrityError(f"row {ordinal + 1:,} came where row {self._first + self._read + 1:,} is due")

    def take(
        self, batch: Batch, outcomes: list[Any], decoded: Decoded, chunk: Chunk, reads: Format, ordinal: int
    ) -> bytes:
        """Sort a chunk's outcomes, save the values in the table, and return them as the output's bytes."""
        self._read += len(batch.rows) + len(decoded.malformed)
        refused = dict(decoded.malformed)
        values: Sequence[Any] = outcomes
        at: Sequence[int] = batch.ordinals
        if set(map(type, outcomes)) != {dict}:
            values, at = self._sorted(batch, outcomes, refused, ordinal)
        if self.totals.columns and not (len(values) == len(batch.rows) and self.totals.add_written(batch.rows)):
            values, at = self._totalled(batch, outcomes, values, at, refused, ordinal)
        if values and self._stage is not None:
            values, at = self._saved(values, at, refused, ordinal, batch)
        data = self._encoded(values, at, batch) if values else b""
        if refused:
            self.reject_places += [self._written + bisect_left(at, ordinal + place) for place in sorted(refused)]
            self._refuse(refused, chunk, reads, ordinal)
        self._written += len(values)
        return data

    def _sorted(
        self, batch: Batch, outcomes: list[Any], refused: dict[int, str], first: int
    ) -> tuple[list[Any], list[int]]:
        values, at = [], []
        for ordinal, outcome in zip(batch.ordinals, outcomes, strict=True):
            if isinstance(outcome, Skip):
                reason = self._shown(outcome.reason, batch, ordinal)
                self.filtered.setdefault(reason, array("Q")).append(ordinal)
            elif isinstance(outcome, Rejected):
                refused[ordinal - first] = self._shown(outcome.reason, batch, ordinal)
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

    def _shown(self, reason: str, batch: Batch, ordinal: int) -> str:
        """Return a reason as it may be shown."""
        return hidden(reason, batch.rows[bisect_left(batch.ordinals, ordinal)], self._sensitive)

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
        odd = next((place for place, value in enumerate(values) if type(value) is not dict), None)
        if odd is not None:
            raise ProcessingError(
                f"a result is a {type(values[odd]).__name__}, and a table takes columns by name",
                hint="return a dict, or declare no table",
                ordinal=at[odd],
                line_no=batch.line_of(at[odd]),
            )
        assert self._stage is not None  # noqa: S101 - the caller asked
        bad = {one.place: one.reason for one in self._stage.add(values)}
        if not bad:
            return values, at
        for place, reason in bad.items():
            refused[at[place] - first] = f"the table refuses it: {self._shown(reason, batch, at[place])}"
            self.totals.refuse(batch.rows[bisect_left(batch.ordinals, at[place])])
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

    def add_written(self, rows: Sequence[Any]) -> bool:
        """Add rows that are all written, as one; return False, and add nothing, if they need a closer look."""
        try:
            sums = {column: sum_of([row[column] for row in rows]) for column in self.columns}
        except (KeyError, TypeError):
            return False
        if None in sums.values():
            return False
        for column, total in sums.items():
            self._sums[column]["written"] = EXACT.add(self._sums[column]["written"], total or Decimal(0))
        return True

    def add(self, kind: str, row: Any) -> str | None:
        """Add a row's numbers; return what is wrong with it, None if nothing is.

        A row that would be written and lacks a number is rejected: what numbers it has count there.
        """
        try:
            numbers = {column: number_of(row[column]) for column in self.columns}
        except (KeyError, TypeError) as error:
            raise ProcessingError(f"Job(totals=…) names a column that rows do not have: {error}") from None
        reason = NO_NUMBER if None in numbers.values() else None
        sums = "rejected" if reason is not None and kind == "written" else kind
        for column, number in numbers.items():
            if number is not None:
                self._sums[column][sums] = EXACT.add(self._sums[column][sums], number)
        return reason

    def refuse(self, row: Any) -> None:
        """Count a row among the rejected that was to be written."""
        for column in self.columns:
            sums, number = self._sums[column], number_of(row[column]) or Decimal(0)
            sums["written"] = EXACT.subtract(sums["written"], number)
            sums["rejected"] = EXACT.add(sums["rejected"], number)

    def less(self, others: Totals) -> Totals:
        """Return these sums without those of other rows."""
        result = Totals(self.columns)
        for column, sums in self._sums.items():
            for kind, total in sums.items():
                result._sums[column][kind] = EXACT.subtract(total, others._sums[column][kind])
        return result

    def as_text(self) -> dict[str, dict[str, str]]:
        """Return the sums as text, so that no digit is lost on the way."""
        return {column: {kind: str(total) for kind, total in sums.items()} for column, sums in self._sums.items()}
