"""How runs stand as Prometheus reads it: at an address, or in a file for node_exporter; pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rowmill.runners import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rowmill.runners.standing import Status
    from rowmill.tracker import View

ONE_BY_ONE = 50  # the latest runs: a name for each run that ever was would be too many
KIND = "text/plain; version=0.0.4; charset=utf-8"
UNREADABLE = "unreadable"  # a run whose objects were damaged
STATES = (
    standing.SUCCEEDED, standing.HELD, standing.RUNNING, standing.IN_PODS, standing.SPLIT, standing.FAILED,
    standing.INTERRUPTED, UNREADABLE,
)  # fmt: skip
ABOUT = {
    "rowmill_runs": "Runs of the workspace, by state.",
    "rowmill_run_rows": "Rows of the input; 0 before they are counted.",
    "rowmill_run_rows_done": "Rows that are done.",
    "rowmill_run_partitions": "Partitions of the run.",
    "rowmill_run_partitions_done": "Partitions that have a receipt.",
    "rowmill_run_rejected": "Rows that were refused.",
    "rowmill_run_rows_per_second": "Rows per second over the last seconds.",
    "rowmill_run_left_seconds": "Seconds to go at the pace of the last seconds.",
    "rowmill_run_failed": "1 if the newest attempt failed, and nothing has mended it.",
    "rowmill_run_failures": "Attempts at partitions that ended without a receipt.",
    "rowmill_run_started_timestamp_seconds": "When the run was first started.",
    "rowmill_run_ended_timestamp_seconds": "When the run ended well.",
    "rowmill_run_exit_code": "How the command ended.",
}
Sample = tuple[str, "Mapping[str, str]", int]


def exposition(samples: Iterable[Sample]) -> str:
    """Return samples as text, those of one name together."""
    by_name: dict[str, list[str]] = {}
    for name, labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        by_name.setdefault(name, []).append(f"{name}{{{shown}}} {value}\n")
    blocks = (f"# HELP {name} {ABOUT[name]}\n# TYPE {name} gauge\n{''.join(by_name[name])}" for name in by_name)
    return "".join(blocks)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def of_runs(found: Sequence[Status], *, most: int) -> str:
    """Return the metrics of a workspace: all runs counted, the latest one by one.

    Args:
        found: All runs, the latest first.
        most: How many are told one by one.
    """
    counts = [("rowmill_runs", {"state": state}, sum(one.state == state for one in found)) for state in STATES]
    return exposition([*counts, *(sample for one in found[:most] for sample in of_run(one))])


def of_run(one: Status) -> list[Sample]:
    """Return the metrics of a run."""
    labels = {"run": one.run_id, "job": one.job}
    values = {
        "rowmill_run_rows": one.rows,
        "rowmill_run_rows_done": one.rows_done,
        "rowmill_run_partitions": one.partitions,
        "rowmill_run_partitions_done": one.partitions_done,
        "rowmill_run_rejected": one.rejected,
        "rowmill_run_rows_per_second": one.rows_per_second,
        "rowmill_run_left_seconds": one.eta_s,
        "rowmill_run_failed": int(one.state == standing.FAILED),
        "rowmill_run_started_timestamp_seconds": _timestamp(one.started) if one.started else None,
        "rowmill_run_ended_timestamp_seconds": None if one.ended is None else _timestamp(one.ended),
    }
    return [(name, labels, value) for name, value in values.items() if value is not None]


def _timestamp(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def of_view(view: View, labels: Mapping[str, str], exit_code: int | None) -> str:
    """Return the metrics of a run that this process carries out.

    Args:
        view: How far it is.
        labels: What tells it from others: its id is not known from the beginning.
        exit_code: How the command ended; None while it goes on.
    """
    values = {
        "rowmill_run_rows": view.rows,
        "rowmill_run_rows_done": view.rows_done,
        "rowmill_run_partitions": view.partitions,
        "rowmill_run_partitions_done": view.partitions_done,
        "rowmill_run_rejected": view.rejected,
        "rowmill_run_failures": view.failures,
        "rowmill_run_rows_per_second": view.rows_per_second,
        "rowmill_run_left_seconds": view.eta_s,
        "rowmill_run_exit_code": exit_code,
    }
    return exposition((name, labels, value) for name, value in values.items() if value is not None)
