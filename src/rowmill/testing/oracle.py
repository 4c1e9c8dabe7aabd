"""The oracle for a user's own tests: what a run must give, worked out by a plain loop over one small file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.job import Skip
from rowmill.model import identity
from rowmill.model.counts import Counts
from rowmill.model.identity import BLOCK_BYTES, PIECE_BYTES
from rowmill.steps.function.outcome import Rejected
from rowmill.steps.proof import naive
from rowmill.steps.proof.finished import read, resized
from rowmill.steps.proof.replay import Outcome, oracle
from rowmill.steps.proof.winners import columns_of
from rowmill.steps.source import decoded, in_utf8
from rowmill.storage import open_storage, place_of
from rowmill.storage.files import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rowmill.job import Job, Table

__all__ = ["Expected", "Outcome", "Refusal", "expected", "oracle"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refusal(NamedTuple):
    """A refused row, as the rejects file must show it."""

    ordinal: int
    line: int
    reason: str
    raw: str


class Expected(NamedTuple):
    """What a run must give.

    Attributes:
        output: Its bytes; decompressed, where it is compressed.
        table: The rows of the table, None without one: of each key the winner, in the order of the input.
    """

    output: bytes
    rejects: list[Refusal]
    table: list[dict[str, Any]] | None
    counts: Counts


def expected(job: Job, path: str | Path, *, params: Mapping[str, str] | None = None, now: datetime = EPOCH) -> Expected:
    """Return what any run of a job on a file must give.

    Args:
        job: What is done.
        path: The input, small enough to be held in memory.
        params: What `ctx.params` gives.
        now: What `ctx.now` gives; the run's own start if the function looks at it.
    """

    def content() -> Iterator[bytes]:
        return decoded(read(*_place(path)), job.reads.encoding)

    file = naive.file_of(content())
    outcomes = list(oracle(job, file, digest=_digest(content()), params=params or {}, now=now))
    kept = [one for one in outcomes if not isinstance(one.answer, (Skip, Rejected))]
    values = [one.answer for one in kept]
    rejects = [_refusal(job, one) for one in outcomes if isinstance(one.answer, Rejected)]
    table = None if job.table is None else _winners(job.table, values)
    filtered: dict[str, int] = {}
    for one in outcomes:
        if isinstance(one.answer, Skip):
            filtered[one.answer.reason] = filtered.get(one.answer.reason, 0) + 1
    counts = Counts(
        read=len(outcomes),
        written=len(kept),
        filtered=dict(sorted(filtered.items())),
        rejected=len(rejects),
        duplicates=0 if table is None else len(kept) - len(table),
    )
    return Expected(_output(job, values), rejects, table, counts)


def _place(path: str | Path) -> tuple[Any, str]:
    folder, name = place_of(str(path_of(str(path))))
    return open_storage(folder), name


def _digest(content: Iterable[bytes]) -> str:
    """Return the input's digest: of blocks, each of pieces."""
    blocks = (
        identity.block_digest(identity.digest_of((piece,)) for piece in resized([block], PIECE_BYTES))
        for block in resized(content, BLOCK_BYTES)
    )
    return identity.input_digest(blocks)


def _output(job: Job, values: Sequence[Any]) -> bytes:
    columns = naive.columns_of(job.writes, values[0] if values else None)
    return naive.head(job.writes, columns) + b"".join(naive.written(job.writes, value, columns) for value in values)


def _refusal(job: Job, outcome: Outcome) -> Refusal:
    raw = naive.shown(in_utf8(job.reads), outcome.given)
    return Refusal(outcome.ordinal, outcome.given.line, outcome.answer.reason, raw)


def _winners(table: Table, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the table's rows: by key the last one, or the first, in the order of the input."""
    names = table.columns or {}
    keys = [names.get(key, key) for key in table.keys]
    rows = [columns_of(table, value) for value in values]
    won: dict[Any, int] = {}
    for place, row in enumerate(rows):
        key = tuple(row[name] for name in keys) if keys else place
        if table.on_duplicate == "last" or key not in won:
            won[key] = place
    return [rows[place] for place in sorted(won.values())]
