"""`rowmill split`: the first step alone, as pods call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.cli import declaring as declared
from rowmill.cli import ending, layout, telling

if TYPE_CHECKING:
    from rowmill.runners.sharing import Begun, Duplicate


@declared.command(
    "rowmill split orders.py sales.csv --json",
    "Take the first step: find the partitions and publish their list. "
    "Safe to repeat: a list that is there is used as it is.",
)
@declared.job
@declared.input_
@declared.request_options
@declared.execution
@declared.as_json
def split(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Split, and tell the run's id."""
    from rowmill import api
    from rowmill.runners.sharing import Duplicate

    declared.refuse_keep_and_fresh(chosen)
    with telling.users_code():
        begun = api.split(job, input, **chosen, tell=telling.note)
    if isinstance(begun, Duplicate):
        ending.duplicate("split", *begun)
        answer_duplicate(begun, as_json=as_json)
        return
    manifest, left = begun.manifest, len(begun.unfinished)
    partitions = len(manifest.partitions)
    facts = {"run_id": manifest.run_id, "rows": manifest.rows, "partitions": partitions}
    found = {"unfinished": left, "next_attempt": begun.next_attempt, "finished": begun.report is not None}
    ended = {} if begun.report is None else ending.facts_of(begun.report)
    pods = {"pods": pods_for(begun, chosen["workers"])}
    ending.step("split", **{**facts, **found, **pods, "bytes": manifest.input.bytes, **ended})
    if as_json:
        telling.answer_json({"schema": "rowmill.split/1", **facts, **found, "input": manifest.input})
    else:
        telling.answer(
            f"{manifest.rows:,} rows in {layout.some(partitions, 'partition')}; next: rowmill process {manifest.run_id}"
        )


def answer_duplicate(begun: Duplicate, *, as_json: bool) -> None:
    """Tell that another execution has the run."""
    if as_json:
        telling.answer_json({"schema": "rowmill.split/1", "run_id": begun.run_id, "duplicate_of": begun.of})
    else:
        telling.answer(f"run {begun.run_id} has another execution: {begun.of or 'it has ended well'}")


def pods_for(begun: Begun, given: int | None) -> int:
    """Return into how many pods what is left is shared, where so many work at once."""
    from rowmill import settings
    from rowmill.kubejobs.sharing import ROWS_PER_S, completions

    workers = settings.resolve({"workers": given})["workers"].value
    manifest, left = begun.manifest, len(begun.unfinished)
    rows = manifest.rows * left // max(1, len(manifest.partitions))
    return completions(partitions=left, rows=rows, rows_per_s=ROWS_PER_S, workers=workers)
