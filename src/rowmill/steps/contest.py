"""Which of several rows with one key the table keeps, where some of them were repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import ProcessingError, StateError
from rowmill.formats.csv import Csv
from rowmill.steps.process import gz
from rowmill.steps.proof import naive
from rowmill.steps.weaving import written_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rowmill.job import Table
    from rowmill.model.receipt import Receipt
    from rowmill.steps import Run

Key = tuple[str, ...]


class Rank(NamedTuple):
    """A written row's place in the input: by partition, and among the rows that the partition had written before.

    Attributes:
        after: 0 for a repaired row, which comes before the row that had its place; 1 for one that was there.
        ordinal: Tells repaired rows of one place apart.
    """

    partition: int
    place: int
    after: int = 1
    ordinal: int = 0


class Entry(NamedTuple):
    """A repaired row that the table takes."""

    rank: Rank
    value: Mapping[str, Any]


class Result(NamedTuple):
    """What the table is given.

    Attributes:
        entries: Rows that win their key, in the order of the input.
        duplicates: How many more rows have lost their key to another.
    """

    entries: list[Entry]
    duplicates: int


def contest(run: Run, receipts: Sequence[Receipt], entries: Sequence[Entry]) -> Result:
    """Decide which repaired rows the table takes, beside the rows that the run has written already.

    Args:
        run: The run.
        receipts: All of them, in order.
        entries: Repaired rows, in the order of the input.

    Raises:
        ProcessingError: A key occurs twice, and the job says `fail`.
        StateError: It cannot be known, since the output does not hold the key.

    Cost: reads all that the run has written, where the table has a key.
    """
    declared = run.job.table
    if declared is None or not declared.keys or not entries:
        return Result(list(entries), 0)
    contenders: dict[Key, list[Entry]] = {}
    for entry in entries:
        contenders.setdefault(key_of(declared, entry.value), []).append(entry)
    champions = _champions(run, declared, receipts, contenders)
    won, duplicates = [], 0
    for key, group in contenders.items():
        champion = champions.get(key)
        if declared.on_duplicate == "fail" and (champion is not None or len(group) > 1):
            raise ProcessingError(
                f"a repaired row has a key of {declared.name!r} that occurs in the input already",
                hint="nothing was changed; correct the row's key",
                ordinal=group[-1].rank.ordinal,
            )
        best = group[-1] if declared.on_duplicate == "last" else group[0]
        if champion is None or _wins(declared, best.rank, champion):
            won.append(best)
        duplicates += len(group) - (champion is None)
    return Result(sorted(won, key=lambda entry: entry.rank), duplicates)


def _wins(declared: Table, challenger: Rank, champion: Rank) -> bool:
    return challenger > champion if declared.on_duplicate == "last" else challenger < champion


def key_of(declared: Table, value: Mapping[str, Any]) -> Key:
    """Return a row's key as text, as a file shows it."""
    return tuple("" if value[key] is None else str(value[key]) for key in declared.keys)


def _champions(run: Run, declared: Table, receipts: Sequence[Receipt], wanted: Mapping[Key, object]) -> dict[Key, Rank]:
    """Return the row that has each of these keys now, as far as the run wrote one."""
    columns = next((receipt.columns for receipt in receipts if receipt.columns is not None), None)
    if columns is None and not any(receipt.data.rows for receipt in receipts):
        return {}
    found: dict[Key, Rank] = {}
    for rank, row in _rows(run, columns, receipts):
        if not isinstance(row, dict) or any(key not in row for key in declared.keys):
            raise StateError(
                f"the output does not hold the key of {declared.name!r}, so that nobody knows which row of a key wins",
                hint="write the key's columns too: Csv(columns=[…]), or correct the input and run it with --fresh",
            )
        key = key_of(declared, row)
        if key in wanted and (key not in found or _wins(declared, rank, found[key])):
            found[key] = rank
    return found


def _rows(run: Run, columns: tuple[str, ...] | None, receipts: Sequence[Receipt]) -> Iterator[tuple[Rank, Any]]:
    form = run.job.writes
    if isinstance(form, Csv):
        form = msgspec.structs.replace(form, skip_first=0, names=columns, header=False)
    for receipt in receipts:
        data = written_bytes(run.workspace, receipt.data, compressed=gz(run))
        for place, given in enumerate(naive.rows(form, naive.file_of([data]))):
            yield Rank(receipt.partition, place), given.row
