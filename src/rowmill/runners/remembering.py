"""What earlier runs did, and what was changed behind their back: told before a run begins, never passed over."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import StateError
from rowmill.model import identity
from rowmill.model.report import Report
from rowmill.runners import attempts
from rowmill.steps.generations import repairs_of
from rowmill.storage import place_of
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.steps import Run

THERE, GONE, CHANGED = "there", "gone", "changed"
READ_AT_ONCE = 16
READ_BYTES = 1024 * 1024


def look_back(run: Run, tell: Callable[[str], None], *, overwrite: bool) -> None:
    """Tell what is no longer as the run left it, and what was done after it; called before anything is written.

    Args:
        run: The run.
        tell: Takes what is worth knowing and no reason to stop.
        overwrite: An output that somebody changed may be replaced.

    Raises:
        StateError: The input is older than the one that was done last, another run has replaced the output since,
            somebody has changed it, or the table has lost repaired rows, which nobody could do again.
    """
    report = run.load(run.name(wire.REPORT), Report)
    if report is None:
        if not attempts.newest_number(run.workspace, run.id):  # one that has begun was allowed to
            _refuse_older(run)
        return
    found = published(run, report)
    if found == CHANGED and report.generation == len(repairs_of(run)):  # else a repair was cut off
        _refuse_changed(run, report, overwrite=overwrite)
    had = f"the run had ended well on {report.end}"
    if run.table is not None and run.table.settled() is None:
        if report.amendments:
            raise StateError(
                f"{had}, with repairs or waivers ({len(report.amendments)}), and its rows are gone from the table",
                hint="put the table back and give the same command again, or give --fresh: then all rows are done "
                "anew, and what was repaired and waived is forgotten",
                run_id=run.id,
                url=run.table.url,
            )
        tell(f"{had}, and its rows are gone from the table in {run.table.url}: all rows are done again")
    if found == GONE:
        tell(f"{had}, and its output is gone: {report.output.url} is published again")


def published(run: Run, report: Report) -> str:
    """Return whether the output is as it was published: `there`, `gone` or `changed`.

    Cost: an output that was only touched, or copied, is read once.
    """
    folder, name = place_of(run.record.output)
    storage = run.open_storage(folder)
    found = storage.stat(name)
    if found is None:
        return GONE
    if found.bytes != report.output.bytes:
        return CHANGED
    if report.output.version in ("", found.version) or report.output_sha256 is None:
        return THERE
    digest = hashlib.sha256()
    with storage.open(name) as reader:
        for at in range(0, found.bytes, READ_BYTES):
            digest.update(reader.read(at, min(at + READ_BYTES, found.bytes)))
    return THERE if digest.hexdigest() == report.output_sha256 else CHANGED


def _refuse_changed(run: Run, report: Report, *, overwrite: bool) -> None:
    later = [one for one in others(run) if one.output.url == report.output.url and one.end >= report.end]
    if later:
        raise StateError(
            f"the run had ended well on {report.end}; run {later[-1].run_id}, of another version of its input or with "
            f"other parameters, has replaced its output on {later[-1].end}",
            hint="nothing was written; give --fresh to do this one again, over the other's output and table rows",
            run_id=run.id,
        )
    if not overwrite:
        raise StateError(
            f"somebody has changed the output since the run ended well on {report.end}",
            hint="move it away if it is wanted, or give --overwrite: it is published again as it was",
            run_id=run.id,
            url=report.output.url,
        )


def _refuse_older(run: Run) -> None:
    """Refuse a file that is older than the one of the same name that was done last.

    Raises:
        StateError: It is.
    """
    record = run.record
    before = [one for one in others(run) if (one.job, one.input.url) == (record.job, record.input)]
    if before and identity.is_older(record.input_version, before[-1].input.version):
        raise StateError(
            f"the input is older than what run {before[-1].run_id} has done of the same name on {before[-1].end}",
            hint="nothing was written; check which file is meant, and give --fresh if it is this one",
            url=record.input,
        )


def others(run: Run) -> list[Report]:
    """Return the reports of all other runs of the workspace that ended well, the latest last.

    Cost: one request for each run, 16 at a time; what runs have besides is not listed.
    """
    names = (f"{wire.run_dir(run_id)}/{wire.REPORT}" for run_id in run.workspace.folders(wire.RUNS) if run_id != run.id)
    found = in_order(lambda name: run.load(name, Report), list(names), READ_AT_ONCE)
    return sorted((one for one in found if one is not None), key=lambda one: one.end)
