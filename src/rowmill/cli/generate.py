"""`rowmill generate`: a file of made-up orders."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill generate 1000000 sales.csv",
    "Write a CSV file of made-up orders. The same seed gives the same rows, however many are made.",
)
@click.argument("rows", type=click.IntRange(min=0))
@click.argument("file")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another number, other orders.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@declared.as_json
def generate(rows: int, file: str, *, seed: int, overwrite: bool, as_json: bool) -> None:
    """Write them."""
    if file == "-":
        raise click.UsageError("the orders go into a file: give its path")
    from rowmill import api

    made = api.generate(rows, file, seed=seed, overwrite=overwrite)
    if as_json:
        telling.answer_json(made)
    else:
        telling.answer(f"{made.rows:,} orders in {layout.printable(made.url)} ({layout.size(made.bytes)})")
