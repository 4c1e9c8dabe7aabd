"""The coordinator: takes a run from wherever it stands to its report. Dying at any point costs time only."""

from __future__ import annotations

import platform
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import HeldError, IntegrityError, RowmillError, StateError
from rowmill.model import codec, policy
from rowmill.model.attempt import Attempt
from rowmill.model.report import Amendment, Output, Part, Report, ReportInput, Seconds
from rowmill.model.run import RunRecord
from rowmill.runners import attempts, beginning, failures, remembering
from rowmill.runners.attempts import now, who
from rowmill.runners.inline import run_inline
from rowmill.runners.processes import Workers
from rowmill.runners.steering import LOOK_S, Steering, course_of
from rowmill.steps import merge as merging
from rowmill.steps.generations import repairs_of
from rowmill.steps.merge import Merged
from rowmill.steps.source import spool
from rowmill.steps.split import split
from rowmill.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.model.manifest import Manifest
    from rowmill.model.receipt import Receipt
    from rowmill.model.repair import Repair
    from rowmill.steps import Run
    from rowmill.tracker import Tracker, View


EARLY_BYTES = 8 * 1024 * 1024  # an input of this size has rows enough that workers may start before it is counted
BEAT_S = 0.25
NOTE_S = 2.0
NAMED = 10  # rows in a message
ROUNDS = 5  # of redoing what merge finds broken


class How(NamedTuple):
    """How a run is carried out; none of it changes what comes out.

    Attributes:
        on: `inline`, `processes`, or empty: by size.
        workers: Partitions at once.
        keep_code: Finished partitions stay although the code changed.
        fresh: Everything is done anew.
        overwrite: An output of another run may be replaced.
        watch: Called with the view of progress several times a second; None = nobody looks.
        execution: ARN of the state machine's execution that asks for the run.
        tell: Called with what is worth knowing before the run begins.
    """

    on: str = ""
    workers: int = 1
    keep_code: bool = False
    fresh: bool = False
    overwrite: bool = False
    watch: Callable[[View], None] | None = None
    execution: str = ""
    tell: Callable[[str], None] = lambda _: None


def coordinate(run: Run, how: How, tracker: Tracker) -> Report:
    """Take a run to its report.

    Raises:
        StateError: Another coordinator is at it, the code changed, an output is in the way, or the same content was
            done before under another name.
        RowmillError: Whatever a step fails with; the same command goes on later.
    """
    with run.workspace.claim(run.name(wire.CLAIM)) as claim:
        course = course_of(run.record, how.workers, in_processes=how.on != "inline")
        steering = Steering(run.id, run.workspace.url, course)

        def may_publish() -> None:
            claim.check()
            steering.close()

        run = run._replace(check_claim=may_publish, border=steering.border)
        if how.fresh:
            beginning.start_anew(run)
        else:
            remembering.look_back(run, how.tell, overwrite=how.overwrite)
        if not how.fresh and (done := finished(run)) is not None:
            beginning.check_code_of(done, run, keep=how.keep_code)
            return done
        beginning.check_output(run, overwrite=how.overwrite or how.fresh)
        keep_record(run)
        if run.table is not None:
            run.table.check(None)
        steering.begin(run.workspace)
        attempt = _count_attempt(run)
        with _watched(run, how, tracker, steering), failures.kept(run, attempt=attempt):
            return _carry_out(run, how, tracker, steering, attempt)


def _carry_out(run: Run, how: How, tracker: Tracker, steering: Steering, attempt: int) -> Report:
    begun, start = time.monotonic(), now()
    with ExitStack() as opened:
        ready = opened.enter_context(Workers(how.workers)) if _starts_early(run, how) else None
        manifest = split(run)
        after_split = time.monotonic()
        beginning.refuse_known_content(run, manifest, fresh=how.fresh)
        beginning.check_code(run, manifest, keep=how.keep_code)
        for _ in range(ROUNDS):
            _process(run, manifest, how, tracker, steering, ready)
            ready = None
            run.border()
            after_process = time.monotonic()
            merged = merging.merge(run, manifest)
            if isinstance(merged, Merged):
                times = seconds_between(begun, after_split, after_process, time.monotonic())
                return publish_report(run, manifest, merged, attempt=attempt, start=start, seconds=times)
    raise IntegrityError(
        f"partitions' data did not verify after {ROUNDS} tries",
        hint="check the disk under the workspace",
        run_id=run.id,
    )


