"""What one process does of a run that several work on: the first step, a share of the second, and what failed."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.errors import RowmillError, StateError
from rowmill.model import codec
from rowmill.model.attempt import Attempt, share_of
from rowmill.model.manifest import Manifest
from rowmill.model.report import Report
from rowmill.runners import attempts, beginning, coordinator, executing, failures, remembering
from rowmill.runners.attempts import now, who
from rowmill.runners.inline import run_inline
from rowmill.steps import merge as merging
from rowmill.steps.source import spool
from rowmill.steps.split import split
from rowmill.tracker import View, open_shared, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.model.manifest import Partition
    from rowmill.model.receipt import Receipt
    from rowmill.runners.coordinator import How
    from rowmill.steps import Run
    from rowmill.storage import Claim


CLAIM_PATIENCE_S, CLAIM_LOOK_S = 600.0, 1.0


class Begun(NamedTuple):
    """A run whose partitions are known.

    Attributes:
        manifest: The partitions.
        unfinished: Those without a receipt that holds.
        next_attempt: The number that the next try may take.
        report: Of the run, if it has ended well before.
    """

    manifest: Manifest
    unfinished: list[int]
    next_attempt: int
    report: Report | None = None


class Duplicate(NamedTuple):
    """A run that another execution has.

    Attributes:
        run_id: The run.
        of: ARN of that execution; empty where the run ended well without one.
        report: Of the run, if it has ended well.
    """

    run_id: str
    of: str
    report: Report | None = None


def begin(run: Run, how: How) -> Begun | Duplicate:
    """Take the first step: publish the manifest, or use the one that is there, and find what is left to do.

    Raises:
        StateError: As a run that is started.

    Restart: an execution that comes again goes on, and does not begin anew a second time.
    """
    if (twin := _twin(run, how)) is not None:  # found at once: the claim may be held for long
        return twin
    with claimed(run) as claim:
        if (twin := _twin(run, how)) is not None:  # or it came while the claim was waited for
            return twin
        return _begun(run._replace(check_claim=claim.check), how)


def _twin(run: Run, how: How) -> Duplicate | None:
    other = executing.twin(run, how.execution, fresh=how.fresh) if how.execution else ""
    return Duplicate(run.id, other, run.load(run.name(wire.REPORT), Report)) if other else None


def _begun(run: Run, how: How) -> Begun | Duplicate:
    owner = executing.owner(run) if how.execution else ""
    comes_again = bool(owner) and owner == how.execution
    if how.fresh and not comes_again:
        beginning.start_anew(run)
    elif not how.fresh:
        remembering.look_back(run, how.tell, overwrite=how.overwrite)
    if (not how.fresh or comes_again) and (report := coordinator.finished(run)) is not None:
        beginning.check_code_of(report, run, keep=how.keep_code)
        if how.execution and not comes_again:
            return Duplicate(run.id, owner, report)
        return Begun(manifest_of(run), [], attempts.newest_number(run.workspace, run.id) + 1, report)
    _prepare(run, how)
    if how.execution and not comes_again:  # now: a twin would wait for the claim until a large file is read
        executing.take(run, how.execution)
    manifest = _split(run, how)
    done = merging.receipts_of(run, manifest)
    unfinished = [part.index for part in manifest.partitions if part.index not in done]
    if unfinished and manifest.input.spooled and run.workspace.stat(run.name(wire.SPOOL)) is None:
        spool(run)
    _show(run, manifest, unfinished)
    return Begun(manifest, unfinished, attempts.newest_number(run.workspace, run.id) + 1)


def _prepare(run: Run, how: How) -> None:
    beginning.check_output(run, overwrite=how.overwrite or how.fresh)
    coordinator.keep_record(run)
    if run.table is not None:
        run.table.check(None)


def _split(run: Run, how: How) -> Manifest:
    with failures.kept(run):
        manifest = split(run)
    beginning.refuse_known_content(run, manifest, fresh=how.fresh)
    beginning.check_code(run, manifest, keep=how.keep_code)
    return manifest


@contextmanager
def claimed(run: Run) -> Iterator[Claim]:
    """Hold a run; in a pod, wait for whoever holds it: that is another step of the same run, and ends.

    Raises:
        StateError: Another holds it, and here nobody waits, or not that long.
    """
    patience_s = CLAIM_PATIENCE_S if os.environ.get(wire.TERMINATION_VARIABLE) else 0.0
    end = time.monotonic() + patience_s
    with ExitStack() as held:
        while True:
            try:
                claim = held.enter_context(run.workspace.claim(run.name(wire.CLAIM)))
                break
            except StateError:
                if time.monotonic() >= end:
                    raise
                time.sleep(CLAIM_LOOK_S)
        yield claim


def _show(run: Run, manifest: Manifest, unfinished: Sequence[int]) -> None:
    """Tell the tracker what there is to do; those who do it add what they have done."""
    if not run.record.tracker:
        return
    left = [manifest.partitions[index] for index in unfinished]
    done = manifest.rows - sum(part.rows for part in left)
    parts = len(manifest.partitions)
    view = View("process", manifest.rows, done, parts, parts - len(left))
    with suppress(RowmillError):  # it is a view: without it the run is the same
        rebuild(run.record.tracker, run.id, view, [location_of(run, part) for part in left])


def location_of(run: Run, part: Partition) -> str:
    """Return how the tracker names a partition."""
    return wire.location(run.record.input, part.index, part.start, part.end)


def manifest_of(run: Run) -> Manifest:
    """Return the manifest that split published.

    Raises:
        StateError: There is none yet.
    """
    manifest = run.load(run.name(wire.MANIFEST), Manifest)
    if manifest is None:
        raise StateError(f"the run {run.id} has no manifest yet", hint="give `rowmill split` first", run_id=run.id)
    return manifest


class Share(NamedTuple):
    """What one pod of an attempt does.

    Attributes:
        place: The pod's, from 0.
        of: How many pods there are.
        attempt: Number of the try.
    """

    place: int
    of: int
    attempt: int


def do_share(run: Run, share: Share, log: Callable[[], str]) -> list[Receipt]:
    """Do a pod's share of the partitions that the attempt has to do, in order; what has a receipt is not done again.

    Args:
        run: The run, open in this process.
        share: Which part of the attempt's list.
        log: Gives what the process has written lately.

    Raises:
        StateError: Another kind of coordinator has the attempt's number, or this pod has other code than the others.

    Restart: the first pod that comes publishes the list; whoever comes later uses it as it is.
    """
    manifest = manifest_of(run)
    attempt = _attempt(run, manifest, share.attempt)
    assert attempt.unfinished is not None  # noqa: S101 - _attempt looks
    mine = share_of(attempt.unfinished, share.place, share.of)
    return _done(run, manifest, mine, share.attempt, log)


def do_some(
    run: Run, manifest: Manifest, partitions: Sequence[int], *, attempt: int, log: Callable[[], str]
) -> list[Receipt]:
    """Do these partitions; of one that fails, the error and the log are kept in the workspace.

    Args:
        run: The run, open in this process.
        manifest: Of the run.
        partitions: Which.
        attempt: Number of the try; 0 = nobody counts.
        log: Gives what the process has written lately.
    """
    if attempt:
        _attempt(run, manifest, attempt)
    return _done(run, manifest, partitions, attempt, log)


def _done(
    run: Run, manifest: Manifest, partitions: Sequence[int], attempt: int, log: Callable[[], str]
) -> list[Receipt]:
    locations = {part.index: location_of(run, part) for part in manifest.partitions}
    tracker = open_shared(run.record.tracker, run.id, locations)
    try:
        with failures.kept(run, log, attempt=attempt):
            return run_inline(run, manifest, partitions, tracker)
    finally:
        tracker.close()


def _attempt(run: Run, manifest: Manifest, number: int) -> Attempt:
    name = attempts.name_of(run.id, number)
    attempt = run.load(name, Attempt)
    if attempt is None:
        there = set(run.workspace.list(run.name(wire.RECEIPTS)))
        left = (part.index for part in manifest.partitions if wire.receipt_name(run.id, part.index) not in there)
        attempt = Attempt(number, now(), who(), run.code_digest, tuple(left))
        if not run.workspace.create(name, codec.encode(attempt)):
            attempt = run.load(name, Attempt) or attempt
    if attempt.unfinished is None:
        raise StateError(
            f"attempt {number} was another coordinator's", hint="give its command again, or a higher --attempt"
        ).at(run_id=run.id)
    if attempt.code_digest != run.code_digest:
        raise StateError(
            f"pods of attempt {number} have different code",
            hint="give the image by its digest, so that it does not change under a run, and run again",
        ).at(run_id=run.id)
    return attempt
