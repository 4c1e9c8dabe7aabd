"""How runs stand, told from the workspace alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import StateError
from rowmill.model import codec
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.tracker import View

if TYPE_CHECKING:
    from rowmill.storage import Storage


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


def all_runs(place: Storage) -> list[Status]:
    """Return how all runs of a workspace stand, the latest first."""
    ids = {name.split("/")[1] for name in place.list(wire.RUNS) if name.endswith(f"/{wire.RUN}")}
    return sorted((status_of(place, run_id) for run_id in ids), key=lambda one: (one.started, one.run_id), reverse=True)


def status_of(place: Storage, run_id: str) -> Status:
    """Return how a run stands.

    Raises:
        StateError: There is no such run.
    """

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
