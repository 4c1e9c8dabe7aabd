"""How an input would be shared out, as `plan` and `run --dry-run` show it."""

from __future__ import annotations

from rowmill.cli import layout, telling


def show(job: str, given: str, workers: int | None, rows_per_partition: str | None, *, as_json: bool) -> None:
    """Answer with the partitions; nothing is written."""
    from rowmill import api

    with telling.users_code():
        manifest = api.plan(job, given, workers=workers, rows_per_partition=rows_per_partition)
    parts = manifest.partitions
    if as_json:
        facts = {"input": manifest.input, "columns": manifest.columns, "rows": manifest.rows, "partitions": parts}
        telling.answer_json({"schema": "rowmill.plan/1", **facts})
        return
    head = ("partition", "rows", "first row", "first line", "bytes")
    numbers = ((part.index, part.rows, part.first_ordinal + 1, part.first_line, part.bytes) for part in parts)
    size = layout.size(manifest.input.bytes)
    telling.answer(
        f"{manifest.rows:,} rows ({size}) in {layout.some(len(parts), 'partition')}; nothing was written\n"
        + layout.columns(head, ([f"{number:,}" for number in row] for row in numbers))
    )
