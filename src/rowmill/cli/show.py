"""`rowmill show`: what became of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.steps.showing import Shown

WIDEST = 48


@declared.command(
    "rowmill show RUN --line 1000",
    "Show a row of a run: what stands in the input, what became of it, who made it of which code, "
    "and where it is in output and table. The function is not called. "
    "Columns that the job declares as sensitive are masked. Rows are counted from 1, ordinals from 0.",
)
@declared.run_id
@click.option("--line", type=click.IntRange(min=1), metavar="N", help="The row that stands on this line of the input.")
@click.option("--ordinal", type=click.IntRange(min=0), metavar="N", help="The row's place in the input, from 0.")
@click.option("--key", multiple=True, metavar="K", help="The value of the table's key; one for each of its columns.")
@click.option("--input", metavar="URL", help="Where the input is now, if it was moved.")
@declared.job_option
@declared.workspace
@declared.as_json
def show(run_id: str, *, as_json: bool, **which: Any) -> None:
    """Show one row, or all that have a key."""
    from rowmill import api

    with telling.users_code():
        found = api.show(run_id, **which)
    if as_json:
        telling.answer_json({"schema": "rowmill.show/1", "rows": found})
    else:
        telling.answer("\n\n".join(map(_text, found)))


def _text(one: Shown) -> str:
    why = f": {one.reason}" if one.reason else ""
    head = f"line {one.line:,}, row {one.ordinal + 1:,}: {one.outcome}{why}"
    names = dict.fromkeys([*one.read, *(one.table or {})])
    parts = [layout.printable(head), layout.fields(_fields(one))]
    if one.table is not None:
        cells = ((name, _cell(one.read, name), _cell(one.table, name)) for name in names)
        parts.append(layout.columns(("column", "input", "table"), cells))
    elif one.read:
        parts.append(layout.columns(("column", "input"), ((name, _cell(one.read, name)) for name in names)))
    return "\n".join(parts)


def _fields(one: Shown) -> Iterator[tuple[str, str]]:
    yield "input", one.text
    if one.corrected:
        yield "repaired", one.corrected
    if one.output_text is not None:
        yield "output", one.output_text
        yield "", _output_place(one)
    yield "partition", f"{one.partition:,}"
    if one.attempt:
        yield "attempt", one.attempt
        yield "code", f"sha256 {one.code_digest}"
    if one.table_note:
        yield "table", one.table_note


def _output_place(one: Shown) -> str:
    if one.output_row is None:
        return "its row there is not known before the partitions before it are done"
    at = "" if one.output_byte is None else f", from byte {one.output_byte:,}"
    changed = "; THE OUTPUT NO LONGER HAS IT THERE" if one.output_holds is False else ""
    return f"row {one.output_row:,}{at}{changed}"


def _cell(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return ""
    text = "NULL" if values[name] is None else str(values[name])
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
