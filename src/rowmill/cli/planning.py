"""How an input would be shared out, as `plan` and `run --dry-run` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.kubejobs import Shared
    from rowmill.model.capacity import Writing


def show(job: str, given: str, chosen: Mapping[str, Any], *, as_json: bool) -> None:
    """Answer with the partitions; nothing is written."""
    from rowmill import api

    with telling.users_code():
        manifest = api.plan(job, given, workers=chosen["workers"], rows_per_partition=chosen["rows_per_partition"])
        writing = api.writing(job, manifest, **{name: chosen[name] for name in ("table", "workers", "write_rate")})
        pods = api.pods(manifest, **{name: chosen[name] for name in ("on", "workers")})
    parts = manifest.partitions
    if as_json:
        facts = {"input": manifest.input, "columns": manifest.columns, "rows": manifest.rows, "partitions": parts}
        telling.answer_json({"schema": "rowmill.plan/1", **facts, "writing": writing, "pods": pods})
        return
    head = ("partition", "rows", "first row", "first line", "bytes")
    numbers = ((part.index, part.rows, part.first_ordinal + 1, part.first_line, part.bytes) for part in parts)
    size = layout.size(manifest.input.bytes)
    telling.answer(
        f"{manifest.rows:,} rows ({size}) in {layout.some(len(parts), 'partition')}; nothing was written\n"
        + ("" if writing is None else writing_text(writing) + "\n")
        + ("" if pods is None else pods_text(pods) + "\n")
        + layout.columns(head, ([f"{number:,}" for number in row] for row in numbers))
    )


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
