"""A timed sample: the first rows of an input are run in a folder of their own, which is gone afterwards."""

from __future__ import annotations

import copy
import inspect
import time
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.job import PROGRAM
from rowmill.model.expected import Sample, more_rows
from rowmill.runners import coordinator
from rowmill.runners.coordinator import How
from rowmill.runners.starting import NO_TABLE, Asked, start
from rowmill.runners.unwritten import unwritten
from rowmill.steps.reading import chunks, places
from rowmill.steps.split import read_head
from rowmill.steps.trailing import trailer_of, without_trailer
from rowmill.tracker import open_tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.job import Job
    from rowmill.model.report import Report
    from rowmill.steps.source import Source

FEW_ROWS = 32  # are run first, since nobody knows how long the function takes
MOST_BYTES = 4 * 1024 * 1024


def sampled(job: Job, given: str, params: Mapping[str, str] | None, *, saved: bool) -> Sample:
    """Run the first rows of an input, for about a second, and time it. The function's own effects are real.

    Args:
        job: The job.
        given: The input's path or URL.
        saved: Whether its table is an SQLite file, and so is that of the sample; else there is none.
        params: What `ctx.params` gives.

    Raises:
        RowmillError: As the run would end on these rows.
    """
    with unwritten(job, given, params) as (_, source), TemporaryDirectory(prefix="rowmill-plan-") as folder:
        mine = copy.copy(job)
        mine.table = job.table if saved else None
        few = more = _timed(mine, source, Path(folder) / "few", FEW_ROWS, params)
        rows = FEW_ROWS
        while rows := more_rows(rows, more):
            more = _timed(mine, source, Path(folder) / str(rows), rows, params)
        return msgspec.structs.replace(more, merge_s=max(0.0, more.merge_s - few.merge_s))


def _timed(job: Job, source: Source, folder: Path, rows: int, params: Mapping[str, str] | None) -> Sample:
    folder.mkdir()
    file = folder / "input"
    _copy_first(source, file, rows)
    mine, clock = copy.copy(job), Clock()
    mine.reads, mine.function = without_trailer(source.reads), clock.timing(job)
    chosen = {
        "table": NO_TABLE if job.table is None else f"sqlite:///{folder}/rows.db",
        "workspace": f"{folder}/runs",
        "rejects": "100%",
        "workers": 1,
    }
    run, where = start(Asked(mine, str(file), f"{folder}/output", params, chosen))
    tracker = open_tracker("", run.id)
    try:
        report = coordinator.coordinate(run, How(where, 1), tracker)
    finally:
        tracker.close()
        if run.table is not None:
            run.table.close()
    return _sample(report, clock.seconds, folder / "rows.db")


def _sample(report: Report, function_s: float | None, table: Path) -> Sample:
    counts, seconds = report.counts, report.seconds
    return Sample(
        rows=counts.read,
        written=counts.written,
        rejected=counts.rejected,
        process_s=seconds.process,
        merge_s=seconds.merge,
        function_s=function_s,
        output_bytes=report.output.bytes,
        table_bytes=table.stat().st_size if table.exists() else 0,
    )


def _copy_first(source: Source, file: Path, rows: int) -> None:
    """Copy the head and the first rows."""
    with source.open() as reader, file.open("wb") as out:
        head = read_head(source.reads, reader, source.bytes)
        out.write(reader.read(0, head.end))
        last = trailer_of(source.reads, reader, head, source.bytes)
        body_end = source.bytes if last is None else last.start
        end = min(body_end, head.end + MOST_BYTES)
        for chunk in chunks(source.reads, reader, head.end, end, first_line=1):
            found = [] if chunk.oversized else places(source.reads, chunk)
            if end < body_end and chunk.offset + len(chunk.data) >= end:
                found.pop()  # it may be cut
            for place in found[:rows]:
                out.write(place.raw)
            rows -= len(found[:rows])
            if not rows:
                break


class Clock:
    """Adds up the time in a function.

    Attributes:
        seconds: So far; None where it cannot be told from that of others.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def timing(self, job: Job) -> Any:
        """Return the job's function, timed where it is a plain one."""
        function = job.function
        if job.kind == PROGRAM or not callable(function) or not inspect.isroutine(function):
            return function
        return function if inspect.iscoroutinefunction(function) else self._timed(function)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.seconds = 0.0

        @wraps(function)
        def timed(*given: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given)
            finally:
                self.seconds += time.perf_counter() - began  # type: ignore[operator]

        return timed
