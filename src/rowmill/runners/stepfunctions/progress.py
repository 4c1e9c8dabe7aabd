"""How far an execution is: its step by its history, rows where the client sees workspace or tracker, else no figure."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import RowmillError
from rowmill.model import codec
from rowmill.model.manifest import Manifest
from rowmill.model.run import RunRecord
from rowmill.tracker import View, read_view

if TYPE_CHECKING:
    from rowmill.storage import Storage

COUNTED_S = 3.0


class Progress:
    """What is known of an execution's run, looked at again every few seconds.

    Args:
        workspace: Where the run's objects are, if the client sees it.
    """

    def __init__(self, workspace: Storage | None) -> None:
        self._workspace = workspace
        self._manifest: Manifest | None = None
        self._tracker = ""
        self._next, self._seen = 0.0, View("")

    def view(self, step: str, run_id: str | None) -> View:
        """Return how far the run is."""
        if run_id is not None and self._workspace is not None and time.monotonic() > self._next:
            with suppress(RowmillError):  # a view is not worth a run
                self._look(self._workspace, run_id)
            self._next = time.monotonic() + COUNTED_S
        return msgspec.structs.replace(self._seen, step=step)

    def _look(self, workspace: Storage, run_id: str) -> None:
        if self._manifest is None:
            record = _loaded(workspace, run_id, wire.RUN, RunRecord)
            self._tracker = "" if record is None else record.tracker
            self._manifest = _loaded(workspace, run_id, wire.MANIFEST, Manifest)
        if self._manifest is None:
            return
        names = workspace.list(f"{wire.run_dir(run_id)}/{wire.RECEIPTS}")
        done = {int(name.rpartition("/")[2][:5]) for name in names}
        parts = self._manifest.partitions
        rows = sum(part.rows for part in parts if part.index in done)
        shown = read_view(self._tracker, run_id) if self._tracker else None
        if shown is None:
            self._tracker = ""  # it is out of reach from here, and each try would cost a second
            self._seen = View("", self._manifest.rows, rows, len(parts), len(done))
        else:
            self._seen = msgspec.structs.replace(shown, rows_done=max(rows, shown.rows_done))


def _loaded(workspace: Storage, run_id: str, name: str, kind: type[Any]) -> Any:
    data = workspace.get(f"{wire.run_dir(run_id)}/{name}")
    return None if data is None else codec.decode(data, kind, name=name)
