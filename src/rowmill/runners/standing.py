"""How runs stand, told from the workspace alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, RowmillError, StateError, TransientError
from rowmill.model import codec
from rowmill.model.attempt import Attempt
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.runners import attempts, failures
from rowmill.storage.ahead import in_order
from rowmill.tracker import View, read_view, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.model.failure import Failure
    from rowmill.model.manifest import Partition
    from rowmill.storage import Storage

T = TypeVar("T")

READ_AT_ONCE = 16
PAUSED = "paused"  # a view's step, while the run waits
RESUME = "it is paused; `rowmill resume` lets it go on, `rowmill cancel` stops it"
SUCCEEDED, HELD, RUNNING, IN_PODS, SPLIT, FAILED, INTERRUPTED = (
    "succeeded", "held", "running", "in pods", "split", "failed", "interrupted"
)  # fmt: skip
TRIED_AGAIN = (RowmillError.exit_code, TransientError.exit_code)  # pods that end so come again


class Status(msgspec.Struct, frozen=True):
    """How a run stands.

    Attributes:
        state: `succeeded`; `held`: its output waits for rejects; `running`: somebody holds it; `in pods`: pods began
            the newest try, and only their cluster knows whether they work; `split`: nobody has begun; `failed`;
            `interrupted`.
        rows: All rows; 0 before they are counted.
        rows_done: Rows of partitions that have a receipt; of those under way too, as far as somebody tells.
        ended: When it ended well.
        source: Who told how far it is: `workspace` or `tracker`.
        attempt: Number of the newest try; 0 before there is one.
        failure: What that one failed with, and nothing has mended, as `RowmillError.as_dict` gives it.
        next: What to do, where somebody must do something or ask elsewhere.
        execution: ARN of the state machine's execution that has the run, if one has.
        execution_state: How that stands, where it was asked.
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
    source: str = "workspace"
    attempt: int = 0
    failure: dict[str, str | int] | None = None
    next: str = ""
    execution: str | None = None
    execution_state: str | None = None
    schema: str = "rowmill.status/1"


class Known(NamedTuple):
    """What a workspace tells of a run that has not ended well.

    Attributes:
        held: Whether somebody holds it.
        partitions: None before they are known.
        done: Those that have a receipt.
        attempt: The newest try.
        failure: Of that one.
        withheld: The latest report of a run whose output waits for rejects.
    """

    held: bool
    partitions: int | None
    done: int
    attempt: Attempt | None
    failure: Failure | None
    withheld: Report | None = None


def state_of(known: Known) -> str:
    """Return how a run that has not ended well stands.

    Pods hold no claim while they process: whether they work is not told where their list is not done. What ends a
    coordinator ends its run; of pods, what is not tried again does.
    """
    in_pods = known.attempt is not None and known.attempt.unfinished is not None
    if known.held:
        return RUNNING
    if known.withheld is not None:
        return HELD
    if known.failure is not None and (not in_pods or known.failure.error["exit_code"] not in TRIED_AGAIN):
        return FAILED
    if known.attempt is None:
        return INTERRUPTED if known.partitions is None else SPLIT
    return IN_PODS if in_pods else INTERRUPTED


def _next(state: str, known: Known, run_id: str) -> str:
    """Return what to do next."""
    if state == IN_PODS:
        from rowmill.kubejobs import naming  # noqa: PLC0415 - few runs are in pods

        ask = f"ask the cluster: kubectl get jobs,pods --selector {naming.RUN}={run_id}"
        if known.done == known.partitions:
            return f"all partitions are done, and not merged yet; {ask}, or give the command of the run again"
        return f"whether pods work at it is not known here; {ask}"
    if state == HELD:
        return f"`rowmill rejects {run_id}` lists what it waits for: `rowmill repair` or `rowmill waive`"
    if state == FAILED and known.failure is not None:
        return str(known.failure.error.get("hint", ""))
    if state == SPLIT:
        return "its partitions are known, and none is begun; the command of the run goes on from here"
    return "" if state == RUNNING else "nobody is at it; the command of the run goes on from here"


class Found(NamedTuple):
    """What a workspace holds of a run.

    Attributes:
        receipts: Names of those that there are.
        rejected: Rows that are refused, as far as receipts were read.
    """

    record: RunRecord
    manifest: Manifest | None
    report: Report | None
    receipts: frozenset[str]
    rejected: int


def all_runs(place: Storage, tell: Callable[[str], Status | None] | None = None) -> list[Status]:
    """Return how all runs of a workspace stand, the latest first.

    Args:
        place: The workspace.
        tell: Tells how one stands, None where there is no run; by default all that it holds is read.
    """
    told = in_order(tell or partial(_status_if_any, place), place.folders(wire.RUNS), READ_AT_ONCE)
    there = [one for one in told if one is not None]
    return sorted(there, key=lambda one: (one.started, one.run_id), reverse=True)


def status_of(place: Storage, run_id: str) -> Status:
    """Return how a run stands.

    Raises:
        StateError: There is no such run.
    """
    status = _status_if_any(place, run_id)
    if status is None:
        raise no_such_run(place, run_id)
    return status


def ended_well(place: Storage, run_id: str) -> Status | None:
    """Return how a run stands that has ended well, whatever the number of its partitions; None for any other."""
    record, report = loaded(place, run_id, wire.RUN, RunRecord), loaded(place, run_id, wire.REPORT, Report)
    return None if record is None or report is None else _succeeded(record, report)


