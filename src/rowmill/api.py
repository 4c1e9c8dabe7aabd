"""The front door: every verb of the command line has its function here."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from rowmill import settings, wire
from rowmill.errors import ConfigurationError, InputError, StateError
from rowmill.job import Job
from rowmill.model import codec, identity
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.runners import coordinator, loading
from rowmill.runners.coordinator import How
from rowmill.runners.opening import open_run, opened
from rowmill.steps import Run
from rowmill.steps import merge as merging
from rowmill.steps import split as splitting
from rowmill.steps import verify as verifying
from rowmill.steps.calling import prepared
from rowmill.steps.process import process as process_partition
from rowmill.steps.source import receive, spool
from rowmill.storage import open_storage, place_of
from rowmill.storage.files import path_of
from rowmill.tracker import View
from rowmill.tracker.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowmill.storage import Storage

NO_TABLE = "none"
STREAM_BYTES = 1024 * 1024


def run(
    job: Job | str,
    input: str,  # noqa: A002 - the user's word
    *,
    output: str | None = None,
    table: str | None = None,
    workspace: str | None = None,
    workers: int | None = None,
    on: str | None = None,
    rows_per_partition: int | None = None,
    params: Mapping[str, str] | None = None,
    rejects: str | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    watch: Callable[[View], None] | None = None,
) -> Report:
    """Run a job on a file: every row, once, in order; go on where an earlier try stopped.

    Args:
        job: A `Job`, or a reference: `path/to/file.py[:name]`, `package.module[:name]`.
        input: The file's path or URL; `-` reads standard input.
        output: Where results go; by default the input's name with `_Output`.
        table: The database's URL, as `sqlite:///rowmill.db`; `none` saves no table.
        workspace: Where the run keeps its objects.
        workers: Partitions at once; by default one per core.
        on: `inline` or `processes`; by default by the number of rows.
        rows_per_partition: By default by the number of rows.
        params: What `ctx.params` gives.
        rejects: `stop`, a number of rows, or a share as `0.5%`.
        keep_code: Keep finished partitions although the code changed (`--continue`).
        fresh: Do everything anew.
        overwrite: Replace an output that another run wrote.
        watch: Called with a `View` of the progress several times a second.

    Returns:
        The report; its status is `repeated` if the run had ended well before and nothing was written.

    Raises:
        RowmillError: With message, hint and place; `exit_code` says whose turn it is.
    """
    if loading.importing:
        raise loading.ImportOnly
    job, reference = _job_of(job)
    chosen = _settings(job, table, workspace, workers, on, rows_per_partition, rejects)
    made = _prepare(job, reference, input, output, params, chosen)
    how = How(
        _runner(chosen["on"].value, reference), made.record.workers, keep_code, fresh, overwrite, watch
    )
    try:
        return coordinator.coordinate(made, how, Memory())
    finally:
        if made.table is not None:
            made.table.close()


def _settings(
    job: Job,
    table: str | None,
    workspace: str | None,
    workers: int | None,
    on: str | None,
    rows_per_partition: int | None,
    rejects: str | None,
) -> dict[str, settings.Value]:
    given = {
        "table": table,
        "workspace": workspace,
        "workers": workers,
        "on": on,
        "rows_per_partition": rows_per_partition,
        "rejects": rejects,
    }
    return settings.resolve(given, {"rows_per_partition": job.rows_per_partition, "rejects": job.rejects})


def _job_of(job: Job | str) -> tuple[Job, str]:
    """Return the job and the reference by which workers find it, empty if they cannot."""
    if isinstance(job, Job):
        return job, loading.reference_of(job) or ""
    where, name = loading.split_reference(job)
    path = str(path_of(where)) if where.endswith(".py") or "/" in where else where
    return loading.load_job(job), f"{path}:{name}"


def _runner(on: str | None, reference: str) -> str:
    if reference:
        return on or ""
    if on == "processes":
        raise ConfigurationError(
            "worker processes cannot find a job that is defined in a notebook or at a prompt",
            hint="put the job into a file, as job.py, and run 'job.py'; or run it with on='inline'",
        )
    return "inline"


def _prepare(
    job: Job,
    reference: str,
    given: str,
    output: str | None,
    params: Mapping[str, str] | None,
    chosen: Mapping[str, settings.Value],
) -> Run:
    """Return the run that these words mean, its places open, nothing written but what standard input gave."""
    workspace = open_storage(chosen["workspace"].value)
    table = _table_url(job, chosen["table"])
    if given == "-":
        if output is None:
            raise ConfigurationError("standard input has no name to derive an output from", hint="give --output")
        url, version = "-", _receive_stdin(workspace, job)
    else:
        url, version = _version_of(given)
    target = absolute(output) if output is not None else f"{url}_Output"
    if target == url:
        raise ConfigurationError("input and output are the same file", hint="give another --output", url=url)
    output_format = repr(job.writes)
    run_id = identity.run_id(
        job=job.name,
        input_url=url,
        input_version=version,
        params=params or {},
        output_format=output_format,
        output_url=target,
        table_url=table,
    )
    record = RunRecord(
        run_id=run_id,
        job=job.name,
        job_ref=reference,
        input=url,
        input_version=version,
        output=target,
        table=table,
        params=dict(params or {}),
        output_format=output_format,
        rows_per_partition=chosen["rows_per_partition"].value,
        workers=chosen["workers"].value,
        rejects=chosen["rejects"].value,
        started=coordinator.now(),
        who=coordinator.who(),
    )
    before = workspace.get(f"{wire.run_dir(run_id)}/{wire.RUN}")
    if before is not None:
        earlier = codec.decode(before, RunRecord, name=wire.RUN)
        record = msgspec.structs.replace(record, started=earlier.started)
    if given == "-":
        workspace.move(INCOMING, f"{wire.run_dir(run_id)}/{wire.SPOOL}")
    return opened(workspace, record, job, reference)


INCOMING = f"incoming/{wire.SPOOL}"


def _receive_stdin(workspace: Storage, job: Job) -> str:
    def stream() -> Iterator[bytes]:
        while data := sys.stdin.buffer.read(STREAM_BYTES):
            yield data

    return receive(workspace, INCOMING, stream(), job.reads.encoding)


def absolute(url: str) -> str:
    """Return a path as an absolute one; other URLs as they are, without user info."""
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("", "file"):
        return str(path_of(url))
    if urlsplit(url).password:
        raise ConfigurationError("a URL must not hold a password", hint="give it by the store's own settings")
    return url


def _version_of(given: str) -> tuple[str, str]:
    url = absolute(given)
    folder, name = place_of(url)
    storage = open_storage(folder)
    found = storage.stat(name)
    if found is None:
        raise InputError(f"{given} does not exist", hint="check the path", url=url)
    with storage.open(name):
        return url, found.version


def _table_url(job: Job, chosen: settings.Value) -> str:
    if chosen.value == NO_TABLE:
        return ""
    if job.table is None:
        if chosen.origin == "option":
            raise ConfigurationError(
                f"--table is given, and the job {job.name!r} declares no table", hint="declare Job(table=Table(…))"
            )
        return ""
    url = str(chosen.value)
    if url.startswith("sqlite:///"):
        return f"sqlite:///{path_of(url.removeprefix('sqlite:///'))}"
    return url


def plan(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    workers: int | None = None,
    rows_per_partition: int | None = None,
) -> Manifest:
    """Return how an input would be shared out; nothing is written.

    Args:
        job: As for `run`.
        input: The file's path or URL.
        workers: As for `run`; the size of partitions may depend on it.
        rows_per_partition: As for `run`.
    """
    job, reference = _job_of(job)
    if input == "-":
        raise ConfigurationError("standard input cannot be planned", hint="save it to a file first")
    with tempfile.TemporaryDirectory(prefix="rowmill-plan-") as folder:
        chosen = _settings(job, NO_TABLE, folder, workers, None, rows_per_partition, None)
        made = _prepare(job, reference, input, None, None, chosen)
        return splitting.survey(made, spool(made))


def split(
    job: Job | str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    table: str | None = None,
    workspace: str | None = None,
    workers: int | None = None,
    rows_per_partition: int | None = None,
    params: Mapping[str, str] | None = None,
    rejects: str | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Take the first step alone: publish the manifest, or return the one that is there."""
    job, reference = _job_of(job)
    chosen = _settings(job, table, workspace, workers, None, rows_per_partition, rejects)
    made = _prepare(job, reference, input, output, params, chosen)
    with made.workspace.claim(made.name(wire.CLAIM)):
        coordinator.check_output(made, overwrite=overwrite)
        coordinator.keep_record(made)
        if made.table is not None:
            made.table.check(None)
        return splitting.split(made)


