"""Into how many pods the work is shared: few enough that starting them costs little, enough to keep workers busy."""

from __future__ import annotations

import msgspec

ROWS_PER_S = 20_000.0  # what one pod does, where nobody has measured the job
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


class Shared(msgspec.Struct, frozen=True):
    """How the process step is shared out to pods, as far as it can be told before.

    Attributes:
        pods: How many, each with every `pods`-th partition.
        at_once: Of them.
        rows_per_s: What one pod is taken to do.
        start_s: Seconds that a pod is taken to need before its first row.
        start_percent: What starting all pods takes of the work.
    """

    pods: int
    at_once: int
    rows_per_s: float
    start_s: float
    start_percent: float


def shared(*, partitions: int, rows: int, workers: int) -> Shared:
    """Return how a run would be shared out."""
    pods = completions(partitions=partitions, rows=rows, rows_per_s=ROWS_PER_S, workers=workers)
    work_s = rows / ROWS_PER_S
    share = round(100 * pods * START_S / work_s, 1) if work_s else 0.0
    return Shared(pods, min(workers, pods), ROWS_PER_S, START_S, share)
