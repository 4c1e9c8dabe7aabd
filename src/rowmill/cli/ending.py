"""How a pod's step ended, told where Kubernetes looks for it: in its termination message."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rowmill import wire

if TYPE_CHECKING:
    from rowmill.errors import RowmillError
    from rowmill.model.report import Report


def in_pod() -> bool:
    """Whether somebody reads a termination message."""
    return bool(os.environ.get(wire.TERMINATION_VARIABLE))


def step(name: str, **facts: Any) -> None:
    """Tell that a step ended well, and what came of it."""
    if in_pod():
        from rowmill.model.termination import step_message

        _write(step_message(name, facts))


def facts_of(report: Report) -> dict[str, Any]:
    """Return what is told of a run that has ended well."""
    counts = report.counts
    return {
        "run_id": report.run_id,
        "status": report.status,
        "rows": counts.read,
        "written": counts.written,
        "filtered": counts.all_filtered,
        "rejected": counts.rejected,
        "duplicates": counts.duplicates,
        "output": report.output.url,
        "bytes": report.output.bytes,
        "table_rows": report.table_rows,
        "attempt": report.attempts,
        "report": f"{wire.run_dir(report.run_id)}/{wire.REPORT}",
    }


def duplicate(name: str, run_id: str, of: str, report: Report | None) -> None:
    """Tell that another execution has the run, and what came of it if it has ended well."""
    known = {"run_id": run_id} if report is None else facts_of(report)
    step(name, **known, duplicate_of=of or str(known.get("report", "")))


def error(error: RowmillError) -> None:
    """Tell an error."""
    if in_pod():
        from rowmill.model.termination import error_message

        _write(error_message(error.as_dict()))


def stopped(exit_code: int) -> None:
    """Tell that a signal ended the step."""
    if in_pod():
        from rowmill.model.termination import error_message

        _write(
            error_message(
                {
                    "error": "Stopped",
                    "exit_code": exit_code,
                    "message": "stopped by a signal; nothing is lost",
                    "hint": "the same step goes on where this one stopped",
                }
            )
        )


def _write(message: bytes) -> None:
    with suppress(OSError), open(os.environ[wire.TERMINATION_VARIABLE], "wb") as file:  # noqa: PTH123 - no pathlib here
        file.write(message)
