"""`rowmill try`: some rows, tried with a job, before there is a run."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.runners.trying import Trial
    from rowmill.steps.trial import Tried

FAILED = 4
WIDEST = 48
LOOK_S = 0.3


@declared.command(
    "rowmill try orders.py sales.csv --from-line 1000",
    "Show what becomes of some rows: what is read, what the table and the output get. Nothing is written. "
    "The function is called twice for each row, and what it does otherwise the second time is told: "
    "a result that is not repeatable changes when a worker dies and its rows are done again.",
)
@declared.job
@declared.input_
@click.option("--rows", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="How many.")
@click.option(
    "--from-line",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Begin with the row that begins on this line of the file, or the next one.",
)
@declared.params
@click.option("--reload", is_flag=True, help="Try again whenever the job's code changes; Ctrl-C ends it.")
@declared.as_json
def try_(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    rows: int,
    from_line: int,
    params: dict[str, str],
    reload: bool,
    as_json: bool,
) -> None:
    """Try, and tell; exit 4 if the function fails."""
    if reload:
        _again_and_again(job)
        return
    from rowmill import api

    with telling.users_code():
        found = api.try_rows(job, input, rows=rows, from_line=from_line, params=params)
    if as_json:
        facts = {"columns": found.columns, "real_ids": found.real_ids, "rows": [one._asdict() for one in found.tried]}
        telling.answer_json({"schema": "rowmill.try/1", **facts})
    else:
        telling.answer("\n\n".join(map(_row_text, found.tried)))
        for text in _notes(found):
            telling.note(text)
    if any(one.outcome == "failed" for one in found.tried):
        sys.exit(FAILED)


def _row_text(one: Tried) -> str:
    """Return a row, what was read of it beside what the table gets, then the output's line."""
    head = f"line {one.line:,}, row {one.ordinal + 1:,}: {one.outcome}" + (f": {one.reason}" if one.reason else "")
    lines = [layout.printable(head)]
    if one.table is not None:
        names = dict.fromkeys([*one.read, *one.table])
        cells = ((name, _cell(one.read, name), _cell(one.table, name)) for name in names)
        lines.append(layout.columns(("column", "input", "table"), cells))
    elif one.read:
        lines.append(layout.columns(("column", "input"), ((name, _cell(one.read, name)) for name in one.read)))
    if one.output is not None:
        lines.append(f"output  {layout.printable(one.output)}")
    if one.differs:
        lines.append(f"NOT REPEATABLE: a second call gave another {', '.join(map(repr, one.differs))}")
    return "\n".join(lines)


def _cell(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return ""
    text = "NULL" if values[name] is None else str(values[name])
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _notes(found: Trial) -> Iterator[str]:
    if any(one.differs for one in found.tried):
        yield "take time, dice and ids from ctx (now, random, stable_id), which repeat; see docs/howto/first-job.md"
    if not found.real_ids:
        yield "the input is large and was not read whole: ctx.stable_id() gave other ids than a run will"


def _again_and_again(job: str) -> None:
    """Give the same command without `--reload`, and again after each change of the code."""
    from rowmill.runners.loading import code_times

    words = [sys.executable, "-m", "rowmill", *(word for word in sys.argv[1:] if word != "--reload")]
    while True:
        before = code_times(job)  # before it is read: a change meanwhile is one
        subprocess.run(words, check=False)
        telling.note("waiting for a change of the job's code; Ctrl-C ends it")
        while code_times(job) == before:
            time.sleep(LOOK_S)
        click.clear()
