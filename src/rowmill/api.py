"""The front door: every verb of the command line has its function here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill import settings, wire
from rowmill.errors import StateError
from rowmill.runners import coordinator, loading, standing
from rowmill.runners.alone import merge as merge
from rowmill.runners.alone import process as process
from rowmill.runners.alone import process_share as process_share
from rowmill.runners.alone import split as split
from rowmill.runners.asking import follow as follow
from rowmill.runners.asking import logs as logs
from rowmill.runners.asking import show as show
from rowmill.runners.beforehand import check as check
from rowmill.runners.beforehand import expected as expected
from rowmill.runners.beforehand import init as init
from rowmill.runners.beforehand import plan as plan
from rowmill.runners.beforehand import policy as policy
from rowmill.runners.beforehand import scan as scan
from rowmill.runners.beforehand import try_rows as try_rows
from rowmill.runners.beforehand import writing as writing
from rowmill.runners.clustered import control as control
from rowmill.runners.clustered import detach as detach
from rowmill.runners.clustered import in_cluster
from rowmill.runners.clustered import pods as pods
from rowmill.runners.clustered import render as render
from rowmill.runners.coordinator import How
from rowmill.runners.deployed import by_machine, standing_of
from rowmill.runners.deployed import execute as execute
from rowmill.runners.deployed import execution_under_way as execution_under_way
from rowmill.runners.deployed import stop_execution as stop_execution
from rowmill.runners.evidence import evidence as evidence
from rowmill.runners.notifying import told as told
from rowmill.runners.opening import open_run, workspace_at
from rowmill.runners.rejected import rejects as rejects
from rowmill.runners.rejected import rejects_csv as rejects_csv
from rowmill.runners.repairing import rehearse as rehearse
from rowmill.runners.repairing import repair as repair
from rowmill.runners.repairing import waive as waive
from rowmill.runners.reporting import look as look
from rowmill.runners.reporting import refused as refused
from rowmill.runners.reporting import report as report
from rowmill.runners.starting import Asked, absolute, start
from rowmill.runners.watching import watch as watch
from rowmill.tracker import open_tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rowmill.job import Job
    from rowmill.model.ended import Ended
    from rowmill.model.report import Report
    from rowmill.model.verification import Verification
    from rowmill.runners.generating import Generated
    from rowmill.runners.standing import Status
    from rowmill.tracker import View


def run(
    job: Job | str,
    input: str,  # noqa: A002 - the user's word
    *,
    output: str | None = None,
    table: str | None = None,
    workspace: str | None = None,
    workers: int | None = None,
    on: str | None = None,
    rows_per_partition: int | str | None = None,
    params: Mapping[str, str] | None = None,
    rejects: str | None = None,
    create_table: bool | None = None,
    write_rate: int | None = None,
    tracker: str | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    watch: Callable[[View], None] | None = None,
    tell: Callable[[str], None] | None = None,
    **pods: Any,
) -> Report | Ended:
    """Run a job on a file: every row, once, in order; go on where an earlier try stopped.

    Args:
        job: A `Job`, or a reference: `path/to/file.py[:name]`, `package.module[:name]`.
        input: The file's path or URL; `-` reads standard input.
        output: Where results go; by default the input's name with `_Output`.
        table: The database's URL, as `sqlite:///rowmill.db`; `none` saves no table.
        workspace: Where the run keeps its objects.
        workers: Partitions at once; by default one per core.
        on: `inline`, `processes`, `kubernetes` or `stepfunctions`; by default here, by the number of rows.
        rows_per_partition: A number, or `auto` = by the number of rows, which also is the default.
        params: What `ctx.params` gives.
        rejects: `stop`, a number of rows, a share as `0.5%`, or `hold`.
        create_table: Make a DynamoDB table that is not there.
        write_rate: Write units a second into DynamoDB, over all workers.
        tracker: A `redis://` or `rediss://` address that shows progress to others.
        keep_code: Keep finished partitions although the code changed (`--continue`).
        fresh: Do everything anew.
        overwrite: Replace an output that another run wrote.
        watch: Called with a `View` of the progress several times a second.
        tell: Called with what is worth knowing at once, of pods that cannot begin for example.
        pods: Settings of pods, by name: `image`, `claim`, `namespace` and so on; or `state_machine`.

    Returns:
        The report; its status is `repeated` if the run had ended well before and nothing was written. Of a
        state machine whose workspace is out of sight, what its execution told.

    Raises:
        RowmillError: With message, hint and place; `exit_code` says whose turn it is.
    """
    if loading.importing:
        raise loading.ImportOnly
    chosen = {
        "table": table,
        "workspace": workspace,
        "workers": workers,
        "on": on,
        "rows_per_partition": rows_per_partition,
        "rejects": rejects,
        "create_table": create_table,
        "write_rate": write_rate,
        "tracker": tracker,
        **pods,
    }
    on, asked = settings.resolve(chosen)["on"].value, Asked(job, input, output, params, chosen, fresh)
    if on == "stepfunctions":
        return by_machine(asked, watch, tell or (lambda _: None), keep_code=keep_code, overwrite=overwrite)
    if on == "kubernetes":
        from rowmill.runners.kubernetes.running import run as run_in_pods

        with in_cluster(asked, keep_code=keep_code, overwrite=overwrite) as (ready, cluster):
            return run_in_pods(ready, cluster, watch, tell or (lambda _: None))
    made, where = start(asked)
    how = How(where, made.record.workers, keep_code, fresh, overwrite, watch, tell=tell or (lambda _: None))
    tracked = open_tracker(made.record.tracker, made.id)
    try:
        return coordinator.coordinate(made, how, tracked)
    finally:
        tracked.close()
        if watch is not None:
            watch(tracked.view())  # closing has asked the server once more whether it is there
        if made.table is not None:
            made.table.close()


def runs(*, workspace: str | None = None) -> list[Status]:
    """Return how all runs of the workspace stand, the latest first."""
    place = workspace_at(workspace)
    return [standing_of(place, one) for one in standing.all_runs(place)]


def status(run_id: str | None = None, *, workspace: str | None = None) -> Status:
    """Return how a run stands; by default the latest.

    Raises:
        StateError: There is no such run.
    """
    if run_id is not None:
        place = workspace_at(workspace)
        return standing_of(place, standing.status_of(place, run_id))
    all_runs = runs(workspace=workspace)
    if not all_runs:
        raise StateError("the workspace has no runs", hint="start one: rowmill run JOB INPUT")
    return all_runs[0]


def rebuild_tracker(run_id: str, *, workspace: str | None = None, tracker: str | None = None) -> Status:
    """Write into a run's tracker what the workspace says of it; return how the run stands.

    Args:
        run_id: Which run.
        workspace: Where its objects are.
        tracker: The server's address, if not the one that the run was started with.
    """
    return standing.rebuild_tracker(workspace_at(workspace), run_id, tracker or "")


def verify(
    run_id: str | None = None,
    *,
    workspace: str | None = None,
    job: str = "",
    digests: bool = False,
    table: bool = False,
    replay: bool = False,
) -> Verification:
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
    place = workspace_at(workspace)
    data = place.get(f"{wire.run_dir(run_id)}/{wire.RUN}")
    if data is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    made = open_run(place, run_id, job_ref=job) if needs_job else None
    from rowmill.steps.verify import verify as checked

    return checked(place, run_id, made, digests=digests or not needs_job, table=table, replay=replay)


def clean(
    *, workspace: str | None = None, run_id: str | None = None, keep: int = 0, dry_run: bool = False
) -> list[str]:
    """Remove runs from the workspace: one, or all that have ended well but the latest `keep`; return their ids.

    Outputs and tables stay. A run that is under way is never removed.
    """
    place = workspace_at(workspace)
    chosen = [one for one in runs(workspace=workspace) if one.state == "succeeded"][keep:]
    if run_id is not None:
        chosen = [status(run_id, workspace=workspace)]
    for one in chosen:
        if one.state == "running":
            raise StateError(f"the run {one.run_id} is under way", hint="wait for it, or stop it")
        if not dry_run:
            place.delete(wire.run_dir(one.run_id))
    return [one.run_id for one in chosen]


def generate(rows: int, file: str, *, seed: int = 0, overwrite: bool = False) -> Generated:
    """Write a CSV file of made-up orders, whole or not at all; row i is a pure function of the seed and i.

    Raises:
        ConfigurationError: The number of rows is none, or the place cannot be written.
        StateError: There is such a file, and it is not to be replaced.
    """
    from rowmill.runners.generating import orders_file

    return orders_file(rows, absolute(file), seed=seed, overwrite=overwrite)
