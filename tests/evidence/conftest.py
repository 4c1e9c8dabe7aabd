"""A run with all outcomes in several partitions, made once for the tests that only look at it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

import rowmill

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.model.report import Report

ROWS = 100
# Row i is filtered if i % 7 == 3, rejected if i % 10 == 5, and spans two lines if i % 4 == 0.
JOB = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job(
    "mixed", reads=Csv(), writes=Csv(), table=Table("Orders", key="id"), rows_per_partition=30, rejects="50%",
    sensitive=["card"], totals=["n"],
)


@job.process
def mixed(row: dict) -> dict:
    i = int(row["n"])
    if i % 7 == 3:
        return Skip("three of seven")
    if i % 10 == 5:
        raise Reject("ends in five")
    return {"id": row["id"], "card": row["card"], "twice": str(2 * i)}
"""


class Made(NamedTuple):
    """A folder with a run that ended well."""

    folder: Path
    report: Report

    @property
    def workspace(self) -> str:
        return str(self.folder / "w")

    @property
    def run(self) -> str:
        return self.report.run_id


def is_filtered(i: int) -> bool:
    return i % 7 == 3


def is_rejected(i: int) -> bool:
    return not is_filtered(i) and i % 10 == 5


def note_of(i: int) -> str:
    return f'"first {i}\nsecond"' if i % 4 == 0 else f"note {i}"


def lines() -> list[str]:
    return ["id,card,n,note", *(f"k{i},secret-{i},{i},{note_of(i)}" for i in range(ROWS))]


def line_of(i: int) -> int:
    return 2 + i + sum(1 for before in range(i) if before % 4 == 0)


def made(folder: Path, *, name: str = "in.csv", data: bytes | None = None, job: str = JOB, **how: object) -> Made:
    (folder / "job.py").write_text(job)
    (folder / name).write_bytes(("\n".join(lines()) + "\n").encode() if data is None else data)
    words = {"workspace": str(folder / "w"), "table": f"sqlite:///{folder}/table.db", "on": "inline", **how}
    return Made(folder, rowmill.run(f"{folder}/job.py", str(folder / name), **words))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def own(finished: Made, tmp_path: Path) -> Made:
    """A copy of it at another place, to be broken; its paths still name the first one."""
    shutil.copytree(finished.folder, tmp_path / "own")
    return Made(tmp_path / "own", finished.report)
