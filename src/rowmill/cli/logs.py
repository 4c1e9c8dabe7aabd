"""`rowmill logs`: what tries of a run wrote last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling

if TYPE_CHECKING:
    from rowmill.runners.asking import Log


@declared.command(
    "rowmill logs RUN --partition 7",
    "Show what failed tries of a run, by default the latest, left in its workspace: the error, and the last lines that "
    "they wrote. With --on kubernetes, what the pods write that the cluster still has.",
)
@declared.optional_run_id
@click.option("--partition", type=click.IntRange(min=0), metavar="N", help="Of this partition alone.")
@click.option("--on", type=click.Choice(["kubernetes"]), help="Ask the cluster.")
@declared.namespace
@declared.kube_context
@declared.workspace
@declared.as_json
def logs(run_id: str | None, *, as_json: bool, **which: Any) -> None:
    """Show them, the oldest first."""
    from rowmill import api

    found = api.logs(run_id, **which)
    if as_json:
        telling.answer_json({"schema": "rowmill.logs/1", "logs": found})
    else:
        telling.answer("\n\n".join(map(_text, found)) or "no try of it has failed: nothing is kept")


def _text(one: Log) -> str:
    where = "the run" if one.partition is None else f"partition {one.partition:,}"
    head = f"{where}, attempt {one.attempt} on {one.host}" + (f", ended {one.end}" if one.end else "")
    problem = [f"error: {telling.problem(one.error)}"] if one.error else []
    lines = [f"  {layout.printable(line)}" for line in one.text.splitlines()]
    return "\n".join([layout.printable(head), *map(layout.printable, problem), *lines])
