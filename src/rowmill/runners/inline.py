"""Partitions one after the other, in this process."""

from __future__ import annotations

import gc
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rowmill.steps.function.preparing import preparing
from rowmill.steps.process import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.tracker import Tracker


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


def run_inline(run: Run, manifest: Manifest, partitions: Sequence[int], tracker: Tracker) -> None:
    """Do these partitions, in order."""
    with few_collections(), preparing(run.job, run.record.params) as prepared:
        for index in partitions:
            process(
                run,
                manifest,
                manifest.partitions[index],
                attempt=uuid.uuid4().hex[:12],
                prepared=prepared,
                tell=lambda progress, index=index: tracker.rows(index, *progress),  # type: ignore[misc]
            )
            tracker.done(index)
