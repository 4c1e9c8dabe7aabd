"""How a run ended, where its report is out of sight: what the execution of a state machine told."""

from __future__ import annotations

import msgspec


class Ended(msgspec.Struct, frozen=True):
    """What an execution told at its end.

    Attributes:
        status: `done`, or `duplicate`: it was another's run, or a run that had ended before.
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
    rows: int = 0
    written: int = 0
    filtered: int = 0
    rejected: int = 0
    duplicates: int = 0
    report: str = ""
    attempt: int = 1
    duplicate_of: str | None = None
    schema: str = "rowmill.ended/1"
