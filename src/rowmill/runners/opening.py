"""A run with its places open, in whatever process it is needed."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from rowmill import settings, wire
from rowmill.errors import RowmillError, StateError
from rowmill.model import codec
from rowmill.model.run import RunRecord
from rowmill.runners.loading import code_digest, load_job
from rowmill.steps import Run
from rowmill.storage import Storage, open_storage
from rowmill.tables import open_table
from rowmill.tracker import open_pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.job import Job

# What stands between a run and its places: nothing, or a test kit that counts, or breaks, what is done to them.
between: ContextVar[Callable[[Run], Run]] = ContextVar("between", default=lambda run: run)


def open_run(workspace: Storage, run_id: str, *, job: Job | None = None, job_ref: str = "") -> Run:
    """Open a run that the workspace knows.

    Args:
        workspace: Where the run's objects are.
        run_id: Which run.
        job: The job, if this process has it.
        job_ref: Where its code is here, if not where the run was started.

    Raises:
        StateError: The workspace does not know the run.
    """
    name = f"{wire.run_dir(run_id)}/{wire.RUN}"
    data = workspace.get(name)
    if data is None:
        raise StateError(
            f"there is no run {run_id} in {workspace.url}", hint="`rowmill runs` lists them; give --workspace"
        )
    record = codec.decode(data, RunRecord, name=name)
    job_ref = job_ref or record.job_ref
    # Whoever comes by the run's id may have neighbours that write at the same time.
    return opened(workspace, record, job or load_job(job_ref), job_ref, writers=record.workers)


def opened(workspace: Storage, record: RunRecord, job: Job, job_ref: str, *, writers: int = 1) -> Run:
    """Open the places that a record names.

    Args:
        workspace: Where the run's objects are.
        record: What the run is.
        job: The job.
        job_ref: Where its code is.
        writers: How many processes share the write rate where no tracker keeps it; a coordinator writes alone.
    """
    table = None
    if record.table and job.table is not None:
        pace = open_pace(record.tracker, record.run_id, record.write_rate, writers)
        table = open_table(
            record.table,
            job.table,
            run_id=record.run_id,
            workspace=workspace,
            pace=pace,
            create=record.create_table,
        )
    return between.get()(Run(job, code_digest(job, job_ref), record, workspace, open_storage, table))


def workspace_at(given: str | None) -> Storage:
    """Open the workspace that is given, or else set."""
    return open_storage(settings.resolve({"workspace": given})["workspace"].value)


def reached(workspace: str) -> Storage | None:
    """Return the workspace as pods see it, if this process sees it too."""
    if "://" not in workspace and not Path(workspace, wire.RUNS).is_dir():
        return None
    with suppress(RowmillError):
        return open_storage(workspace)
    return None
