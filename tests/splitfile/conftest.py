"""A run of twelve rows in four partitions, with its workspace in a folder or on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.storage.s3_server import s3, s3_endpoint
from tests.tracker.test_valkey import server

from rowmill import api

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["s3", "s3_endpoint", "server"]  # fixtures
JOB = """
from rowmill import Csv, Job

job = Job("echo", reads=Csv(), writes=Csv(header=False), rows_per_partition=3)


@job.process
def echo(row):
    return row
"""


class Made(NamedTuple):
    """A run that is split."""

    run_id: str
    workspace: str
    input: str

    def done(self, *partitions: int) -> None:
        """Let partitions have their receipts."""
        api.process(self.run_id, list(partitions), workspace=self.workspace)


@pytest.fixture(params=["folder", "s3"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    workspace = str(tmp_path / "work")
    if request.param == "s3":
        workspace = f"{request.getfixturevalue('s3').url}/some/where"
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(12)))
    monkeypatch.setenv("ROWMILL_WORKSPACE", workspace)
    begun = api.split(str(tmp_path / "job.py"), str(tmp_path / "in.csv"), workspace=workspace)
    return Made(begun.manifest.run_id, workspace, str(tmp_path / "in.csv"))
