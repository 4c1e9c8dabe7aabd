"""What the state machine asks: which partitions are still to do, and what one of them failed with."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.splitfile.places import opened
from rowmill.splitfile.showing import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.splitfile.places import Place

INLINE, DISTRIBUTED = "inline-map", "distributed-map"
PASSING = (1, 75)  # exit codes of what may be better next time: told only where nothing else is
MOST_READ = 1_000
RUN_ID = frozenset("0123456789abcdefghijklmnopqrstuvwxyz-")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer the state machine; what it must not go on with is an answer too, `failure`, and no exception.

    Args:
        event: `run_id`, `attempt`; with `fan_out`, partitions are listed, at most `most` inline; with `ask: failure`,
            what a partition of the attempt failed with.
        context: Of the Lambda, not needed.

    Returns:
        `partitions` for an inline Map; `bucket`, `key`, `count` for a distributed one; or `failure`.
    """
    del context
    run_id = str(event["run_id"])
    if not run_id or not set(run_id) <= RUN_ID:
        return _refused("ConfigurationError", 2, "the event names no run", "give run_id as split told it")
    place = opened(os.environ[wire.WORKSPACE_VARIABLE])
    if event.get("ask") == "failure":
        return _failure(place, run_id, int(event["attempt"]))
    manifest = place.read(f"{wire.run_dir(run_id)}/{wire.MANIFEST}")
    if manifest is None:
        return _refused(
            "StateError", 5, f"the run {run_id} has no manifest", "start the execution again: split comes first"
        )
    todo = unfinished(place, run_id, manifest)
    show(run_id, manifest, todo)
    return _listed(event, place, [part["index"] for part in todo])


def unfinished(place: Place, run_id: str, manifest: Mapping[str, Any]) -> list[Any]:
    """Return the partitions without a receipt, in order."""
    folder = f"{wire.run_dir(run_id)}/{wire.RECEIPTS}"
    there = {f"{folder}/{name}" for name in place.names(folder)}
    return [part for part in manifest["partitions"] if wire.receipt_name(run_id, part["index"]) not in there]


def _listed(event: Mapping[str, Any], place: Place, todo: list[int]) -> dict[str, Any]:
    if event["fan_out"] == DISTRIBUTED:
        name = wire.items_name(event["run_id"], int(event["attempt"]))
        bucket, key = place.write(name, json.dumps(todo).encode())
        return {"bucket": bucket, "key": key, "count": len(todo)}
    most = int(event["most"])
    if len(todo) > most:
        return _refused(
            "ConfigurationError",
            2,
            f"{len(todo):,} partitions are to do, and an inline Map takes {most:,} without danger for its history",
            "deploy the machine with fan_out indexed-job or distributed-map, or with more rows_per_partition",
        )
    return {"partitions": todo}


def _failure(place: Place, run_id: str, attempt: int) -> dict[str, Any]:
    """Return the error that comes first in the input among those that pods of the attempt have kept."""
    folder = f"{wire.run_dir(run_id)}/{wire.FAILURES}"
    kept = [name for name in place.names(folder) if name.partition("-")[2].startswith(f"{attempt}-")]
    read = (place.read(f"{folder}/{name}") for name in kept[:MOST_READ])
    found: list[dict[str, Any]] = [one["error"] for one in read if one]
    if not found:
        return {}
    first = min(found, key=_place)
    return {"failure": {"step": "process", **first}}


def _place(error: Mapping[str, Any]) -> tuple[bool, int]:
    return error["exit_code"] in PASSING, int(error.get("ordinal", error.get("partition", 0)))


def _refused(kind: str, exit_code: int, message: str, hint: str) -> dict[str, Any]:
    return {"failure": {"step": "process", "error": kind, "exit_code": exit_code, "message": message, "hint": hint}}