def no_such_run(place: Storage, run_id: str) -> StateError:
    """Return the error for a run that the workspace does not know."""
    return StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")


def _status_if_any(place: Storage, run_id: str) -> Status | None:
    if (done := ended_well(place, run_id)) is not None:
        return done
    record, manifest = loaded(place, run_id, wire.RUN, RunRecord), loaded(place, run_id, wire.MANIFEST, Manifest)
    if record is None:
        return None
    names = list(place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"))
    rejected = sum(one.counts.rejected for one in receipts_named(place, names).values())
    return status_from(place, Found(record, manifest, None, frozenset(names), rejected))


def receipts_named(place: Storage, names: Sequence[str]) -> dict[str, Receipt]:
    """Read receipts, several at once; one that is gone meanwhile is left out."""
    read = in_order(place.get, names, READ_AT_ONCE)
    return {name: codec.decode(data, Receipt, name=name) for name, data in zip(names, read, strict=True) if data}


def partition_of(name: str) -> int:
    """Return the partition that a receipt is of."""
    return int(name.rpartition("/")[2].partition(".")[0])


def status_from(place: Storage, found: Found) -> Status:
    """Return how a run stands, of which this is known."""
    record, report = found.record, found.report
    if report is not None:
        return _succeeded(record, report)
    load, rows, parts = partial(loaded, place, record.run_id), *_shape(found.manifest)
    number = attempts.newest_number(place, record.run_id)
    known = _known(place, record.run_id, number, None if found.manifest is None else len(parts), set(found.receipts))
    state = state_of(known)
    shown = read_view(record.tracker, record.run_id) if state in (RUNNING, IN_PODS) and record.tracker else None
    view: View | None = shown or (load(wire.PROGRESS, View) if state == RUNNING else None)
    done = sum(parts[index].rows for index in map(partition_of, found.receipts) if index < len(parts))
    noted = load(wire.PROGRESS, View) if state == RUNNING else None
    is_paused = noted is not None and noted.step == PAUSED
    return Status(
        run_id=record.run_id,
        job=record.job,
        state=state,
        input=record.input,
        output=record.output,
        started=record.started,
        ended=None,
        rows=rows,
        rows_done=done if view is None else max(done, view.rows_done),
        partitions=len(parts),
        partitions_done=len(found.receipts),
        rejected=found.rejected if known.withheld is None else known.withheld.counts.rejected,
        rows_per_second=view.rows_per_second if view is not None and state == RUNNING else None,
        eta_s=view.eta_s if view is not None and state == RUNNING else None,
        source="workspace" if shown is None else "tracker",
        attempt=number,
        failure=known.failure.error if known.failure is not None else None,
        next=RESUME if is_paused else _next(state, known, record.run_id),
    )


def _shape(manifest: Manifest | None) -> tuple[int, tuple[Partition, ...]]:
    return (0, ()) if manifest is None else (manifest.rows, manifest.partitions)


def _succeeded(record: RunRecord, report: Report) -> Status:
    return Status(
        run_id=record.run_id,
        job=record.job,
        state=SUCCEEDED,
        input=record.input,
        output=record.output,
        started=record.started,
        ended=report.end,
        rows=report.input.rows,
        rows_done=report.counts.read,
        partitions=report.partitions,
        partitions_done=report.partitions,
        rejected=report.counts.rejected,
        rows_per_second=None,
        eta_s=None,
        attempt=report.attempts,
    )


def _known(place: Storage, run_id: str, number: int, partitions: int | None, receipts: set[str]) -> Known:
    held = place.claimed(f"{wire.run_dir(run_id)}/{wire.CLAIM}")
    attempt = loaded(place, run_id, f"{wire.ATTEMPTS}/{number:05d}.json", Attempt) if number else None
    failure = None if held else failures.newest(place, run_id, number, receipts)
    withheld = loaded(place, run_id, wire.HELD, Report)
    return Known(held, partitions, len(receipts), attempt, failure, withheld)


def loaded(place: Storage, run_id: str, name: str, kind: type[T]) -> T | None:
    """Read a value of a run; None if it is not there."""
    data = place.get(f"{wire.run_dir(run_id)}/{name}")
    return None if data is None else codec.decode(data, kind, name=name)


def rebuild_tracker(place: Storage, run_id: str, url: str) -> Status:
    """Write into a tracker what the workspace says of a run; return how it stands.

    Raises:
        StateError: There is no such run, or it has no manifest yet.
        ConfigurationError: The run has no tracker, and none is given.
    """
    status = status_of(place, run_id)
    record = loaded(place, run_id, wire.RUN, RunRecord)
    manifest = loaded(place, run_id, wire.MANIFEST, Manifest)
    address = url or ("" if record is None else record.tracker)
    if not address:
        raise ConfigurationError(f"the run {run_id} has no tracker", hint="give --tracker URL")
    if record is None or manifest is None:
        raise StateError(f"the run {run_id} has no manifest yet", hint="give its command again", run_id=run_id)
    done = {partition_of(name) for name in place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}")}
    todo = [
        wire.location(record.input, part.index, part.start, part.end)
        for part in manifest.partitions
        if part.index not in done
    ]
    view = View("process", status.rows, status.rows_done, status.partitions, status.partitions_done, status.rejected)
    rebuild(address, run_id, view, todo)
    return status
