"""How the user's function is called: rows in, one outcome per row out, in place."""

from __future__ import annotations

import inspect
import random
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import uuid_utils

from rowmill.errors import ConfigurationError, ProcessingError, TransientError
from rowmill.formats.masking import hidden
from rowmill.job import CHUNK, Context, Reject
from rowmill.model import identity, policy
from rowmill.steps.function.converting import converter, plain
from rowmill.steps.function.outcome import Rejected, masked, own_line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared


class Batch(NamedTuple):
    """Rows to call a function with.

    Attributes:
        rows: As the format reads them.
        ordinals: One per row.
        line_of: Gives the line of an ordinal.
    """

    rows: Sequence[Any]
    ordinals: Sequence[int]
    line_of: Callable[[int], int]


class Caller:
    """The user's function, ready to be called in this process."""

    def __init__(self, run: Run, *, digest: str, columns: tuple[str, ...] | None, prepared: Prepared) -> None:
        job = run.job
        if not callable(job.function):
            raise ConfigurationError(
                f"the job {job.name!r} has no function", hint="decorate one with @job.process", url=run.record.job_ref
            )
        self._job = job
        self._function: Callable[..., Any] = job.function
        self._call = job.function if job.takes_context else _without_context(job.function)
        self._convert = converter(job.row_type, columns)
        self._context = {
            "namespace": uuid_utils.UUID(str(identity.row_namespace(job.name, digest))),
            "params": run.record.params,
            "now": datetime.fromisoformat(run.record.started),
            "setup": prepared.setup,
        }
        self._loop = prepared.loop

    def __call__(self, batch: Batch) -> list[Any]:
        """Return one outcome per row: a value, a `Skip` or a `Rejected`.

        Raises:
            ProcessingError: The function failed; with the row's place and the user's own line.
            TransientError: A row was tried as often as the job allows.
        """
        if self._convert is None:
            return self._run(batch)
        rows = [self._convert(row) for row in batch.rows]
        good = [place for place, row in enumerate(rows) if type(row) is not Rejected]
        if len(good) == len(rows):
            return self._run(batch._replace(rows=rows))
        fit = Batch([rows[place] for place in good], [batch.ordinals[place] for place in good], batch.line_of)
        for place, outcome in zip(good, self._run(fit), strict=True):
            rows[place] = outcome
        return rows

    def _run(self, batch: Batch) -> list[Any]:
        if self._job.kind == CHUNK:
            return self._together(batch)
        if self._loop is not None and inspect.iscoroutinefunction(self._function):
            return self._loop.run(self._concurrently(batch))
        return self._one_by_one(batch)

    def _one_by_one(self, batch: Batch) -> list[Any]:
        context = Context(ordinal=0, line_of=batch.line_of, **self._context)
        outcomes: list[Any] = []
        call, add = self._call, outcomes.append
        for context.ordinal, row in zip(batch.ordinals, batch.rows):  # noqa: B905 - strict costs time here
            try:
                add(call(row, context))
            except Exception as error:  # noqa: BLE001 - it is the user's code
                add(self._trouble(error, row, context))
        return outcomes

    def _trouble(self, error: Exception, row: Any, context: Any) -> Any:
        """Decide about an exception: a reject, another try, or the end of the run.

        Args:
            error: What the function raised.
            row: What it was given: a row, or a list of one.
            context: What it was given beside it: a Context, or a list of one.
        """
        dice = random.Random()  # noqa: S311 - jitter
        for tries in range(1, self._job.tries):
            if not isinstance(error, TransientError):
                break
            time.sleep(policy.pause_s(tries, dice))
            try:
                return self._call(row, context)
            except Exception as again:  # noqa: BLE001
                error = again
        of_row = context[0] if isinstance(context, list) else context
        return self._verdict(error, row[0] if isinstance(context, list) else row, of_row.ordinal, of_row.line_no)

    def _verdict(self, error: Exception, row: Any, ordinal: int, line_no: int) -> Rejected:
        if isinstance(error, Reject):
            return Rejected(error.reason)
        if isinstance(error, TransientError):
            raise TransientError(
                f"a row was tried {self._job.tries} times: "
                f"{hidden(masked(error, plain(row)), plain(row), self._job.sensitive)}",
                hint="give the same command again later",
                ordinal=ordinal,
                line_no=line_no,
            ) from error
        text = hidden(masked(error, plain(row)), plain(row), self._job.sensitive)
        told = f"{type(error).__name__}: {text}".removesuffix(": ")
        if self._job.on_error == "reject":
            return Rejected(told)
        raise ProcessingError(
            f"the function failed with {told} ({own_line_of(error)})",
            hint="correct it and give the same command again, or declare Job(on_error='reject')",
            ordinal=ordinal,
            line_no=line_no,
        ) from error

    async def _concurrently(self, batch: Batch) -> list[Any]:
        import asyncio  # noqa: PLC0415 - see preparing._loop_for

        gate = asyncio.Semaphore(self._job.concurrency)

        async def one(ordinal: int, row: Any) -> Any:
            context = Context(ordinal=ordinal, line_of=batch.line_of, **self._context)
            async with gate:
                return await self._attempts(row, context)

        tasks = [asyncio.ensure_future(one(*pair)) for pair in zip(batch.ordinals, batch.rows, strict=True)]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _attempts(self, row: Any, context: Context) -> Any:
        import asyncio  # noqa: PLC0415

        dice = random.Random()  # noqa: S311 - jitter
        for tries in range(1, self._job.tries + 1):
            try:
                return await self._call(row, context)
            except TransientError as error:
                if tries == self._job.tries:
                    return self._verdict(error, row, context.ordinal, context.line_no)
                await asyncio.sleep(policy.pause_s(tries, dice))
            except Exception as error:  # noqa: BLE001
                return self._verdict(error, row, context.ordinal, context.line_no)
        raise AssertionError("tries is at least 1")

    def _together(self, batch: Batch) -> list[Any]:
        """Call with all rows; where that fails, halve until the row is found."""
        if not batch.rows:
            return []
        contexts = [Context(ordinal=ordinal, line_of=batch.line_of, **self._context) for ordinal in batch.ordinals]
        try:
            outcomes = self._call(list(batch.rows), contexts)
        except Exception as error:  # noqa: BLE001
            if len(batch.rows) == 1:
                alone = self._trouble(error, batch.rows, contexts)
                return [alone[0] if isinstance(alone, list) else alone]
            middle = len(batch.rows) // 2
            halves = (slice(None, middle), slice(middle, None))
            return [
                outcome
                for half in halves
                for outcome in self._together(batch._replace(rows=batch.rows[half], ordinals=batch.ordinals[half]))
            ]
        if not isinstance(outcomes, (list, tuple)) or len(outcomes) != len(batch.rows):
            got = f"{len(outcomes)} results" if isinstance(outcomes, (list, tuple)) else f"a {type(outcomes).__name__}"
            raise ProcessingError(
                f"the function was given {len(batch.rows)} rows and returned {got}",
                hint="return a list with one result per row; Skip(reason) leaves a row out",
                ordinal=batch.ordinals[0],
                line_no=batch.line_of(batch.ordinals[0]),
            )
        return [Rejected(outcome.reason) if isinstance(outcome, Reject) else outcome for outcome in outcomes]


def _without_context(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda row, _context: function(row)
