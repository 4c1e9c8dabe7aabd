"""How runs stand, told from the workspace alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, StateError
from rowmill.model import codec
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.storage.ahead import in_order
from rowmill.tracker import View, read_view, rebuild

if TYPE_CHECKING:
    from rowmill.storage import Storage

READ_AT_ONCE = 16


class Status(msgspec.Struct, frozen=True):
    """How a run stands.

    Attributes:
        state: `succeeded`, `running`, `interrupted`.
        rows: All rows; 0 before they are counted.
        rows_done: Rows of partitions that have a receipt; of those under way too while it is running.
        ended: When it ended well.
        source: Who told how far it is: `workspace` or `tracker`.
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
    execution: str | None = None
    execution_state: str | None = None
    schema: str = "rowmill.status/1"


def all_runs(place: Storage) -> list[Status]:
    """Return how all runs of a workspace stand, the latest first."""
    ids = {name.split("/")[1] for name in place.list(wire.RUNS) if name.endswith(f"/{wire.RUN}")}
    return sorted((status_of(place, run_id) for run_id in ids), key=lambda one: (one.started, one.run_id), reverse=True)


def status_of(place: Storage, run_id: str) -> Status:
    """Return how a run stands.

    Raises:
        StateError: There is no such run.
    """
    load = partial(_loaded, place, run_id)
    record = load(wire.RUN, RunRecord)
    if record is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    manifest, report = load(wire.MANIFEST, Manifest), load(wire.REPORT, Report)
    names = list(place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"))
    read = in_order(place.get, names, READ_AT_ONCE)
    receipts = [codec.decode(data, Receipt, name=name) for name, data in zip(names, read, strict=True) if data]
    running = report is None and place.claimed(f"{wire.run_dir(run_id)}/{wire.CLAIM}")
    shown = read_view(record.tracker, run_id) if running and record.tracker else None
    view: View | None = shown or (load(wire.PROGRESS, View) if running else None)
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
        source="workspace" if shown is None else "tracker",
    )


def _loaded(place: Storage, run_id: str, name: str, kind: type[Any]) -> Any:
    data = place.get(f"{wire.run_dir(run_id)}/{name}")
    return None if data is None else codec.decode(data, kind, name=name)


def rebuild_tracker(place: Storage, run_id: str, url: str) -> Status:
    """Write into a tracker what the workspace says of a run; return how it stands.

    Raises:
        StateError: There is no such run, or it has no manifest yet.
        ConfigurationError: The run has no tracker, and none is given.
    """
    status = status_of(place, run_id)
    record: RunRecord = _loaded(place, run_id, wire.RUN, RunRecord)
    manifest: Manifest | None = _loaded(place, run_id, wire.MANIFEST, Manifest)
    address = url or record.tracker
    if not address:
        raise ConfigurationError(f"the run {run_id} has no tracker", hint="give --tracker URL")
    if manifest is None:
        raise StateError(f"the run {run_id} has no manifest yet", hint="give its command again", run_id=run_id)
    done = {int(name.rpartition("/")[2][:5]) for name in place.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}")}
    todo = [
        wire.location(record.input, part.index, part.start, part.end)
        for part in manifest.partitions
        if part.index not in done
    ]
    view = View("process", status.rows, status.rows_done, status.partitions, status.partitions_done, status.rejected)
    rebuild(address, run_id, view, todo)
    return status
