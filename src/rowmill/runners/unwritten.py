"""An input that is looked at before there is a run: nothing of it stays."""

from __future__ import annotations

from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rowmill.runners.starting import NO_TABLE, Asked, start
from rowmill.steps.source import spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowmill.job import Job
    from rowmill.steps import Run
    from rowmill.steps.source import Source


@contextmanager
def unwritten(
    job: Job | str, given: str, params: Mapping[str, str] | None = None, **chosen: Any
) -> Iterator[tuple[Run, Source]]:
    """Give what a run of these words would read; a copy, where one is needed, is gone afterwards.

    Args:
        job: The job, or its reference.
        given: The input's path or URL.
        params: What `ctx.params` gives.
        chosen: Settings, by name.
    """
    with TemporaryDirectory(prefix="rowmill-") as folder:
        run, _ = start(Asked(job, given, None, params, {**chosen, "table": NO_TABLE, "workspace": folder}))
        yield run, spool(run)
