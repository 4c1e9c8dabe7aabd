"""A finished run against the oracle: bytes, rejects and table rows, compared as they come, none of them held."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rowmill.errors import InputError, IntegrityError, ProcessingError, RowmillError, StateError
from rowmill.job import Skip
from rowmill.model.counts import Counts
from rowmill.model.verification import Check
from rowmill.steps.function.outcome import Rejected
from rowmill.steps.proof import naive
from rowmill.steps.proof.finished import inflated, input_bytes, output_bytes, reject_lines, reject_of
from rowmill.steps.proof.replay import oracle
from rowmill.steps.proof.winners import Winners, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.model.receipt import Reject
    from rowmill.steps import Run
    from rowmill.steps.proof.finished import Finished
    from rowmill.steps.proof.replay import Outcome
    from rowmill.tables import OpenTable

DAMAGE = (IntegrityError, InputError, ProcessingError)  # any other error means that the question was not answered
BY_TABLE = "the table refuses it: "  # a reason that only the table can give


def holds(condition: bool, otherwise: str) -> None:
    """Raise what is otherwise the case.

    Raises:
        IntegrityError: The condition does not hold.
    """
    if not condition:
        raise IntegrityError(otherwise)


def replayed(run: Finished, made: Run) -> list[Check]:
    """Run the oracle once over the input and compare.

    Raises:
        StateError: The input is not kept.
    """
    if not run.keeps_input:
        raise StateError("standard input is not kept, so that it cannot be replayed", hint="run from a file instead")
    if not callable(made.job.function):
        return [Check("replay", None, "the job runs a program of its own, which is not replayed")]
    comparison = Comparison(run, made)
    now, digest = datetime.fromisoformat(run.record.started), run.manifest.input.digest
    file = naive.file_of(input_bytes(run))
    try:
        outcomes = oracle(made.job, file, digest=digest, params=run.record.params, now=now, corrected=run.corrected)
        for outcome in _guarded(outcomes):
            comparison.take(outcome)
        return comparison.checks()
    except DAMAGE as error:
        return [Check("replay", False, error.message)]
    finally:
        comparison.close()


def _guarded(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Tell an exception of the user's function, which it had not raised in the run, from those of comparing."""
    try:
        yield from outcomes
    except RowmillError:
        raise
    except Exception as error:
        raise IntegrityError(f"the function failed with {type(error).__name__}, and had not in the run") from error


