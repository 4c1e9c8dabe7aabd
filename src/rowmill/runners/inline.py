"""Partitions one after the other, in this process."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from rowmill.steps.calling import prepared
from rowmill.steps.process import process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.tracker import Tracker


def run_inline(run: Run, manifest: Manifest, partitions: Sequence[int], tracker: Tracker) -> None:
    """Do these partitions, in order."""
    with prepared(run.job, run.record.params) as setup:
        for index in partitions:
            process(
                run,
                manifest,
                manifest.partitions[index],
                attempt=uuid.uuid4().hex[:12],
                setup=setup,
                tell=lambda progress, index=index: tracker.rows(index, *progress),  # type: ignore[misc]
            )
            tracker.done(index)
