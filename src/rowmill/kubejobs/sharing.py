"""Into how many pods the work is shared: few enough that starting them costs little, enough to keep workers busy."""

from __future__ import annotations

START_SHARE = 0.1  # of the work, at most, may go into starting pods
START_S = 2.0  # of a pod's time before its first row, where nobody has measured it


def completions(*, partitions: int, rows: int, rows_per_s: float, workers: int, start_s: float = START_S) -> int:
    """Return how many pods a process step is shared into; pod i of n takes each n-th partition, from the i-th.

    Args:
        partitions: Those that are to do; there is never a pod without one.
        rows: Rows in them.
        rows_per_s: What one pod does.
        workers: Pods at once; there are at least so many, if there are partitions for them.
        start_s: Seconds that a pod takes before its first row.
    """
    work_s = rows / rows_per_s if rows_per_s > 0 else 0.0
    borne = int(work_s * START_SHARE / start_s) if start_s > 0 else partitions
    return max(1, min(partitions, max(workers, borne)))
