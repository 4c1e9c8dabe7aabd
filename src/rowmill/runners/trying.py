"""Some rows of an input, tried with a job: no run, nothing written, the function called twice for each row."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import ConfigurationError, InputError
from rowmill.model.manifest import InputVersion, Manifest
from rowmill.runners.unwritten import unwritten
from rowmill.steps.function.preparing import preparing
from rowmill.steps.split import read_head, survey
from rowmill.steps.trailing import trailer_of
from rowmill.steps.trial import RowAt, Tried, rows_from, try_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.job import Job
    from rowmill.steps import Run
    from rowmill.steps.source import Source

DIGESTED_BYTES = 256 * 1024 * 1024  # read in a second; the ids of a row are made from the whole input's digest


class Trial(NamedTuple):
    """Some rows, tried.

    Attributes:
        columns: The input's columns, None where rows have none.
        tried: The rows.
        real_ids: Whether ctx.stable_id() gave what a run gives: the input was small enough to be read whole.
    """

    columns: tuple[str, ...] | None
    tried: list[Tried]
    real_ids: bool


def trial(job: Job | str, given: str, *, rows: int, from_line: int, params: Mapping[str, str] | None) -> Trial:
    """Try some rows of an input.

    Args:
        job: The job, or its reference.
        given: The input's path or URL.
        rows: How many.
        from_line: The line on which the first of them begins, or the next one that does.
        params: What `ctx.params` gives.

    Raises:
        InputError: There is no such row, or the input breaks the declared rules.
    """
    if given == "-":
        raise ConfigurationError("standard input cannot be tried", hint="save it to a file first")
    with unwritten(job, given, params) as (run, source):
        real_ids = source.bytes <= DIGESTED_BYTES
        manifest = survey(run, source) if real_ids else _unread(run, source)
        found = _rows(source, manifest, rows, from_line)
        if not found:
            raise InputError(
                f"no row begins on line {from_line:,} or after it" if from_line > 1 else "the input has no rows",
                hint="give an earlier line" if from_line > 1 else "give a file with rows",
            )
        with preparing(run.job, run.record.params) as prepared:
            tried = try_rows(run, manifest, source.reads, found, prepared)
        return Trial(manifest.columns, tried, real_ids)


def _unread(run: Run, source: Source) -> Manifest:
    """Return as much of a manifest as the head tells."""
    with source.open() as reader:
        head = read_head(source.reads, reader, source.bytes)
        last = trailer_of(source.reads, reader, head, source.bytes)
    version = InputVersion(run.record.input, run.record.input_version, "", source.bytes, source.spooled, source.version)
    start = None if last is None else last.start
    return Manifest(run.id, version, head.columns, head.end, 0, (), start)


def _rows(source: Source, manifest: Manifest, rows: int, from_line: int) -> list[RowAt]:
    with source.open() as reader:
        start = manifest.body_start
        line = reader.read(0, start).count(b"\n") + 1
        found = rows_from(source.reads, reader, start, manifest.body_end, first_line=line, from_line=from_line)
        return list(islice(found, rows))