def process(
    run_id: str,
    partitions: list[int] | None = None,
    *,
    workspace: str | None = None,
    job: str = "",
) -> list[Receipt]:
    """Take the second step alone, for some partitions or for all; what has a receipt is not done again."""
    made, manifest = _begun(run_id, workspace, job)
    done = merging.receipts_of(made, manifest)
    wanted = list(range(len(manifest.partitions))) if partitions is None else partitions
    for index in wanted:
        if not 0 <= index < len(manifest.partitions):
            raise ConfigurationError(
                f"there is no partition {index}", hint=f"the run has partitions 0 to {len(manifest.partitions) - 1}"
            )
    with prepared(made.job, made.record.params) as setup:
        return [
            done.get(index)
            or process_partition(
                made,
                manifest,
                manifest.partitions[index],
                attempt=coordinator.attempt_name(),
                setup=setup,
                tell=lambda _: None,
            )
            for index in wanted
        ]


def merge(run_id: str, *, workspace: str | None = None, job: str = "") -> Report:
    """Take the last step alone.

    Raises:
        StateError: Partitions lack their receipt.
    """
    made, manifest = _begun(run_id, workspace, job)
    with made.workspace.claim(made.name(wire.CLAIM)):
        if (done := coordinator.finished(made)) is not None:
            return done
        return coordinator.merge_alone(made, manifest)


