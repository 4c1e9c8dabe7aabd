"""How a run ended, where its report is out of sight: what the execution of a state machine told."""

from __future__ import annotations

import msgspec


class Ended(msgspec.Struct, frozen=True):
    """What an execution told at its end.

    Attributes:
        status: `done`, or `duplicate`: it was another's run, or one that had ended before.
        rows, written, filtered, rejected, duplicates: None where the execution did not tell them.
        report: Name of the report in the workspace.
        attempt: Tries of the run.
        execution: The execution's ARN.
        duplicate_of: ARN of the execution that has the run, if it is a duplicate of one.
    """

    run_id: str
    status: str
    execution: str
    input: str = ""
    output: str = ""
    rows: int | None = None
    written: int | None = None
    filtered: int | None = None
    rejected: int | None = None
    duplicates: int | None = None
    report: str = ""
    attempt: int | None = None
    duplicate_of: str | None = None
    schema: str = "rowmill.ended/1"