def _process(
    run: Run, manifest: Manifest, how: How, tracker: Tracker, steering: Steering, ready: Workers | None
) -> None:
    """Do the partitions that have no receipt that holds."""
    receipts = merging.receipts_of(run, manifest)
    todo = [part.index for part in manifest.partitions if part.index not in receipts]
    _begin(run, tracker, manifest, receipts)
    if not todo:
        return
    if manifest.input.spooled and run.workspace.stat(run.name(wire.SPOOL)) is None:
        spool(run)
    if _in_processes(how, manifest):
        with ready or Workers(min(steering.course.workers, len(todo))) as workers:
            workers.run(run, todo, tracker, steering)
    else:
        steering.alone()
        run_inline(run, manifest, todo, tracker)


def seconds_between(begun: float, after_split: float, after_process: float, end: float) -> Seconds:
    """Return the steps' times, to the millisecond."""
    times = (after_split - begun, after_process - after_split, end - after_process, end - begun)
    return Seconds(*(round(time_s, 3) for time_s in times))


def _starts_early(run: Run, how: How) -> bool:
    if how.on == "inline" or how.workers == 1 or run.workspace.stat(run.name(wire.MANIFEST)) is not None:
        return False
    folder, name = place_of(run.record.input)
    found = None if run.record.input == "-" else run.open_storage(folder).stat(name)
    return found is not None and found.bytes >= EARLY_BYTES


def _in_processes(how: How, manifest: Manifest) -> bool:
    if how.on:
        return how.on == "processes"
    return how.workers > 1 and manifest.rows >= policy.INLINE_BELOW_ROWS and len(manifest.partitions) > 1


def _begin(run: Run, tracker: Tracker, manifest: Manifest, receipts: dict[int, Receipt]) -> None:
    done = sum(manifest.partitions[index].rows for index in receipts)
    todo = {
        part.index: wire.location(run.record.input, part.index, part.start, part.end)
        for part in manifest.partitions
        if part.index not in receipts
    }
    tracker.begin("process", rows=manifest.rows, partitions=len(manifest.partitions), rows_done=done, todo=todo)


@contextmanager
def _watched(run: Run, how: How, tracker: Tracker, steering: Steering) -> Iterator[None]:
    """Show progress to whoever looks, here and by the workspace, while the work goes on, and heed what is asked."""
    ended = threading.Event()

    def beat() -> None:
        noted = looked = time.monotonic()
        while not ended.wait(BEAT_S):
            changed = False
            with suppress(RowmillError):  # neither is worth a run: the work itself tells of a full disk
                if time.monotonic() - looked > LOOK_S:
                    looked, changed = time.monotonic(), steering.look()
                view = steering.shown(tracker.view())
                if changed or time.monotonic() - noted > NOTE_S:
                    noted = time.monotonic()
                    run.workspace.put(run.name(wire.PROGRESS), codec.encode(view))
            if how.watch is not None:
                how.watch(steering.shown(tracker.view()))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if how.watch is not None:
            how.watch(tracker.view())


def finished(run: Run) -> Report | None:
    """Return the report of a run that has ended well and whose output and table are still there."""
    report = run.load(run.name(wire.REPORT), Report)
    if report is None or report.generation != len(repairs_of(run)):  # a repair was cut off before it was published
        return None
    if remembering.published(run, report) != remembering.THERE:
        return None
    if run.table is not None and run.table.settled() is None:
        beginning.discard_table(run)
        return None
    return msgspec.structs.replace(report, status="repeated")


def keep_record(run: Run) -> None:
    """Write down what the run is asked to do; partitions found by the rules of another format are forgotten.

    Raises:
        StateError: Some of them are finished.
    """
    before = run.load(run.name(wire.RUN), RunRecord)
    if before is not None and codec.encode(before.reads) != codec.encode(run.record.reads):
        if any(run.workspace.list(run.name(wire.RECEIPTS))):
            raise StateError(
                "the input's format changed since partitions of this run were finished",
                hint="give --fresh to do all rows anew",
                run_id=run.id,
            )
        run.workspace.delete(run.name(wire.MANIFEST))
        beginning.discard_table(run)
    run.workspace.put(run.name(wire.RUN), codec.encode(run.record))


def _count_attempt(run: Run) -> int:
    number = attempts.newest_number(run.workspace, run.id) + 1
    attempt = Attempt(number, now(), who(), run.code_digest)
    run.workspace.create(attempts.name_of(run.id, number), codec.encode(attempt))
    return number


