"""How an input would be shared out, as `plan` and `run --dry-run` show it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.kubejobs import Shared
    from rowmill.model.capacity import Writing
    from rowmill.model.expected import Expected
    from rowmill.model.manifest import Manifest


def show(job: str, given: str, chosen: Mapping[str, Any], *, sample: bool, as_json: bool) -> None:
    """Answer with the partitions, and with what is expected of a run if a sample may be run; nothing is left behind."""
    from rowmill import api

    began = time.monotonic()
    with telling.users_code():
        manifest = api.plan(job, given, workers=chosen["workers"], rows_per_partition=chosen["rows_per_partition"])
        expected = _expected(job, given, manifest, chosen, time.monotonic() - began) if sample else None
        writing = api.writing(job, manifest, **{name: chosen[name] for name in ("table", "workers", "write_rate")})
        pods = api.pods(manifest, **{name: chosen[name] for name in ("on", "workers")})
    parts = manifest.partitions
    if as_json:
        facts = {"input": manifest.input, "columns": manifest.columns, "rows": manifest.rows, "partitions": parts}
        telling.answer_json(
            {"schema": "rowmill.plan/1", **facts, "expected": expected, "writing": writing, "pods": pods}
        )
        return
    head = ("partition", "rows", "first row", "first line", "bytes")
    numbers = ((part.index, part.rows, part.first_ordinal + 1, part.first_line, part.bytes) for part in parts)
    size = layout.size(manifest.input.bytes)
    telling.answer(
        f"{manifest.rows:,} rows ({size}) in {layout.some(len(parts), 'partition')}; nothing was written\n"
        + ("" if expected is None else expected_text(expected, given) + "\n")
        + ("" if writing is None else writing_text(writing) + "\n")
        + ("" if pods is None else pods_text(pods) + "\n")
        + layout.columns(head, ([f"{number:,}" for number in row] for row in numbers))
    )


def _expected(job: str, given: str, manifest: Manifest, chosen: Mapping[str, Any], split_s: float) -> Expected | None:
    """Return what is expected; None, and why, where the first rows would end the run."""
    from rowmill import api
    from rowmill.errors import RowmillError

    if not manifest.rows or chosen["on"] not in (None, "inline", "processes"):
        return None
    asked = {name: chosen[name] for name in ("table", "workers", "params")}
    try:
        return api.expected(job, given, manifest, split_s=split_s, **asked)
    except RowmillError as error:
        telling.note(f"no time is told, since a run would end among the first rows: {layout.printable(error.message)}")
        return None


def expected_text(expected: Expected, given: str) -> str:
    """Return what is expected of a run here, in words."""
    without = " without the table" if expected.table_elsewhere else ""
    told = expected.function_percent
    within = "" if told is None else f"; the function is {told} % of a worker's time"
    worker = f"each {expected.rows_per_s:,} rows/s, from {expected.sampled_rows:,} rows"
    steps = f"split {expected.split_s:g} + process {expected.process_s:g} + merge {expected.merge_s:g} s"
    needed, free = expected.disk_bytes, _free_bytes(given)
    short = "" if free is None or free > needed else f", and {layout.size(free)} are free: too little"
    left = f"output {layout.size(expected.output_bytes)}, table {layout.size(expected.table_bytes)}"
    return layout.fields(
        [
            ("time", f"about {layout.duration(round(expected.total_s))}{without}: {steps}"),
            ("speed", f"{layout.some(expected.workers, 'worker')}, {worker}"),
            *([] if without else [("bottleneck", f"{expected.bottleneck}{within}")]),
            ("rejected", f"{expected.rejected_percent:g} % of the first rows"),
            ("leaves", left),
            ("disk", f"{layout.size(needed)} while it runs{short}"),
        ]
    )


def _free_bytes(given: str) -> int | None:
    """Return the space beside an input, where the output goes; None where it is no file here."""
    try:
        return shutil.disk_usage(Path(given).absolute().parent).free
    except OSError:
        return None


def pods_text(pods: Shared) -> str:
    """Return how pods would share the partitions, in words."""
    return layout.fields(
        [
            ("pods", f"{pods.pods:,}, {pods.at_once:,} at once"),
            (
                "start-up",
                f"{pods.start_percent:g} % of the work, at {pods.start_s:g} s a pod and {pods.rows_per_s:,.0f} rows/s",
            ),
        ]
    )


def writing_text(writing: Writing) -> str:
    """Return what a DynamoDB table would take, in words."""
    slower = "the table, not the workers" if writing.bottleneck == "table" else "the workers, not the table"
    return layout.fields(
        [
            ("write units", f"{writing.write_units:,}, for items of about {layout.size(writing.item_bytes)}"),
            ("table", f"{layout.duration(writing.table_s)} at {writing.units_per_s:,} units/s ({writing.told})"),
            ("workers", f"{layout.duration(writing.workers_s)} to send them"),
            ("bottleneck", slower),
            ("price", f"{writing.price_usd:,.2f} USD ({writing.priced})"),
        ]
    )
