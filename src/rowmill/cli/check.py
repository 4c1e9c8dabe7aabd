"""`rowmill check`: whether a run could do its work from here, tried before there is one."""

from __future__ import annotations

from typing import Any

from rowmill.cli import declaring as declared
from rowmill.cli import ending, layout, telling


@declared.command(
    "rowmill check orders.py sales.csv",
    "Try what a run needs: the job, its input, workspace, table and tracker. Nothing is left behind. "
    "What does not do ends the command as it would end the run.",
)
@declared.job
@declared.input_
@declared.request_options
@declared.on
@declared.state_machine
@declared.kubernetes_options
@declared.as_json
def check(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Check, and tell what was found."""
    from rowmill import api

    declared.refuse_keep_and_fresh(chosen)
    with telling.users_code():
        places = api.check(job, input, **chosen, tell=telling.note)
    ending.step("check", places=places)
    if as_json:
        telling.answer_json({"schema": "rowmill.check/1", "places": places})
    else:
        telling.answer(layout.columns(("place", "url", "found"), ((one.place, one.url, one.found) for one in places)))