def merge_alone(run: Run, manifest: Manifest) -> Report:
    """Merge a run whose partitions were processed one by one.

    Raises:
        StateError: Some have no receipt that holds.
    """
    begun, start = time.monotonic(), now()
    with failures.kept(run):
        merged = merging.merge(run, manifest)
    if not isinstance(merged, Merged):
        first = ", ".join(map(str, merged[:10]))
        raise StateError(
            f"{len(merged)} of {len(manifest.partitions)} partitions are not processed: {first}",
            hint="process them first; those with a receipt are not done again",
            run_id=run.id,
        )
    seconds = round(time.monotonic() - begun, 3)
    attempt = attempts.newest_number(run.workspace, run.id) or _count_attempt(run)  # the one whose partitions these are
    known = run.load(attempts.name_of(run.id, attempt), Attempt)
    first = run.record.started if known is None else known.start
    before_s = max(0.0, (datetime.fromisoformat(start) - datetime.fromisoformat(first)).total_seconds())
    times = Seconds(0.0, before_s, seconds, round(before_s + seconds, 3))
    return publish_report(run, manifest, merged, attempt=attempt, start=first, seconds=times)


def publish_report(
    run: Run, manifest: Manifest, merged: Merged, *, attempt: int, start: str, seconds: Seconds
) -> Report:
    """Write the report: with it the run has ended well, or is held.

    Raises:
        HeldError: Its output is withheld.
    """
    report = _report(run, manifest, merged, attempt=attempt, start=start, seconds=seconds)
    latest = run.name(wire.HELD if merged.held else wire.REPORT)
    before = run.load(latest, Report) if merged.held else None
    if before is None or (before.counts, before.amendments) != (report.counts, report.amendments):
        number = sum(1 for _ in run.workspace.list(run.name(wire.REPORTS))) + 1
        run.workspace.create(run.name(wire.REPORTS, f"{number}.json"), codec.encode(report))
        run.workspace.put(latest, codec.encode(report))
    if merged.held:
        raise _held(run, report)
    if run.workspace.stat(run.name(wire.HELD)) is not None:
        run.workspace.delete(run.name(wire.HELD))
    run.workspace.delete(run.name(wire.SPOOL))
    return report


def _held(run: Run, report: Report) -> HeldError:
    refused = report.amendments[-1].refused if report.amendments else ()
    named = ", ".join(f"row {ordinal + 1}" for ordinal in refused[:NAMED])
    more = f" and {len(refused) - NAMED:,} more" if len(refused) > NAMED else ""
    return HeldError(
        f"{report.held:,} of {report.input.rows:,} rows were rejected, and await repair or waiver; "
        "the output is withheld" + (f"; refused again: {named}{more}" if refused else ""),
        hint=f"`rowmill rejects {run.id} --csv > fix.csv`, correct it, `rowmill repair {run.id} fix.csv`; "
        f"or accept them: `rowmill waive {run.id} --all --reason …`",
        run_id=run.id,
        url=report.rejects or "",
    )


def _report(run: Run, manifest: Manifest, merged: Merged, *, attempt: int, start: str, seconds: Seconds) -> Report:
    record = run.record
    return Report(
        run_id=run.id,
        status="held" if merged.held else "succeeded",
        who=who(),
        start=start,
        end=now(),
        job=record.job,
        input=ReportInput(
            record.input, manifest.input.version, manifest.input.digest, manifest.input.bytes, manifest.rows
        ),
        code_digests=merged.code_digests,
        versions={"rowmill": wire.VERSION, "python": platform.python_version()},
        options=_options(record),
        output=_output(run, merged),
        rejects=merged.rejects,
        table=record.table or None,
        table_rows=merged.table_rows,
        counts=merged.counts,
        totals=merged.totals,
        partitions=len(manifest.partitions),
        attempts=attempt,
        seconds=seconds,
        rows_per_second=int(manifest.rows / max(seconds.total, 0.001)),
        output_digest=tuple(Part(part.bytes, part.sha256) for part in merged.parts),
        output_sha256=merged.sha256,
        held=merged.held,
        repairs=merged.repairs_url,
        amendments=tuple(map(_amendment, merged.repairs)),
    )


def _output(run: Run, merged: Merged) -> Output:
    folder, name = place_of(run.record.output)
    found = None if merged.held else run.open_storage(folder).stat(name)
    size = sum(part.bytes for part in merged.parts)
    return Output(run.record.output, size, merged.counts.written, "" if found is None else found.version)


def _options(record: RunRecord) -> dict[str, str]:
    return {
        "workers": str(record.workers),
        "rows_per_partition": str(record.rows_per_partition or "auto"),
        "rejects": record.rejects,
        **{f"param {name}": value for name, value in record.params.items()},
    }


def _amendment(repair: Repair) -> Amendment:
    return Amendment(
        number=repair.number,
        by=repair.by,
        who=repair.who,
        at=repair.at,
        corrected=0 if repair.rows is None else repair.rows.rows,
        written=repair.written,
        refused=repair.refused,
        waived=repair.waived,
        reason=repair.reason,
    )
