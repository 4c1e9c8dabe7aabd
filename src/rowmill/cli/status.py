"""`rowmill status`: how a run stands."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command("rowmill status", "Show how a run stands, by default the latest.")
@declared.optional_run_id
@declared.workspace
@declared.as_json
def status(run_id: str | None, *, workspace: str | None, as_json: bool) -> None:
    """Show one run."""
    from rowmill import api

    one = api.status(run_id, workspace=workspace)
    if as_json:
        telling.answer_json(one)
        return
    pace = [("rate", f"{one.rows_per_second:,} rows/s")] if one.rows_per_second is not None else []
    left = [("ETA", layout.duration(one.eta_s))] if one.eta_s is not None else []
    pairs = [
        ("job", one.job),
        ("input", one.input),
        ("output", one.output),
        ("started", one.started),
        *([("ended", one.ended)] if one.ended else []),
        ("rows", f"{one.rows_done:,} of {one.rows:,}"),
        ("partitions", f"{one.partitions_done:,} of {one.partitions:,}"),
        ("rejected", f"{one.rejected:,}"),
        *pace,
        *left,
        *([("told by", one.source)] if one.state in ("running", "in pods") else []),
        *([("failure", telling.problem(one.failure))] if one.failure else []),
        *([("next", one.next)] if one.next else []),
        *([("execution", one.execution)] if one.execution else []),
        *([("standing", one.execution_state)] if one.execution_state else []),
    ]
    telling.answer(f"run {one.run_id}: {one.state}\n{layout.fields(pairs)}")
