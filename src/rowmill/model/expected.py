"""How long a run will take and what disk it needs, from a timed sample; by numbers alone."""

from __future__ import annotations

import msgspec

from rowmill.model import policy

SAMPLE_S, ENOUGH_S = 1.0, 0.5  # a sample is about that long; a shorter one tells more of its start than of its rows
START_S = 0.3  # until worker processes have their first row
SIDE_BY_SIDE = 0.9  # of a core's speed is left to a worker where all cores work


class Sample(msgspec.Struct, frozen=True):
    """What a run of the first rows came to, in one process.

    Attributes:
        rows: How many; `written` and `rejected` of them.
        process_s: Seconds of the step.
        merge_s: Seconds of the step, without what it takes however few rows there are.
        function_s: Seconds in the job's function; None where it cannot be timed apart.
        output_bytes, table_bytes: What it left.
    """

    rows: int
    written: int
    rejected: int
    process_s: float
    merge_s: float
    function_s: float | None
    output_bytes: int
    table_bytes: int


def more_rows(asked: int, sample: Sample) -> int:
    """Return how many rows the next sample takes; 0 if this one was long enough, or had all that there are."""
    if sample.rows < asked or sample.process_s >= ENOUGH_S:
        return 0
    return int(asked * SAMPLE_S / max(sample.process_s, 1e-3))


class Expected(msgspec.Struct, frozen=True):
    """What is expected of a run on this machine.

    Attributes:
        sampled_rows: Rows that the figures stand on.
        rejected_percent: Of them.
        rows_per_s: What one worker does.
        workers: At once.
        split_s, process_s, merge_s, total_s: Seconds.
        function_percent: Of a worker's time; None where it cannot be timed apart.
        bottleneck: `function`, `reading and saving`, `split` or `merge`.
        output_bytes, table_bytes: What it will leave.
        disk_bytes: What it needs meanwhile: the results stand in the workspace until the output is whole.
        table_elsewhere: Results go into a database that the sample did not have; its time is not in here.
    """

    sampled_rows: int
    rejected_percent: float
    rows_per_s: int
    workers: int
    split_s: float
    process_s: float
    merge_s: float
    total_s: float
    function_percent: int | None
    bottleneck: str
    output_bytes: int
    table_bytes: int
    disk_bytes: int
    table_elsewhere: bool


def expected(
    sample: Sample,
    *,
    rows: int,
    split_s: float,
    workers: int,
    partitions: int,
    spooled_bytes: int,
    table_elsewhere: bool,
) -> Expected:
    """Return what a run will take, given what a sample took.

    Args:
        sample: A run of some rows of it.
        rows: All rows.
        split_s: Seconds that split took, of the whole input.
        workers: That the user wants at once.
        partitions: Of the whole input.
        spooled_bytes: Length of the copy of an input that cannot be read in place; 0 if it can.
        table_elsewhere: Whether results go into a database that the sample did not have.
    """
    scale = rows / sample.rows
    at_once = 1 if rows < policy.INLINE_BELOW_ROWS else max(1, min(workers, partitions))
    worked_s = sample.process_s * scale
    process_s = worked_s if at_once == 1 else START_S + worked_s / (at_once * SIDE_BY_SIDE)
    merge_s = sample.merge_s * scale
    share = None if sample.function_s is None else min(1.0, sample.function_s / max(sample.process_s, 1e-9))
    steps = {"split": split_s, "process": process_s, "merge": merge_s}
    longest = max(steps, key=lambda name: steps[name])
    within = "function" if share is None or share >= 0.5 else "reading and saving"  # noqa: PLR2004 - half of it
    output, table = round(sample.output_bytes * scale), round(sample.table_bytes * scale)
    return Expected(
        sampled_rows=sample.rows,
        rejected_percent=round(100 * sample.rejected / sample.rows, 2),
        rows_per_s=round(sample.rows / max(sample.process_s, 1e-9)),
        workers=at_once,
        split_s=round(split_s, 1),
        process_s=round(process_s, 1),
        merge_s=round(merge_s, 1),
        total_s=round(split_s + process_s + merge_s, 1),
        function_percent=None if share is None else round(100 * share),
        bottleneck=within if longest == "process" else longest,
        output_bytes=output,
        table_bytes=table,
        disk_bytes=2 * output + 2 * table + spooled_bytes,
        table_elsewhere=table_elsewhere,
    )
