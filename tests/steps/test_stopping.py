"""A run that is cancelled stops while its input is still read, and leaves nothing that counts."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from rowmill import Csv, Job, StateError, wire
from rowmill.runners.starting import Asked, start
from rowmill.steps.split import split

if TYPE_CHECKING:
    from pathlib import Path


def cancelled() -> None:
    raise StateError("cancelled")


@pytest.mark.parametrize("compressed", [False, True])
def test_split_stops_at_a_border_and_publishes_no_manifest(tmp_path: Path, *, compressed: bool) -> None:
    job = Job("stopped", reads=Csv())
    job.process(lambda row: row)
    data = b"id\n" + b"1\n" * 200_000
    (tmp_path / "in").write_bytes(gzip.compress(data, 1) if compressed else data)
    asked = Asked(job, str(tmp_path / "in"), None, None, {"workspace": str(tmp_path / "w"), "on": "inline"})
    run = start(asked).run
    with pytest.raises(StateError, match="cancelled"):
        split(run._replace(border=cancelled))
    assert run.workspace.stat(run.name(wire.MANIFEST)) is None
    assert run.workspace.stat(run.name(wire.SPOOL)) is None
    assert split(run).rows == 200_000
