"""A look at one run, from its workspace alone: cheap enough to be repeated while the run is live.

What never changes is read once and kept from look to look: a manifest, a receipt, a failure. A look lists the names of
receipts, and reads new ones for a moment only; what a name tells, that a partition is done, needs no reading.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill import wire
from rowmill.errors import StateError
from rowmill.formats.described import rebuilt
from rowmill.formats.masking import HIDDEN, masked_cells
from rowmill.model import codec
from rowmill.model.attempt import Attempt
from rowmill.model.failure import Failure
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt, Reject
from rowmill.model.repair import Repair, renewed
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.runners import standing
from rowmill.runners.standing import Found, Status, loaded
from rowmill.steps.generations import repairs_in
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from rowmill.storage import Storage

    T = TypeVar("T")

READ_FOR_S = 0.25  # at a look: thousands of receipts on a disk, some tens in an object store
READ_AT_ONCE, SLICE = 16, 64


class Look(NamedTuple):
    """What was seen.

    Attributes:
        version: Of the manifest that was read, empty where there is none.
        done: Partitions that have a receipt.
        receipts: Those that were read, by name.
        failures: Tries that failed, by name.
        attempts: All tries at the run, in order.
        repairs: What was laid over the receipts, in order.
    """

    status: Status
    record: RunRecord
    manifest: Manifest | None
    version: str
    report: Report | None
    done: frozenset[int]
    receipts: Mapping[str, Receipt]
    failures: Mapping[str, Failure]
    attempts: Mapping[str, Attempt]
    repairs: Sequence[Repair] = ()

    @property
    def current(self) -> dict[int, Receipt]:
        """The receipts that count, by partition: those that were read, with the repairs laid over them."""
        return renewed({one.partition: one for one in self.receipts.values()}, self.repairs)[0]


def look(place: Storage, run_id: str, before: Look | None = None, *, read_for_s: float = READ_FOR_S) -> Look:
    """Look at a run.

    Args:
        place: The workspace.
        run_id: Which run.
        before: The last look at it: what was read then is not read again.
        read_for_s: How long receipts, and how long failures, are read now; the others have their turn at the next look.

    Raises:
        StateError: There is no such run.

    Cost: on an object store, about 9 requests, one more for every 1,000 receipts, and one for each that is read.
    """
    record, report = loaded(place, run_id, wire.RUN, RunRecord), loaded(place, run_id, wire.REPORT, Report)
    if record is None:
        raise standing.no_such_run(place, run_id)
    folder = wire.run_dir(run_id)
    manifest, version = _manifest(place, f"{folder}/{wire.MANIFEST}", before)
    if before is not None and before.version != version:
        before = None  # the run was begun anew
    names = list(place.list(f"{folder}/{wire.RECEIPTS}"))
    receipts = _kept(place, names, Receipt, {} if before is None else before.receipts, read_for_s)
    tried = [name for name in place.list(f"{folder}/{wire.ATTEMPTS}") if not name.endswith(wire.ITEMS)]
    failed = list(place.list(f"{folder}/{wire.FAILURES}"))
    rejected = report.counts.rejected if report else sum(one.counts.rejected for one in receipts.values())
    return Look(
        standing.status_from(place, Found(record, manifest, report, frozenset(names), rejected)),
        record,
        manifest,
        version,
        report,
        frozenset(map(standing.partition_of, names)),
        receipts,
        _kept(place, failed, Failure, {} if before is None else before.failures, read_for_s),
        _kept(place, tried, Attempt, {} if before is None else before.attempts, read_for_s),
        repairs_in(place, run_id),
    )


def _manifest(place: Storage, name: str, before: Look | None) -> tuple[Manifest | None, str]:
    stat = place.stat(name)
    if stat is None:
        return None, ""
    if before is not None and before.version == stat.version:
        return before.manifest, stat.version
    data = place.get(name)
    return (None, "") if data is None else (codec.decode(data, Manifest, name=name), stat.version)


def _kept(
    place: Storage, names: Sequence[str], kind: type[T], known: Mapping[str, T], read_for_s: float
) -> dict[str, T]:
    """Return the values of these names: those that are known, and those that can be read in time."""
    until = time.monotonic() + read_for_s
    new = [name for name in names if name not in known]
    read: dict[str, bytes | None] = {}
    for start in range(0, len(new), SLICE):
        some = new[start : start + SLICE]
        read.update(zip(some, in_order(place.get, some, READ_AT_ONCE), strict=True))
        if time.monotonic() > until:
            break
    values = ((name, known.get(name) or _decoded(read.get(name), kind, name)) for name in names)
    return {name: value for name, value in values if value is not None}


def _decoded(data: bytes | None, kind: type[T], name: str) -> T | None:
    return None if data is None else codec.decode(data, kind, name=name)


class Refused(NamedTuple):
    """A refused row as it may be shown.

    Attributes:
        partition: In which it stands.
        reject: Where it stands and why.
        cells: Its text by column, None where it does not read as columns.
        text: Its text as it stands, where no column of the job is sensitive; else a word that says so.
    """

    partition: int
    reject: Reject
    cells: dict[str, Any] | None
    text: str


def refused(place: Storage, seen: Look, partitions: Sequence[int], *, most: int) -> list[Refused]:
    """Return the first refused rows of some partitions, sensitive columns masked.

    Args:
        place: The workspace.
        seen: The run.
        partitions: Which; those whose receipts were read count.
        most: How many rows.
    """
    found: list[Refused] = []
    current = seen.current
    for index in partitions:
        receipt = current.get(index)
        data = None if receipt is None or receipt.rejects is None else place.get(receipt.rejects.name)
        for line in (data or b"").splitlines():
            if len(found) == most:
                return found
            found.append(shown(seen, index, codec.decode(line, Reject, name=f"rejects of partition {index}")))
    return found


def shown(seen: Look, partition: int, reject: Reject) -> Refused:
    """Return a refused row without what no view may show: all of its text, where columns cannot be told apart."""
    cells = None if reject.truncated else _cells(seen, reject.raw)
    return Refused(partition, reject, cells, HIDDEN if seen.record.sensitive else reject.raw)


def _cells(seen: Look, raw: str) -> dict[str, Any] | None:
    try:
        reads = rebuilt(seen.record.reads)
    except StateError:  # a format that only the job's code knows
        return None
    columns = None if seen.manifest is None else seen.manifest.columns
    return masked_cells(reads, columns, seen.record.sensitive, raw)
