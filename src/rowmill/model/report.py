"""The report: the run's own commit, and what a user reads."""

from __future__ import annotations

import msgspec

from rowmill.model.counts import Counts  # noqa: TC001 - msgspec reads annotations at run time

SCHEMA = "rowmill.report/1"


class Who(msgspec.Struct, frozen=True):
    """Who ran it: account, host, process."""

    user: str
    host: str
    pid: int


class ReportInput(msgspec.Struct, frozen=True):
    """The input as it was."""

    url: str
    version: str
    digest: str
    bytes: int
    rows: int


class Seconds(msgspec.Struct, frozen=True):
    """Time by step, of this attempt."""

    split: float
    process: float
    merge: float
    total: float


class Part(msgspec.Struct, frozen=True):
    """One part of the output: its length and digest, in order."""

    bytes: int
    sha256: str


class Output(msgspec.Struct, frozen=True):
    """The published file.

    Attributes:
        version: What changes when somebody changes it; empty where that is not known.
    """

    url: str
    bytes: int
    rows: int
    version: str = ""


class Amendment(msgspec.Struct, frozen=True):
    """What a repair, or a waiver, did to a run after its rows were processed.

    Attributes:
        by: Who answers for it.
        at: ISO 8601, UTC.
        corrected: Rows that were done again.
        written: How many of them are in the output now.
        refused: Ordinals of those that were refused again.
        waived: Ordinals of rejects that are accepted.
        reason: Why they are.
    """

    number: int
    by: str
    who: Who
    at: str
    corrected: int
    written: int
    refused: tuple[int, ...]
    waived: tuple[int, ...]
    reason: str


class Report(msgspec.Struct, frozen=True):
    """What a run did, proved and left.

    Attributes:
        status: `succeeded`, or `held` while the output waits for rejects; a run that failed has no report.
        start, end: ISO 8601, UTC, of the attempt that finished.
        code_digests: Digests of the user's code that made the partitions; two after `--continue`.
        versions: Rowmill and Python.
        options: What was asked for.
        table: URL without credentials, or None.
        totals: Per declared column, sums by outcome, exact, as text.
        attempts: Tries of the run, this one included.
        output_digest: Length and SHA-256 of the output's parts, in order.
        output_sha256: Digest of the whole output where merge saw all bytes, else None.
        held: Rejects that await repair or waiver.
        repairs: URL of the rows by which the last repair let the output grow, None if nobody had taken one before.
        amendments: Repairs and waivers, in order.
    """

    run_id: str
    status: str
    who: Who
    start: str
    end: str
    job: str
    input: ReportInput
    code_digests: tuple[str, ...]
    versions: dict[str, str]
    options: dict[str, str]
    output: Output
    rejects: str | None
    table: str | None
    table_rows: int | None
    counts: Counts
    totals: dict[str, dict[str, str]]
    partitions: int
    attempts: int
    seconds: Seconds
    rows_per_second: int
    output_digest: tuple[Part, ...]
    output_sha256: str | None
    held: int = 0
    repairs: str | None = None
    amendments: tuple[Amendment, ...] = ()
    schema: str = SCHEMA

    @property
    def generation(self) -> int:
        """How many repairs it tells of."""
        return len(self.amendments)
