from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from web_kit import SLOW, Served, a_run, ended, orders, rowmill, serving, start, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

MANY = 10_000


class Shown(NamedTuple):
    """A workspace with runs of all kinds, and its server."""

    folder: Path
    served: Served
    finished: str
    failed: str
    many: str


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("shown")
    (folder / "job.py").write_text(SLOW)
    (folder / "in.csv").write_text(orders(100))
    rowmill(folder, "run", "job.py", "in.csv", "--on", "inline", "--no-progress")
    finished = next((folder / ".rowmill" / "runs").iterdir()).name
    failed = a_run(folder, 30, range(12), failed=[12])
    many = a_run(folder, MANY, range(MANY - 400))
    with opened(folder) as served:
        yield Shown(folder, served, finished, failed, many)


@contextmanager
def opened(folder: Path, *words: str) -> Iterator[Served]:
    served = serving(folder, *words)
    try:
        yield served
    finally:
        ended(served.process)


class Live(NamedTuple):
    """A run that waits half-way for as long as there is a file."""

    folder: Path
    served: Served
    run_id: str
    process: subprocess.Popen[str]

    def let_go(self) -> None:
        (self.folder / "hold").unlink()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    (tmp_path / "job.py").write_text(SLOW)
    (tmp_path / "in.csv").write_text(orders(100))
    (tmp_path / "hold").touch()
    process = start(tmp_path, "run", "job.py", "in.csv", "--on", "inline", "--no-progress")
    runs = tmp_path / ".rowmill" / "runs"
    until(lambda: len(list(runs.glob("*/receipts/*.json"))) == 4)
    with opened(tmp_path) as served:
        yield Live(tmp_path, served, next(runs.iterdir()).name, process)
    (tmp_path / "hold").unlink(missing_ok=True)
    ended(process)
