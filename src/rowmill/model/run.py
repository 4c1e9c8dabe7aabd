"""What a run is asked to do: written once, when it is first started."""

from __future__ import annotations

from typing import Any

import msgspec

from rowmill.model.report import Who  # noqa: TC001 - msgspec reads annotations at run time

SCHEMA = "rowmill.run/1"


class RunRecord(msgspec.Struct, frozen=True):
    """A run's identity and its options.

    Attributes:
        job: The job's name.
        job_ref: Where its code is: `path/to/file.py:name` or `package.module:name`.
        input: URL of the input, or `-`.
        input_version: Version of the input; for `-` its digest.
        output: URL of the output.
        table: URL of the table's database, without credentials, or empty.
        params: The user's parameters.
        reads, writes: The formats, as `formats.described` writes them down: files are verified without the job's code.
        output_format: How results are written, as text that changes when the format does.
        rows_per_partition: What was asked for; None = by size.
        workers: How many partitions at once, as far as partition sizes depend on it.
        rejects: The budget, as asked for.
        started: ISO 8601, UTC; what `ctx.now` says.
        create_table: A table that is not there is made.
        write_rate: Write units a second over all workers, or None.
        tracker: URL of the tracker, without credentials, or empty.
        sensitive: Columns that no view may show.
    """

    run_id: str
    job: str
    job_ref: str
    input: str
    input_version: str
    output: str
    table: str
    params: dict[str, str]
    reads: dict[str, Any]
    writes: dict[str, Any]
    output_format: str
    rows_per_partition: int | None
    workers: int
    rejects: str
    started: str
    who: Who
    create_table: bool = False
    write_rate: int | None = None
    tracker: str = ""
    sensitive: tuple[str, ...] = ()
    schema: str = SCHEMA