def _begun(run_id: str, workspace: str | None, job: str) -> tuple[Run, Manifest]:
    made = open_run(_workspace(workspace), run_id, job_ref=job)
    manifest = made.load(made.name(wire.MANIFEST), Manifest)
    if manifest is None:
        raise StateError(f"the run {run_id} has no manifest yet", hint="give `rowmill split` first", run_id=run_id)
    return made, manifest


def _workspace(given: str | None) -> Storage:
    return open_storage(settings.resolve({"workspace": given})["workspace"].value)


class Status(msgspec.Struct, frozen=True):
    """How a run stands.

    Attributes:
        state: `succeeded`, `running`, `interrupted`.
        rows: All rows; 0 before they are counted.
        rows_done: Rows of partitions that have a receipt; of those under way too while it is running.
        ended: When it ended well.
    """

    run_id: str
    job: str
    state: str
    input: str
    output: str
    started: str
    ended: str | None
    rows: int
    rows_done: int
    partitions: int
    partitions_done: int
    rejected: int
    rows_per_second: int | None
    eta_s: int | None
    schema: str = "rowmill.status/1"


def runs(*, workspace: str | None = None) -> list[Status]:
    """Return how all runs of the workspace stand, the latest first."""
    place = _workspace(workspace)
    ids = {name.split("/")[1] for name in place.list(wire.RUNS) if name.endswith(f"/{wire.RUN}")}
    return sorted((_status(place, run_id) for run_id in ids), key=lambda one: (one.started, one.run_id), reverse=True)


def status(run_id: str | None = None, *, workspace: str | None = None) -> Status:
    """Return how a run stands; by default the latest.

    Raises:
        StateError: There is no such run.
    """
    if run_id is not None:
        return _status(_workspace(workspace), run_id)
    all_runs = runs(workspace=workspace)
    if not all_runs:
        raise StateError("the workspace has no runs", hint="start one: rowmill run JOB INPUT")
    return all_runs[0]


def _status(place: Storage, run_id: str) -> Status:
    def load(name: str, kind: type[Any]) -> Any:
        data = place.get(f"{wire.run_dir(run_id)}/{name}")
        return None if data is None else codec.decode(data, kind, name=name)

    record = load(wire.RUN, RunRecord)
    if record is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    manifest, report = load(wire.MANIFEST, Manifest), load(wire.REPORT, Report)
    names = list(place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"))
    receipts = [codec.decode(data, Receipt, name=name) for name in names if (data := place.get(name)) is not None]
    running = report is None and _is_claimed(place, run_id)
    view: View | None = load(wire.PROGRESS, View) if running else None
    done = sum(receipt.counts.read for receipt in receipts)
    return Status(
        run_id=run_id,
        job=record.job,
        state="succeeded" if report is not None else "running" if running else "interrupted",
        input=record.input,
        output=record.output,
        started=record.started,
        ended=None if report is None else report.end,
        rows=0 if manifest is None else manifest.rows,
        rows_done=max(done, view.rows_done) if view is not None else done,
        partitions=0 if manifest is None else len(manifest.partitions),
        partitions_done=len(receipts),
        rejected=sum(receipt.counts.rejected for receipt in receipts),
        rows_per_second=None if view is None else view.rows_per_second,
        eta_s=None if view is None else view.eta_s,
    )


def _is_claimed(place: Storage, run_id: str) -> bool:
    try:
        with place.claim(f"{wire.run_dir(run_id)}/{wire.CLAIM}"):
            return False
    except StateError:
        return True


def verify(
    run_id: str | None = None,
    *,
    workspace: str | None = None,
    job: str = "",
    digests: bool = False,
    table: bool = False,
    replay: bool = False,
) -> verifying.Verification:
    """Check a finished run, independently of the engine's counts.

    Args:
        run_id: Which; by default the latest.
        workspace: Where it is.
        job: Where its code is, if not where it was run from.
        digests: Read input and output again and compare digests and rows; no user code is loaded.
        table: Compare the table's rows with the output's keys as well.
        replay: Run the oracle, a plain sequential loop, and compare bytes; the function runs again on every row.

    With none of the three, digests are checked.
    """
    run_id = run_id or status(workspace=workspace).run_id
    needs_job = table or replay
    place = _workspace(workspace)
    data = place.get(f"{wire.run_dir(run_id)}/{wire.RUN}")
    if data is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    made = open_run(place, run_id, job_ref=job) if needs_job else None
    return verifying.verify(place, run_id, made, digests=digests or not needs_job, table=table, replay=replay)


def clean(*, workspace: str | None = None, run_id: str | None = None, keep: int = 0, dry_run: bool = False) -> list[str]:
    """Remove runs from the workspace: one, or all that have ended well but the latest `keep`; return their ids.

    Outputs and tables stay. A run that is under way is never removed.
    """
    place = _workspace(workspace)
    chosen = [one for one in runs(workspace=workspace) if one.state == "succeeded"][keep:]
    if run_id is not None:
        chosen = [status(run_id, workspace=workspace)]
    for one in chosen:
        if one.state == "running":
            raise StateError(f"the run {one.run_id} is under way", hint="wait for it, or stop it")
        if not dry_run:
            place.delete(wire.run_dir(one.run_id))
    return [one.run_id for one in chosen]
