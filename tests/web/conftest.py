from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from web_kit import SLOW, Live, Shown, a_run, ended, opened, orders, rowmill, start, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 10_000


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
