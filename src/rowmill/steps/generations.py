"""Which receipts count: those of process, and the repairs that were laid over them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.errors import IntegrityError
from rowmill.model import codec
from rowmill.model import repair as rules
from rowmill.model.receipt import DataObject, Filtered, Receipt, Reject, ordinals_of
from rowmill.model.repair import Correction, Repair
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rowmill.steps import Run
    from rowmill.storage import Storage


READ_AT_ONCE = 16


class Generation(NamedTuple):
    """What counts of a run.

    Attributes:
        receipts: By partition.
        repairs: Those that were laid over them, in order.
    """

    receipts: dict[int, Receipt]
    repairs: list[Repair]


def repairs_of(run: Run) -> list[Repair]:
    """Return the run's repairs, in order."""
    return repairs_in(run.workspace, run.id)


def repairs_in(workspace: Storage, run_id: str) -> list[Repair]:
    """Return a run's repairs, in order."""
    found: list[Repair] = []
    while (data := workspace.get(name := wire.repair_name(run_id, len(found) + 1))) is not None:
        found.append(codec.decode(data, Repair, name=name))
    return found


def seen(workspace: Storage, run_id: str) -> Generation:
    """Return what counts of a run as far as it has come, without a look at what it is made of."""
    names = list(workspace.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"))
    read = zip(names, in_order(workspace.get, names, READ_AT_ONCE), strict=True)
    receipts = [codec.decode(data, Receipt, name=name) for name, data in read if data is not None]
    repairs = repairs_in(workspace, run_id)
    current, held = rules.renewed({one.partition: one for one in receipts}, repairs)
    return Generation(current, repairs[:held])


def corrected(workspace: Storage, repairs: Sequence[Repair]) -> dict[int, str]:
    """Return the texts that stand for rows of the input since they were repaired, by ordinal."""
    return {one.ordinal: one.row for one in _handed_in(workspace, repairs)}


def handed_in(workspace: Storage, repairs: Sequence[Repair]) -> dict[int, set[str]]:
    """Return all texts that were handed in for rows of the input, by ordinal."""
    found: dict[int, set[str]] = {}
    for one in _handed_in(workspace, repairs):
        found.setdefault(one.ordinal, set()).add(one.row)
    return found


def _handed_in(workspace: Storage, repairs: Sequence[Repair]) -> Iterator[Correction]:
    for repair in repairs:
        data = b"" if repair.rows is None else workspace.get(repair.rows.name) or b""
        yield from (codec.decode(line, Correction, name=f"repair {repair.number}") for line in data.splitlines())


def repairs_begun(run: Run) -> set[int]:
    """Return the numbers of the repairs that may have staged rows, whether they were committed or not."""
    names = (name.rpartition("/")[2] for name in run.workspace.list(run.name(wire.REPAIRS)))
    return {int(name[:5]) for name in names if name.endswith(f".{wire.CORRECTIONS}")}


def current(run: Run, receipts: Mapping[int, Receipt]) -> Generation:
    """Return what counts; repairs of what is there no more are set aside as evidence, so that rows wait again."""
    repairs = repairs_of(run)
    _, held = rules.renewed(receipts, repairs)
    whole = next((at for at, repair in enumerate(repairs[:held]) if not _is_there(run, repair)), held)
    set_aside_from(run, repairs, whole)
    return Generation(rules.renewed(receipts, repairs[:whole])[0], repairs[:whole])


def _is_there(run: Run, repair: Repair) -> bool:
    """Whether what a repair made is there: its objects, and the rows that it staged or settled in the table."""
    objects = [data for one in repair.partitions for data in (one.receipt.data, one.receipt.rejects)]
    if not all(has_size(run.workspace, data) for data in [*objects, repair.rows, repair.delta]):
        return False
    if run.table is None or not repair.saved:
        return True
    if _is_settled(run, repair):
        return True
    attempts = {one.receipt.partition: one.receipt.attempt for one in repair.partitions}
    with closing(run.table.of_repair(repair.number)) as table:
        staged = table.markers()
    mine = all(attempts.get(partition) == marker.attempt for partition, marker in staged.items())
    return mine and sum(marker.rows for marker in staged.values()) == repair.saved


def has_size(storage: Storage, data: DataObject | None) -> bool:
    """Whether an object is there and as long as it was."""
    if data is None:
        return True
    stat = storage.stat(data.name)
    return stat is not None and stat.bytes == data.bytes


def set_aside_from(run: Run, repairs: Sequence[Repair], first: int) -> None:
    """Set the repairs from `first` on aside, the last one first.

    Raises:
        IntegrityError: The table has the rows of one: they cannot be taken back.
    """
    for repair in repairs[first:]:
        if _is_settled(run, repair):
            raise IntegrityError(
                f"what repair {repair.number} made is gone from the workspace, and the table has its rows",
                hint="keep the workspace and report this; `rowmill run … --fresh` does all rows anew",
                run_id=run.id,
            )
    for repair in reversed(repairs[first:]):
        _set_aside(run, repair)


def _is_settled(run: Run, repair: Repair) -> bool:
    if run.table is None or not repair.saved:
        return False
    if not repair.apart:
        return run.table.settled() is not None
    with closing(run.table.of_repair(repair.number)) as table:
        return table.settled() is not None


def _set_aside(run: Run, repair: Repair) -> None:
    kept = sum(1 for _ in run.workspace.list(run.name(wire.ASIDE)))
    run.workspace.move(
        wire.repair_name(run.id, repair.number), run.name(wire.ASIDE, f"{kept:05d}-repair-{repair.number}.json")
    )


def rejects_in(workspace: Storage, receipt: Receipt) -> Iterator[Reject]:
    """Return a partition's refused rows, in order."""
    data = b"" if receipt.rejects is None else workspace.get(receipt.rejects.name) or b""
    for line in data.splitlines():
        yield codec.decode(line, Reject, name=receipt.rejects.name if receipt.rejects else "")


def filtered_in(workspace: Storage, receipt: Receipt) -> dict[str, list[int]] | None:
    """Return the ordinals of a partition's rows that were left out, by reason; None if that was not kept."""
    if receipt.filtered is None:
        return None if receipt.counts.all_filtered else {}
    data = workspace.get(receipt.filtered.name)
    if data is None:
        return None
    kept = codec.decode(data, Filtered, name=receipt.filtered.name)
    return {reason: list(ordinals_of(gaps)) for reason, gaps in kept.gaps.items()}
