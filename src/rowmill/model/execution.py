"""An execution of a state machine that has taken a run over. Its number tells which came last."""

from __future__ import annotations

import msgspec

SCHEMA = "rowmill.execution/1"


class Execution(msgspec.Struct, frozen=True):
    """One execution.

    Attributes:
        execution: Its ARN.
        start: When it took the run over, ISO 8601, UTC.
    """

    execution: str
    start: str
    schema: str = SCHEMA