class Comparison:
    """What the run left, followed row by row; of each kind the first difference is kept."""

    def __init__(self, run: Finished, made: Run) -> None:
        self._run = run
        self._writes = made.job.writes
        self._table = made.table
        self._winners = Winners(made.table, made.job.table, same) if made.table and made.job.table else None
        self._output = naive.file_of(inflated(run, output_bytes(run)))
        self._rejects = reject_lines(run)
        self._reject = self._next_reject()
        self._columns: Sequence[str] | None = None
        self._read = self._written = self._rejected = 0
        self._filtered: dict[str, int] = {}
        self._differences: dict[str, str] = {}

    def take(self, outcome: Outcome) -> None:
        """Compare what became of a row."""
        self._read += 1
        answer, reject = outcome.answer, self._reject
        if isinstance(answer, Skip):
            self._filtered[answer.reason] = self._filtered.get(answer.reason, 0) + 1
        elif isinstance(answer, Rejected):
            self._refused(outcome, answer.reason)
        elif reject is not None and reject.ordinal == outcome.ordinal and reject.reason.startswith(BY_TABLE):
            self._refused(outcome, reject.reason)
        else:
            self._kept(outcome)

    def _kept(self, outcome: Outcome) -> None:
        if not self._written:
            self._columns = naive.columns_of(self._writes, outcome.answer)
            self._expect(naive.head(self._writes, self._columns), "in its header")
        self._written += 1
        row = f"at input row {outcome.ordinal:,}, line {outcome.given.line:,}"
        try:
            self._expect(naive.written(self._writes, outcome.answer, self._columns), row)
        except (LookupError, TypeError, ValueError):  # of another kind than its neighbours
            self._differences.setdefault("output", f"the function's result cannot be written {row}")
        if self._winners is not None:
            self._winners.add(outcome.ordinal, outcome.answer)

    def _expect(self, data: bytes, where: str) -> None:
        if "output" in self._differences:
            return
        try:
            if self._output.read(len(data)) != data:
                self._differences["output"] = f"the output differs {where}"
        except InputError as error:
            self._differences["output"] = f"the output does not read {where}: {error.message}"

    def _refused(self, outcome: Outcome, reason: str) -> None:
        self._rejected += 1
        reject, given = self._reject, outcome.given
        expected = (outcome.ordinal, given.line, reason, naive.shown(self._run.reads, given))
        if reject is None or (reject.ordinal, reject.line, reject.reason, reject.raw) != expected:
            text = f"the rejects differ at input row {outcome.ordinal:,}, line {given.line:,}"
            self._differences.setdefault("rejects", text)
        if reject is not None and reject.ordinal <= outcome.ordinal:
            self._reject = self._next_reject()

    def _next_reject(self) -> Reject | None:
        line = next(self._rejects, b"")
        return reject_of(line) if line else None

    def checks(self) -> list[Check]:
        """Return the verdict, after the last row."""
        if not self._written:
            self._columns = naive.columns_of(self._writes, None)
            self._expect(naive.head(self._writes, self._columns), "in its header")
        if self._output.read(1):
            self._differences.setdefault("output", "the output goes on after its last row")
        if self._reject is not None:
            self._differences.setdefault("rejects", f"input row {self._reject.ordinal:,} was rejected, and need not be")
        return [
            self._check("counts", self._counts),
            self._check("output", lambda: f"{self._written:,} rows, byte for byte"),
            self._check("rejects", lambda: f"{self._rejected:,} rejects, each the same"),
            *([self._check("table", self._settled)] if self._winners is not None else []),
        ]

    def _check(self, name: str, examine: Callable[[], str]) -> Check:
        try:
            holds(name not in self._differences, self._differences.get(name, ""))
            return Check(f"replay {name}", True, examine())
        except DAMAGE as broken:
            return Check(f"replay {name}", False, broken.message)

    def _counts(self) -> str:
        told = self._run.report.counts
        own = Counts(self._read, self._written, dict(sorted(self._filtered.items())), self._rejected, told.duplicates)
        holds(own == told, f"the report says {_words(told)}, replaying gives {_words(own)}")
        return _words(own)

    def _settled(self) -> str:
        if self._table is None or self._winners is None or self._table.settled() is None:
            raise IntegrityError("the table is gone, or holds nothing of this run")
        return settled_rows(self._run, self._table, self._winners)

    def close(self) -> None:
        """Let go of temporary files."""
        if self._winners is not None:
            self._winners.close()


def _words(counts: Counts) -> str:
    return (
        f"{counts.read:,} read = {counts.written:,} written + {counts.all_filtered:,} filtered "
        f"+ {counts.rejected:,} rejected"
    )


def settled_rows(run: Finished, table: OpenTable, winners: Winners) -> str:
    """Compare the number of rows in the table with what was written, after the last row.

    Raises:
        IntegrityError: A row is missing, differs, or was not accounted for.
    """
    found, live, counts = winners.verdict(), table.count(), run.report.counts
    own = counts.written - counts.duplicates
    holds(found in (None, own), f"the report says {own:,} rows of {counts.written:,} written, and {found} were found")
    holds(live >= own, f"the table has {live:,} rows, the run saved {own:,}")
    how = "counted, not compared, since the key is not known here" if found is None else "each as written"
    return f"{own:,} rows of this run, {how}" + (f"; {live - own:,} others" if live > own else "")
