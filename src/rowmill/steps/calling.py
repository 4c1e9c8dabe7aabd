"""How the user's function is called: rows in, one outcome per row out, in place."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import random
import re
import time
import traceback
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin

import msgspec
import uuid_utils

from rowmill.errors import ConfigurationError, ProcessingError, TransientError
from rowmill.job import CHUNK, Context, Reject
from rowmill.model import identity, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rowmill.job import Job
    from rowmill.steps import Run

TELLING = 4  # shorter values occur in any text by chance
OWN = str(Path(__file__).parent)  # this package's frames are no part of the user's code


class Rejected(NamedTuple):
    """The outcome of a refused row."""

    reason: str


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

    def __init__(self, run: Run, *, digest: str, columns: tuple[str, ...] | None, setup: Any) -> None:
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
            "setup": setup,
        }

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
        if inspect.iscoroutinefunction(self._function):
            return asyncio.run(self._concurrently(batch))
        return self._one_by_one(batch)

    def _one_by_one(self, batch: Batch) -> list[Any]:
        context = Context(ordinal=0, line_of=batch.line_of, **self._context)
        call, outcomes = self._call, []
        add = outcomes.append
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
                f"a row was tried {self._job.tries} times: {masked(error, row)}",
                hint="give the same command again later",
                ordinal=ordinal,
                line_no=line_no,
            ) from error
        told = f"{type(error).__name__}: {masked(error, row)}".removesuffix(": ")
        if self._job.on_error == "reject":
            return Rejected(told)
        raise ProcessingError(
            f"the function failed with {told} ({place_of(error)})",
            hint="correct it and give the same command again, or declare Job(on_error='reject')",
            ordinal=ordinal,
            line_no=line_no,
        ) from error

    async def _concurrently(self, batch: Batch) -> list[Any]:
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


@contextmanager
def prepared(job: Job, params: Mapping[str, str]) -> Iterator[Any]:
    """Run the job's set-up for this process, and what follows its `yield` at the end."""
    function = job.setup_function
    if function is None:
        yield None
        return
    try:
        value = function(params) if inspect.signature(function).parameters else function()
        generator = value if inspect.isgenerator(value) else None
        if generator is not None:
            value = next(generator)
    except Exception as error:
        raise ProcessingError(
            f"the job's set-up failed with {type(error).__name__}: {error} ({place_of(error)})", hint="correct it"
        ) from error
    try:
        yield value
    finally:
        if generator is not None:
            next(generator, None)


def converter(kind: Any, columns: tuple[str, ...] | None) -> Callable[[Any], Any] | None:
    """Return what makes a row into the annotated type, `Rejected` where a value does not fit; None = as it is.

    Raises:
        ConfigurationError: The type needs a column that the input does not have.
    """
    if kind in (None, Any, dict, list, str) or get_origin(kind) in (dict, list):
        return None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.required for field in msgspec.structs.fields(kind)}
        return _by_msgspec(kind, _renames(kind, fields, columns))
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        fields = {f.name: f.default is missing and f.default_factory is missing for f in dataclasses.fields(kind)}
        return _by_msgspec(kind, _renames(kind, fields, columns))
    if hasattr(kind, "model_validate"):
        named = {info.alias or name: info.is_required() for name, info in kind.model_fields.items()}
        return _by_pydantic(kind, _renames(kind, named, columns))
    return _by_msgspec(kind, {})


def snake(name: str) -> str:
    """Return a column's name as a Python name: `Order ID` is `order_id`."""
    return re.sub(r"\W+", "_", name.strip()).strip("_").lower()


def _renames(kind: Any, fields: Mapping[str, bool], columns: tuple[str, ...] | None) -> dict[str, str]:
    """Return field by column."""
    if columns is None:
        return {}
    renames = {column: column if column in fields else snake(column) for column in columns}
    found = set(renames.values())
    for name, required in fields.items():
        if required and name not in found:
            raise ConfigurationError(
                f"{kind.__name__} needs a column {name!r}, and the input has none",
                hint="the input's columns are " + ", ".join(columns),
            )
    return {column: field for column, field in renames.items() if field in fields}


def _by_msgspec(kind: Any, renames: Mapping[str, str]) -> Callable[[Any], Any]:
    def convert(row: Any) -> Any:
        if renames and isinstance(row, dict):
            row = {field: row[column] for column, field in renames.items()}
        try:
            return msgspec.convert(row, kind, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            return Rejected(re.sub(r"`\$\.?([^`]*)`", r"column '\1'", str(error)))

    return convert


def _by_pydantic(kind: Any, renames: Mapping[str, str]) -> Callable[[Any], Any]:
    def convert(row: Any) -> Any:
        if renames and isinstance(row, dict):
            row = {field: row[column] for column, field in renames.items()}
        try:
            return kind.model_validate(row)
        except ValueError as error:
            told = error.errors(include_input=False, include_url=False)[0]  # type: ignore[attr-defined]
            return Rejected(f"{told['msg']} - at column {'.'.join(map(str, told['loc']))!r}")

    return convert


def plain(value: Any) -> Any:
    """Return a result as formats and tables take it: objects with fields become dicts."""
    if isinstance(value, msgspec.Struct):
        return {f.encode_name: getattr(value, f.name) for f in msgspec.structs.fields(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True)
    return value


def masked(error: Exception, row: Any) -> str:
    """Return an exception's text, unless it shows a value of the row."""
    text = str(error)
    values = row.values() if isinstance(row, dict) else row if isinstance(row, (list, tuple)) else [row]
    texts = [str(value) for value in values if value is not None]
    shown = any(repr(value) in text or (len(value) >= TELLING and value in text) for value in texts if value)
    return "(its text shows the row, and is left out)" if shown else text


def place_of(error: BaseException) -> str:
    """Return where in the user's own code an exception came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if OWN not in frame.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else "no traceback"

