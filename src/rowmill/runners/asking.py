"""What is asked of a run from outside: one row of it, what its tries wrote, how it goes on and how it ends."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

import msgspec

from rowmill import settings, wire
from rowmill.errors import ConfigurationError, HeldError, RowmillError, StateError
from rowmill.model import codec
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.runners import failures, standing
from rowmill.runners.opening import open_run, workspace_at
from rowmill.runners.sharing import manifest_of
from rowmill.runners.starting import absolute
from rowmill.tracker import View, read_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.standing import Status
    from rowmill.steps import Run
    from rowmill.steps.showing import Shown
    from rowmill.storage import Storage

LOOK_S, ASK_S = 0.25, 2.0  # how often a live run's view is read, and how a run stands that pods carry out
UNBEGUN_S = 60.0  # how long pods may take to begin what is split
LOG_LINES = 1_000


class Log(msgspec.Struct, frozen=True):
    """What a try wrote last.

    Attributes:
        partition: At which it was; None where that is not known, or none is to blame.
        attempt: Which try; of a pod that lives, its name.
        host: Where it ran.
        end: When it ended, ISO 8601; empty if it lives.
        error: What it failed with, as `RowmillError.as_dict` gives it; None if nothing is known of that.
        text: What it wrote on standard error, the last of it.
    """

    partition: int | None
    attempt: str
    host: str
    end: str
    error: dict[str, str | int] | None
    text: str


def show(
    run_id: str,
    *,
    ordinal: int | None = None,
    line: int | None = None,
    key: Sequence[str] = (),
    input: str | None = None,  # noqa: A002 - the user's word
    workspace: str | None = None,
    job: str = "",
) -> list[Shown]:
    """Return what became of a row: its text, outcome, attempt, code digest, place in the output, and table row.

    Args:
        run_id: Which run.
        ordinal: The row's place in the input, from 0.
        line: Or a line of the input on which it stands.
        key: Or the values of its key's columns; several rows may have them.
        input: Where the input is now, if it was moved.
        workspace: As for `run`.
        job: Where the job's code is, if not where the run was started: it says what is sensitive.

    Raises:
        ConfigurationError: Not one of the three is given, or the job's rows have no such key.
        InputError: There is no such row, or the input is not what the run read.
    """
    if sum((ordinal is not None, line is not None, bool(key))) != 1:
        raise ConfigurationError("which row is not said", hint="give one of --line, --ordinal, --key")
    made = open_run(workspace_at(workspace), run_id, job_ref=job)
    with closing(made.table) if made.table is not None else nullcontext():
        return _shown(made, ordinal, line, key, absolute(input) if input is not None else "")


def _shown(run: Run, ordinal: int | None, line: int | None, key: Sequence[str], moved_to: str) -> list[Shown]:
    from rowmill.steps import locating, showing  # noqa: PLC0415 - few commands show a row

    manifest = manifest_of(run)
    if ordinal is not None:
        found = [locating.by_ordinal(run, manifest, ordinal, moved_to=moved_to)]
    elif line is not None:
        found = [locating.by_line(run, manifest, line, moved_to=moved_to)]
    else:
        found = locating.by_key(run, manifest, key, moved_to=moved_to)
    return [showing.show(run, manifest, row, _failure(run, row.partition.index)) for row in found]


def _failure(run: Run, partition: int) -> RowmillError | None:
    kept = failures.all_of(run.workspace, run.id, partition)
    return RowmillError.from_dict(kept[-1].error) if kept else None


def logs(
    run_id: str | None = None,
    *,
    partition: int | None = None,
    workspace: str | None = None,
    on: str | None = None,
    namespace: str | None = None,
    kube_context: str | None = None,
) -> list[Log]:
    """Return what tries of a run wrote last: those that failed, from the workspace; or pods, from their cluster.

    Args:
        run_id: Which run; by default the latest.
        partition: Of which partition; None = all.
        workspace: As for `run`.
        on: `kubernetes` asks the cluster for the pods that it still has.
        namespace: As for `run`.
        kube_context: As for `run`.

    Raises:
        StateError: There is no such run.
    """
    known = settings.resolve({"on": on, "namespace": namespace, "kube_context": kube_context})
    place = workspace_at(workspace)
    run_id = run_id or latest(place)
    if known["on"].value == "kubernetes":
        from rowmill.runners.kubernetes.cluster import connected  # noqa: PLC0415 - an extra

        with connected(known["kube_context"].value, known["namespace"].value) as cluster:
            return pod_logs(cluster, run_id, partition)
    record_of(place, run_id)
    return [
        Log(one.partition, one.attempt, one.host, one.end, one.error, one.log)
        for one in failures.all_of(place, run_id, partition)
    ]


def pod_logs(cluster: Cluster, run_id: str, partition: int | None) -> list[Log]:
    """Return what the pods of a run have written that its cluster still has."""
    from rowmill.kubejobs import naming  # noqa: PLC0415 - few runs are in pods

    found = []
    for pod in cluster.list("Pod", labels=f"{naming.RUN}={run_id}"):
        own = pod["metadata"]["labels"].get(naming.PARTITION)
        text = cluster.log(pod["metadata"]["name"], tail_lines=LOG_LINES)
        at = None if own is None else int(own)
        if text is not None and partition in (None, at):
            node = pod["spec"].get("nodeName", "")
            found.append(Log(at, pod["metadata"]["name"], node, "", None, text))
    if not found:
        raise StateError(
            f"the cluster has no pods of the run {run_id}",
            hint="without --on kubernetes, what failed pods left in the workspace is shown",
        )
    return found


def latest(place: Storage) -> str:
    """Return the run that was started last.

    Raises:
        StateError: There is none.
    """
    found = standing.all_runs(place)
    if not found:
        raise StateError("the workspace has no runs", hint="start one: rowmill run JOB INPUT")
    return found[0].run_id


def record_of(place: Storage, run_id: str) -> RunRecord:
    """Return what a run is asked to do.

    Raises:
        StateError: There is no such run.
    """
    name = f"{wire.run_dir(run_id)}/{wire.RUN}"
    data = place.get(name)
    if data is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    return codec.decode(data, RunRecord, name=name)


def follow(
    run_id: str | None = None, *, workspace: str | None = None, watch: Callable[[View], None] | None = None
) -> Report:
    """Wait for a run that is under way elsewhere; return its report, or raise what it failed with.

    Args:
        run_id: Which run; by default the latest.
        workspace: As for `run`.
        watch: As for `run`.

    Raises:
        StateError: There is no such run, or whoever carried it out is gone and left no failure.
        RowmillError: What it failed with.
    """
    place = workspace_at(workspace)
    run_id = run_id or latest(place)
    record = record_of(place, run_id)
    unbegun = time.monotonic() + UNBEGUN_S
    while True:
        while place.claimed(f"{wire.run_dir(run_id)}/{wire.CLAIM}"):
            _show_view(place, record, watch)
            time.sleep(LOOK_S)
        status = standing.status_of(place, run_id)
        waits = status.state == standing.SPLIT and time.monotonic() < unbegun
        if status.state not in (standing.RUNNING, standing.IN_PODS) and not waits:
            return ended(place, status)
        if watch is not None and status.rows:
            view = read_view(record.tracker, run_id) if record.tracker else None
            watch(view or _view_of(status))
        time.sleep(ASK_S)


def _show_view(place: Storage, record: RunRecord, watch: Callable[[View], None] | None) -> None:
    if watch is None:
        return
    view = read_view(record.tracker, record.run_id) if record.tracker else None
    if view is None:
        name = f"{wire.run_dir(record.run_id)}/{wire.PROGRESS}"
        data = place.get(name)
        view = None if data is None else codec.decode(data, View, name=name)
    if view is not None:
        watch(view)


def _view_of(status: Status) -> View:
    return View("process", status.rows, status.rows_done, status.partitions, status.partitions_done, status.rejected)


def ended(place: Storage, status: Status) -> Report:
    """Return the report of a run that nobody is at; or raise what it failed with.

    Raises:
        RowmillError: What it failed with; StateError where nothing is kept of that.
    """
    name = f"{wire.run_dir(status.run_id)}/{wire.REPORT}"
    data = place.get(name)
    if data is not None:
        return codec.decode(data, Report, name=name)
    if status.state == standing.HELD:
        raise HeldError(
            f"{status.rejected:,} rows of the run {status.run_id} were rejected, and its output is withheld",
            hint=status.next,
            run_id=status.run_id,
        )
    if status.failure is not None:
        raise RowmillError.from_dict(status.failure)
    raise StateError(
        f"the run {status.run_id} is {status.state}: whoever carried it out is gone, and left no failure",
        hint=status.next,
        run_id=status.run_id,
    )
