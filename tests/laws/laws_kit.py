"""What the tests of the laws share: run a job on a file, and compare all that it left with the oracle."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import rowmill
from rowmill.testing import Refusal, expected

if TYPE_CHECKING:
    from pathlib import Path


def run(job, path: Path, *, output: str = "out", **options):
    """Run a job, everything beside its input, rejects borne."""
    folder = path.parent
    options = {"on": "inline", "workers": 1, "rejects": "100%", **options}
    if job.table is not None:
        options["table"] = f"sqlite:///{folder / 'table.db'}"
    return rowmill.run(job, str(path), output=str(folder / output), workspace=str(folder / "work"), **options)


def started(folder: Path, run_id: str) -> datetime:
    record = json.loads((folder / "work/runs" / run_id / "run.json").read_bytes())
    return datetime.fromisoformat(record["started"])


def output_of(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def rejects_of(output: Path) -> list[Refusal]:
    path = output.with_name(f"{output.name}_Rejects")
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [Refusal(*(json.loads(line)[name] for name in ("ordinal", "line", "reason", "raw"))) for line in lines]


def table_of(folder: Path, name: str) -> list[dict]:
    with closing(sqlite3.connect(folder / "table.db")) as db:
        db.row_factory = sqlite3.Row
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall():
            return []
        return [dict(row) for row in db.execute(f'SELECT * FROM "{name}" ORDER BY rowid')]


def as_saved(row: dict) -> dict:
    """A column that a row lacks is NULL in a table that other rows gave it."""
    return {name: cell for name, cell in row.items() if cell is not None}


def agrees(job, path: Path, *, output: str = "out", **options):
    """Run a job and assert that output, rejects, table and counts are the oracle's; return the report."""
    report = run(job, path, output=output, **options)
    told = expected(job, path, params=options.get("params"), now=started(path.parent, report.run_id))
    assert output_of(path.parent / output) == told.output
    assert rejects_of(path.parent / output) == told.rejects
    assert report.counts == told.counts
    if job.table is not None:
        live = sorted(map(sorted, (as_saved(row).items() for row in table_of(path.parent, job.table.name))))
        assert live == sorted(map(sorted, (as_saved(row).items() for row in told.table)))
    return report
