"""Whether a run could do its work from here: each of its places is tried, and nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill.errors import IntegrityError
from rowmill.runners import attempts, beginning
from rowmill.steps.source import input_place
from rowmill.tracker import ping

if TYPE_CHECKING:
    from rowmill.steps import Run

FIRST_BYTES = 64 * 1024
PROBE = b"rowmill check\n"


class Place(msgspec.Struct, frozen=True):
    """A place that answered.

    Attributes:
        place: `input`, `output`, `workspace`, `table` or `tracker`.
        url: Where it is, without credentials.
        found: What was done with it.
    """

    place: str
    url: str
    found: str


def checked(run: Run, *, overwrite: bool) -> list[Place]:
    """Try every place of a run; return what was found.

    Raises:
        RowmillError: A place does not do what a run needs; the same error as the run would end with.
    """
    beginning.check_output(run, overwrite=overwrite)
    record = run.record
    places = [
        Place("input", record.input, _read_input(run)),
        Place("output", record.output, "may be written over" if overwrite else "not in the way"),
        Place("workspace", run.workspace.url, _write_workspace(run)),
    ]
    if run.table is not None:
        places.append(Place("table", run.table.url, _ask_table(run)))
    if record.tracker:
        ping(record.tracker)
        places.append(Place("tracker", record.tracker, "answers"))
    return places


def _read_input(run: Run) -> str:
    storage, name = input_place(run)
    with storage.open(name) as opened:
        read = opened.read(0, min(FIRST_BYTES, opened.stat.bytes))
        return f"{len(read):,} of {opened.stat.bytes:,} bytes read"


def _write_workspace(run: Run) -> str:
    name = f"check/{attempts.unique_name()}"
    try:
        if not run.workspace.create(name, PROBE) or run.workspace.get(name) != PROBE:
            raise IntegrityError(
                f"{run.workspace.url} does not give back what was written", hint="use another --workspace"
            )
    finally:
        run.workspace.delete(name)
    return "written, read and removed"


def _ask_table(run: Run) -> str:
    assert run.table is not None  # noqa: S101 - the caller looks
    if run.record.create_table:
        return "not asked: the run makes it where it is missing"
    run.table.check(None)
    return "takes what the job declares"
