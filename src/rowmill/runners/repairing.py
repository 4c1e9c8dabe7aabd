"""Rejects after a run: listed, repaired, or accepted as they are."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, HeldError, InputError, ProcessingError, StateError
from rowmill.model import codec
from rowmill.model import repair as rules
from rowmill.model.repair import Repair
from rowmill.model.report import Report, Seconds
from rowmill.runners import attempts, coordinator, fixing, sharing
from rowmill.runners.opening import open_run, workspace_at
from rowmill.steps import generations
from rowmill.steps import merge as merging
from rowmill.steps.function.preparing import preparing
from rowmill.steps.merge import Merged
from rowmill.steps.redoing import redo
from rowmill.steps.repair import Signed, make

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rowmill.job import Job
    from rowmill.model.manifest import Manifest
    from rowmill.model.receipt import Reject
    from rowmill.model.repair import Correction
    from rowmill.steps import Run
    from rowmill.steps.generations import Generation
    from rowmill.steps.redoing import Redone
    from rowmill.tables import Stage


class StillRefused(msgspec.Struct, frozen=True):
    """A corrected row that would be refused again."""

    ordinal: int
    line: int
    reason: str


class Rehearsal(msgspec.Struct, frozen=True):
    """What a repair would come to.

    Attributes:
        corrected: Rows that the file corrects.
        refused: Those that would be refused again.
        left: Rejects that would still be held.
    """

    run_id: str
    corrected: int
    written: int
    filtered: int
    refused: tuple[StillRefused, ...]
    left: int
    schema: str = "rowmill.rehearsal/1"


class Held(NamedTuple):
    """A run whose rows were all processed, held by this process.

    Attributes:
        run: The run.
        generation: What counts of it.
    """

    run: Run
    manifest: Manifest
    generation: Generation

    def rejects(self) -> list[Reject]:
        """Return what is left of its rejects, in order."""
        parts = (self.generation.receipts[part.index] for part in self.manifest.partitions)
        return list(chain.from_iterable(generations.rejects_in(self.run.workspace, one) for one in parts))


def repair(
    run_id: str,
    fix: str,
    *,
    by: str = "",
    workspace: str | None = None,
    job: Job | str = "",
    keep_code: bool = False,
) -> Report:
    """Do corrected rows again, and put them into their own places in output and table.

    Args:
        run_id: Which run.
        fix: Path of the file that `rowmill rejects RUN --csv` wrote, corrected; lines that are taken out are left.
        by: Who answers for it; by default the account.
        workspace: Where the run is.
        job: The job, or where its code is, if not where it was run from.
        keep_code: The job's code may be other than that of the run (`--continue`).

    Raises:
        HeldError: Rejects are left; what was repaired is kept.
        InputError: The file speaks of rows that are no rejects; nothing was changed.
        ProcessingError: The function failed, or the table refuses a row; nothing was changed.
        StateError: Not all of the run's rows are processed, its code changed, or another is at it.
    """
    made = _opened(run_id, workspace, job)
    data = _read(fix)
    with _held(made) as held:
        corrections = _matched(held, data, fix)
        if not corrections:  # whoever was cut off gives the same command again
            return _finish(held.run, held.manifest)
        _check_code(held, keep=keep_code)
        signed = _signed(held, by)
        with preparing(held.run.job, held.run.record.params) as prepared:
            new = make(held.run, held.manifest, held.generation, corrections, signed, prepared)
        return _publish(held, new)


def rehearse(
    run_id: str, fix: str, *, workspace: str | None = None, job: Job | str = "", keep_code: bool = False
) -> Rehearsal:
    """Call the function on corrected rows, and tell what a repair would come to; nothing is written.

    Args:
        run_id: As for `repair`.
        fix: As for `repair`.
        workspace: As for `repair`.
        job: As for `repair`.
        keep_code: As for `repair`.
    """
    made = _opened(run_id, workspace, job)
    with _held(made) as held:
        left = held.rejects()
        corrections = _matched(held, _read(fix), fix)
        _check_code(held, keep=keep_code)
        done = _rehearsed(held, corrections)
    refused = [one for part in done for one in part.refused.values()]
    accepted = rules.waived(held.generation.repairs) - {ordinal for part in done for ordinal in part.mended}
    return Rehearsal(
        run_id,
        corrected=len(corrections),
        written=sum(part.counts.written for part in done),
        filtered=sum(part.counts.all_filtered for part in done),
        refused=tuple(StillRefused(one.ordinal, one.line, one.reason) for one in refused),
        left=len(left) - len(corrections) + len(refused) - len(accepted),
    )


def _rehearsed(held: Held, corrections: Sequence[Correction]) -> list[Redone]:
    number = len(held.generation.repairs) + 1
    table = None if held.run.table is None else held.run.table.of_repair(number)
    with (
        preparing(held.run.job, held.run.record.params) as prepared,
        nullcontext() if table is None else closing(table),
    ):
        stage: Stage | None = None if table is None else table.stage(0, "rehearsal")
        return list(redo(held.run, held.manifest, held.generation, corrections, stage, prepared).values())


def waive(
    run_id: str,
    rows: Collection[int] | None,
    *,
    reason: str,
    by: str = "",
    workspace: str | None = None,
    job: Job | str = "",
) -> Report:
    """Accept rejects as they are: they stay rejects, and hold the output no longer.

    Args:
        run_id: Which run.
        rows: Ordinals; None = all that are left.
        reason: Why; it stands in every later report.
        by: Who answers for it; by default the account.
        workspace: Where the run is.
        job: The job, or where its code is, if not where it was run from.

    Raises:
        HeldError: Other rejects are left.
        InputError: A row is not among the rejects.
        StateError: Not all of the run's rows are processed, or another is at it.
    """
    if not reason.strip():
        raise ConfigurationError("a waiver needs a reason", hint="give --reason 'as agreed with …'")
    made = _opened(run_id, workspace, job)
    with _held(made) as held:
        there = {one.ordinal for one in held.rejects()}
        wanted = there if rows is None else set(rows)
        if strangers := sorted(wanted - there):
            raise InputError(
                f"the row with the ordinal {strangers[0]} is not among the rejects; nothing was accepted",
                hint=f"`rowmill rejects {run_id}` lists them; ordinals count from 0, lines and rows from 1",
                run_id=run_id,
            )
        fresh = wanted - rules.waived(held.generation.repairs)
        if not fresh:
            return _finish(held.run, held.manifest)
        signed = _signed(held, by)
        new = Repair(signed.number, signed.by, signed.who, signed.at, waived=tuple(sorted(fresh)), reason=reason)
        return _publish(held, new)


def _opened(run_id: str, workspace: str | None, job: Job | str) -> Run:
    place = workspace_at(workspace)
    return open_run(place, run_id, job_ref=job) if isinstance(job, str) else open_run(place, run_id, job=job)


def _read(fix: str) -> bytes:
    try:
        return Path(fix).read_bytes()
    except OSError as error:
        raise InputError(f"{fix} cannot be read: {error.strerror}", hint="check the path") from None


@contextmanager
def _held(made: Run) -> Iterator[Held]:
    """Hold a run whose rows are all processed; what an earlier repair left undone is done first.

    Raises:
        StateError: Another is at it, or rows are left.
    """
    manifest = sharing.manifest_of(made)
    with sharing.claimed(made) as claim, nullcontext() if made.table is None else closing(made.table):
        run = made._replace(check_claim=claim.check)
        receipts = merging.receipts_of(run, manifest)
        left = len(manifest.partitions) - len(receipts)
        if left:
            raise StateError(
                f"{left} of {len(manifest.partitions)} partitions of the run are not processed",
                hint="give the command of the run again; then repair what it holds",
                run_id=run.id,
            )
        generation = generations.current(run, receipts)
        if _is_unpublished(run, len(generation.repairs)):
            _finish_quietly(run, manifest)
            generation = generations.current(run, receipts)
        yield Held(run, manifest, generation)


def _is_unpublished(run: Run, repairs: int) -> bool:
    reports = (run.load(run.name(name), Report) for name in (wire.REPORT, wire.HELD))
    return all(report is None or report.generation != repairs for report in reports)


def _finish_quietly(run: Run, manifest: Manifest) -> None:
    with suppress(HeldError, InputError):  # that rejects are left is what somebody came for
        _finish(run, manifest)


def _matched(held: Held, data: bytes, name: str) -> list[Correction]:
    """Return what a file corrects, without rows that are repaired, and had the same text handed in before."""
    given = generations.handed_in(held.run.workspace, held.generation.repairs)
    return fixing.corrections(data, name, held.rejects(), given)


def _check_code(held: Held, *, keep: bool) -> None:
    if not keep and {one.code_digest for one in held.generation.receipts.values()} - {held.run.code_digest}:
        raise StateError(
            "the job's code changed since the run",
            hint="give --continue to repair rows with the code as it is now: both versions are reported",
            run_id=held.run.id,
        )


def _signed(held: Held, by: str) -> Signed:
    account = attempts.who()
    return Signed(
        number=len(held.generation.repairs) + 1,
        attempt=attempts.unique_name(),
        by=by or account.user,
        who=account,
        at=attempts.now(),
    )


def _publish(held: Held, new: Repair) -> Report:
    """Commit a repair, and finish the run with it; one that the table refuses is taken back."""
    run = held.run
    run.check_claim()
    if not run.workspace.create(wire.repair_name(run.id, new.number), codec.encode(new)):
        raise StateError(f"repair {new.number} is there already", hint="give the same command again", run_id=run.id)
    return _finish(run, held.manifest)


def _finish(run: Run, manifest: Manifest) -> Report:
    """Publish what the run and its repairs come to; a repair that the table does not take is taken back.

    Raises:
        HeldError: Rejects are left.
        ProcessingError: The table refuses a row; the last repair does not count.
    """
    if (done := coordinator.finished(run)) is not None:
        return done
    begun, start = time.monotonic(), attempts.now()
    try:
        merged = merging.merge(run, manifest)
    except ProcessingError:
        repairs = generations.repairs_of(run)
        if repairs and _is_unpublished(run, len(repairs)):
            generations.set_aside_from(run, repairs, len(repairs) - 1)
        raise
    if not isinstance(merged, Merged):
        raise StateError(
            "data of the run does not hold, and was set aside",
            hint="give the command of the run again; then repair what it holds",
            run_id=run.id,
        )
    seconds = round(time.monotonic() - begun, 3)
    tries = attempts.newest_number(run.workspace, run.id)
    return coordinator.publish_report(
        run, manifest, merged, attempt=tries, start=start, seconds=Seconds(0.0, 0.0, seconds, seconds)
    )
