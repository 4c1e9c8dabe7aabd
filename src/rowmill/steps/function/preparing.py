"""What a worker keeps from partition to partition: the set-up's value, and a loop for `async def`."""

from __future__ import annotations

import inspect
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.errors import ProcessingError
from rowmill.steps.function.outcome import own_line_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from rowmill.job import Job


class Prepared(NamedTuple):
    """What a worker keeps from partition to partition.

    Attributes:
        setup: What the job's set-up gave.
        loop: Where `async def` runs: one loop, so that clients made by the set-up live on; None if nothing needs it.
    """

    setup: Any
    loop: asyncio.Runner | None


@contextmanager
def preparing(job: Job, params: Mapping[str, str]) -> Iterator[Prepared]:
    """Run the job's set-up for this process, and what follows its `yield` at the end."""
    with _loop_for(job) as loop:
        function = job.setup_function
        if function is None:
            yield Prepared(None, loop)
            return
        try:
            value = function(params) if inspect.signature(function).parameters else function()
            begun = _begin(value, loop)
        except Exception as error:
            raise ProcessingError(
                f"the job's set-up failed with {type(error).__name__}: {error} ({own_line_of(error)})",
                hint="correct it",
            ) from error
        try:
            yield Prepared(begun, loop)
        finally:
            _end(value, loop)


def _loop_for(job: Job) -> AbstractContextManager[asyncio.Runner | None]:
    """Return a loop if the job's function or set-up runs in one; asyncio takes a worker 40 ms to import."""
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if not any(kind(function) for kind in kinds for function in (job.function, job.setup_function)):
        return nullcontext()
    import asyncio  # noqa: PLC0415

    return asyncio.Runner()


def _begin(value: Any, loop: asyncio.Runner | None) -> Any:
    """Return what a set-up gives, however it is written: a value, a coroutine, or a generator of either kind."""
    if loop is not None and inspect.iscoroutine(value):
        return loop.run(value)
    if loop is not None and inspect.isasyncgen(value):
        return loop.run(anext(value))
    return next(value) if inspect.isgenerator(value) else value


def _end(value: Any, loop: asyncio.Runner | None) -> None:
    if loop is not None and inspect.isasyncgen(value):
        loop.run(anext(value, None))
    elif inspect.isgenerator(value):
        next(value, None)
