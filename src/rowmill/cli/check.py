"""`rowmill check`: whether a run could do its work from here and all rows read well, before there is one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import ending, layout, telling

if TYPE_CHECKING:
    from rowmill.steps.scan import Scan

FOUND = 3
SHOWN = 20


@declared.command(
    "rowmill check orders.py sales.csv",
    "Try what a run needs, then look at every row without calling the function. "
    "The job, its input, workspace, table and tracker are tried, and nothing is left behind: "
    "what does not do ends the command as it would end the run. Rows that do not read, or whose key comes again, "
    "are told with their lines; exit 3 if there are any.",
)
@declared.job
@declared.input_
@declared.request_options
@declared.on
@declared.state_machine
@declared.kubernetes_options
@click.option("--places-only", is_flag=True, help="Look at no rows.")
@declared.as_json
def check(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    places_only: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Check, and tell what was found."""
    from rowmill import api

    declared.refuse_keep_and_fresh(chosen)
    with telling.users_code():
        places = api.check(job, input, **chosen, tell=telling.note)
        scan = None if places_only else api.scan(job, input, on=chosen["on"])
    ending.step("check", places=places)
    if as_json:
        telling.answer_json({"schema": "rowmill.check/1", "places": places, "rows": scan and _facts(scan)})
    else:
        telling.answer(layout.columns(("place", "url", "found"), ((one.place, one.url, one.found) for one in places)))
        if scan is not None:
            telling.answer(_text(scan))
    if scan is not None and (scan.malformed or scan.doubled):
        sys.exit(FOUND)


def _facts(scan: Scan) -> dict[str, Any]:
    return {**scan._asdict(), "findings": [one._asdict() for one in scan.findings]}


def _text(scan: Scan) -> str:
    keys = f"{scan.doubled:,} with a key that another has ({', '.join(scan.keys)})" if scan.keys else "no key looked at"
    head = f"{scan.rows:,} rows read: {scan.malformed:,} malformed, {keys}"
    shown = scan.findings[:SHOWN]
    if not shown:
        return head
    rows = ((f"{one.line:,}", f"{one.ordinal + 1:,}", one.reason) for one in shown)
    more = scan.malformed + scan.doubled - len(shown)
    rest = f"\nand {more:,} more; --json lists up to {len(scan.findings):,}" if more else ""
    return f"{head}\n{layout.columns(('line', 'row', 'reason'), rows)}{rest}"
