"""What is kept of a try that failed, so that it can be read when its process is gone."""

from __future__ import annotations

import msgspec

SCHEMA = "rowmill.failure/1"
LOG_BYTES = 64 * 1024


class Failure(msgspec.Struct, frozen=True):
    """A failed try, of a partition or of the run.

    Attributes:
        partition: Index in the manifest; None where no partition is to blame.
        attempt: Number of the run's attempt, and a name that no other try has.
        host: Where it ran; a pod's name.
        end: ISO 8601, UTC.
        first_ordinal, rows: The partition's rows; 0 without one.
        first_line: 1-based physical line on which they start; 0 without one.
        error: As `RowmillError.as_dict` gives it.
        log: The last 64 KiB of what the pod wrote; empty where a terminal has it.
    """

    run_id: str
    partition: int | None
    attempt: str
    host: str
    end: str
    first_ordinal: int
    rows: int
    first_line: int
    error: dict[str, str | int]
    log: str
    schema: str = SCHEMA
