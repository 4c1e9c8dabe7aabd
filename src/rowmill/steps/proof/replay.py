"""Replay: the oracle. What a plain sequential loop makes of an input; every run must give the same."""

from __future__ import annotations

import inspect
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import uuid_utils

from rowmill.errors import ConfigurationError, TransientError
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.masking import hidden
from rowmill.job import CHUNK, Context, Reject, Skip
from rowmill.model import identity
from rowmill.steps.function.converting import converter, plain
from rowmill.steps.function.outcome import Rejected, masked
from rowmill.steps.function.preparing import preparing
from rowmill.steps.proof import naive
from rowmill.steps.source import in_utf8

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from rowmill.job import Job
    from rowmill.steps.proof.naive import Given


class Outcome(NamedTuple):
    """What became of a row: a value, a `Skip` or a `Rejected`."""

    ordinal: int
    given: Given
    answer: Any


def oracle(
    job: Job,
    file: BinaryIO,
    *,
    digest: str,
    params: Mapping[str, str],
    now: datetime,
    corrected: Mapping[int, Given] | None = None,
) -> Iterator[Outcome]:
    """Call the job's function on one row after the other, in this process.

    Args:
        job: What is done.
        file: The input, decompressed.
        digest: The input's, for stable ids.
        params: What `ctx.params` gives.
        now: What `ctx.now` gives.
        corrected: Rows that were repaired, by ordinal.
    """
    mended = corrected or {}
    namespace = uuid_utils.UUID(str(identity.row_namespace(job.name, digest)))
    with preparing(job, params) as prepared:
        call = _callable(job, prepared.loop)
        for ordinal, stood in enumerate(naive.rows(in_utf8(job.reads), file)):
            given = mended[ordinal]._replace(line=stood.line) if ordinal in mended else stood
            line_of = lambda _, line=given.line: line  # noqa: E731 - of this row only
            context = Context(
                ordinal=ordinal, namespace=namespace, params=params, now=now, setup=prepared.setup, line_of=line_of
            )
            answer = Rejected(given.problem) if given.problem else _totalled(job, given.row, call(given.row, context))
            yield Outcome(ordinal, given, _shown(job, given.row, answer))


def _shown(job: Job, row: Any, answer: Any) -> Any:
    """Return an answer whose reason shows nothing that is sensitive."""
    if not job.sensitive or not isinstance(answer, (Skip, Rejected)):
        return answer
    return type(answer)(hidden(answer.reason, row, job.sensitive))


def _callable(job: Job, loop: asyncio.Runner | None) -> Callable[[Any, Context], Any]:
    """Return what gives the answer to one row, whatever kind of function the job has."""
    function = job.function
    if not callable(function):
        raise ConfigurationError(f"the job {job.name!r} has no Python function to replay", hint="verify with --digests")
    together, takes_context = job.kind == CHUNK, job.takes_context

    @cache
    def converter_of(columns: tuple[str, ...] | None) -> Callable[[Any], Any]:
        return converter(job.row_type, columns) or (lambda row: row)

    def answer(row: Any, context: Context) -> Any:
        words = ([row], [context]) if together else (row, context)
        given = function(*words) if takes_context else function(words[0])
        result = loop.run(_awaited(given)) if loop is not None and inspect.isawaitable(given) else given
        return result[0] if together else result

    def settled(row: Any, context: Context) -> Any:
        named = isinstance(row, dict) and not isinstance(job.reads, Jsonl)
        made = converter_of(tuple(row) if named else None)(row)
        return made if isinstance(made, Rejected) else _settled(job, answer, made, context)

    return settled


async def _awaited(given: Any) -> Any:
    return await given


def _settled(job: Job, answer: Callable[[Any, Context], Any], row: Any, context: Context) -> Any:
    """Make an exception into what it means."""
    for tries in range(1, job.tries + 1):
        try:
            result = answer(row, context)
        except Reject as refused:
            return Rejected(refused.reason)
        except TransientError:
            if tries == job.tries:
                raise
        except Exception as error:
            if job.on_error != "reject":
                raise
            return Rejected(f"{type(error).__name__}: {masked(error, plain(row))}".removesuffix(": "))
        else:
            return _meant(result)
    raise AssertionError("tries is at least 1")


def _meant(result: Any) -> Any:
    if isinstance(result, Reject):
        return Rejected(result.reason)
    return result if isinstance(result, Skip) else plain(result)


def _totalled(job: Job, row: Any, answer: Any) -> Any:
    """Refuse a written row that has no number where the job declares a total."""
    if isinstance(answer, (Skip, Rejected)):
        return answer
    try:
        numbers = [Decimal(str(row[column]).strip() or "0") for column in job.totals]
    except InvalidOperation:
        numbers = [Decimal("NaN")]
    if all(number.is_finite() for number in numbers):
        return answer
    return Rejected("a column with a declared total holds no number")
