"""Partitions one after the other, in this process."""

from __future__ import annotations

import gc
import random
import time
import uuid
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rowmill.errors import TransientError
from rowmill.model import policy
from rowmill.steps.function.preparing import preparing
from rowmill.steps.process import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.model.manifest import Manifest
    from rowmill.model.receipt import Receipt
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.steps.results import Progress
    from rowmill.tracker import Tracker


T = TypeVar("T")
TRIES, FIRST_PAUSE_S = 3, 0.5  # of a partition, where a database or a store has gone away
YOUNG_OBJECTS = 50_000  # rows are many and short-lived: looking for cycles after every 700 objects costs a fifth


@contextmanager
def few_collections() -> Iterator[None]:
    """Let Python look for cycles less often while rows are processed."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def patiently(work: Callable[[], T], again: Callable[[], object]) -> T:
    """Do a partition's work; where a place failed that may be back soon, do it again after a pause.

    Args:
        work: Safe to repeat.
        again: Called before each repetition.

    A row's own `TransientError` has had its tries, and a place's whose budget is spent too; neither is tried here.
    """
    dice = random.Random()  # noqa: S311 - so that workers do not come back all at once
    for tries in range(TRIES - 1):
        try:
            return work()
        except TransientError as error:
            if "ordinal" in error.context or error.spent:
                raise
            again()
            time.sleep(policy.pause_s(tries, dice, base_s=FIRST_PAUSE_S))
    return work()


def run_inline(run: Run, manifest: Manifest, partitions: Sequence[int], tracker: Tracker) -> list[Receipt]:
    """Do these partitions, in order; return their receipts."""
    receipts: list[Receipt] = []
    with few_collections(), preparing(run.job, run.record.params) as prepared:
        for index in partitions:
            do = partial(
                process_new_attempt,
                run,
                manifest,
                index,
                prepared,
                lambda progress, index=index: tracker.rows(index, *progress),  # type: ignore[misc]
            )
            receipts.append(patiently(do, partial(tracker.lost, index)))
            tracker.done(index)
    return receipts


def process_new_attempt(
    run: Run, manifest: Manifest, index: int, prepared: Prepared, tell: Callable[[Progress], None]
) -> Receipt:
    """Process a partition under a name that no other try has."""
    attempt = uuid.uuid4().hex[:12]
    return process(run, manifest, manifest.partitions[index], attempt=attempt, prepared=prepared, tell=tell)
