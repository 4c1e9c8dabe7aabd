"""What the whole runs share: one file of orders, what the oracle says of it, and the command line as a user has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.model.counts import Counts
from rowmill.model.orders import HEADER, row_maker
from rowmill.testing import Refusal, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from rowmill.testing import Expected

    from .places import Bucket

HANG_S = 90.0  # no figure: what takes as long is broken
CLI = [sys.executable, "-m", "rowmill", "-v"]
OURS = ("ROWMILL_", "_ROWMILL", "MAX_LINES", "AWS_", "PG", "NO_COLOR", "FORCE_COLOR", "TERM", "CI", "COLUMNS", "XDG_")
ROWS, PER_PARTITION = 20_000, 2_000
FLAGS = ("create_table", "detach", "continue", "fresh")
NEAR, FAR = 200, 200  # rows whose key occurs a second time: in the same partition, and in a later one

# Its code is the same in every run; what a test wants of it stands in the environment.
JOB = """
import os
import time

from rowmill import Context, Csv, Job, Reject, Skip, Table

job = Job(
    "orders",
    reads=Csv(),
    writes=Csv(columns=["Order ID", "ConfirmationId"], header=False),
    table=Table("Orders", key="Order ID"),
    rows_per_partition=2_000,
    rejects="5%",
)
PAUSE_S = float(os.environ.get("PAUSE_S", "0"))
HOLD, HOLD_FROM = os.environ.get("HOLD", ""), int(os.environ.get("HOLD_FROM", "0"))


@job.process
def confirm(row: dict, ctx: Context) -> dict:
    if PAUSE_S and ctx.ordinal % 100 == 0:
        time.sleep(PAUSE_S)
    while HOLD and ctx.ordinal >= HOLD_FROM and os.path.exists(HOLD):
        time.sleep(0.01)
    if row["Units Sold"].endswith("77"):
        raise Reject("not on a day like this")
    if row["Units Sold"].endswith("88"):
        return Skip("of no interest")
    return row | {"ConfirmationId": ctx.stable_id()}
"""


class Orders(NamedTuple):
    """A file of orders in which some keys occur twice, the job, and what any run must give."""

    folder: Path
    told: Expected

    def __repr__(self) -> str:
        return f"Orders({self.told.counts})"  # and not all rows, where a test fails

    @property
    def input(self) -> Path:
        return self.folder / "orders.csv"

    @property
    def job(self) -> Path:
        return self.folder / "job.py"


def orders_with_repeated_keys(rows: int, near: int, far: int) -> str:
    """Return orders as CSV; other content comes under a known key, a few rows later or at the end."""
    fresh = rows - near - far
    made = row_maker(7)(0, fresh).splitlines(keepends=True)
    again = row_maker(8)(0, near + far).splitlines(keepends=True)

    def under(key_of: str, line: str) -> str:
        cells = line.split(",")
        cells[6] = key_of.split(",")[6]
        return ",".join(cells)

    step = fresh // max(1, near)
    late = [under(made[at * step], line) for at, line in enumerate(again[:near])]
    last = [under(made[at * 7 + 3], line) for at, line in enumerate(again[near:])]
    for at in reversed(range(near)):  # from the end, so that places before it stay
        made.insert(at * step + 5, late[at])
    return HEADER + "".join(made + last)


def orders_in(folder: Path, rows: int = ROWS, near: int = NEAR, far: int = FAR) -> Orders:
    """Write the job and its input, and ask the oracle."""
    (folder / "job.py").write_text(JOB)
    (folder / "orders.csv").write_text(orders_with_repeated_keys(rows, near, far))
    told = expected(module_of(folder / "job.py").job, folder / "orders.csv")
    assert told.counts.read == rows
    assert told.counts.duplicates > (near + far) * 0.9
    assert min(told.counts.rejected, sum(told.counts.filtered.values())) > 0
    return Orders(folder, told)


def module_of(path: Path) -> ModuleType:
    """Return a job file as a module."""
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415

    spec = spec_from_file_location("campaign_job", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)


@dataclass
class Campaign:
    """One run's command, which a test gives as often as it wants.

    Attributes:
        orders: What is done, and what must come of it.
        folder: Where a user would stand.
        words: The options.
        env: What is in the environment beside the system's own.
        rows_of_table: Reads the live table: rows as dicts of text.
        bucket: Where input, workspace and output are, if not in the folder.
        prefix: Of the run's keys in the bucket.
        given: The input, if it is not the orders' own file.
        job: The job, if it is not the orders' own file.
        cli: What starts the command line.
    """

    orders: Orders
    folder: Path
    words: dict[str, str]
    env: dict[str, str]
    rows_of_table: Callable[[], list[dict[str, Any]]] | None = None
    bucket: Bucket | None = None
    prefix: str = ""
    given: str = ""
    job: str = ""
    cli: list[str] = field(default_factory=lambda: CLI)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, env: Mapping[str, str] | None = None, **words: str) -> subprocess.Popen[str]:
        """Give the command, and go on."""
        given = self.words | words
        options = [part for name, value in given.items() for part in option(name, value)]
        places = [self.job or str(self.orders.job), self.given or str(self.orders.input)]
        return self.command("run", *places, *options, "--json", env=env)

    def command(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Give another command, and go on."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*self.cli, *words],
            cwd=self.folder,
            env={**clean(self.folder), **self.env, **(env or {})},
            text=True,
            **pipes,
        )
        self.started.append(process)
        return process

    def give(self, env: Mapping[str, str] | None = None, **words: str) -> Ended:
        """Give the command, and wait for its end."""
        return ended(self.start(env, **words))

    def end(self) -> None:
        """End what has been left running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def receipts(self) -> int:
        """Return how many partitions have their receipt."""
        if self.bucket is None:
            return sum(1 for _ in (self.folder / "work").glob("runs/*/receipts/[0-9]*.json"))
        return sum("/receipts/" in key for key in self.bucket.keys(f"{self.prefix}/work/"))

    def output(self) -> bytes | None:
        """Return the published output, None if there is none."""
        return self._published("out.csv")

    def rejects(self) -> list[Refusal]:
        """Return the published rejects."""
        lines = (self._published("out.csv_Rejects") or b"").splitlines()
        return [Refusal(*(json.loads(line)[name] for name in ("ordinal", "line", "reason", "raw"))) for line in lines]

    def _published(self, name: str) -> bytes | None:
        if self.bucket is not None:
            return self.bucket.get(f"{self.prefix}/{name}")
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def agrees(self, report: Mapping[str, Any]) -> None:
        """Assert that output, rejects, table and report are the oracle's, byte for byte and row for row."""
        told = self.orders.told
        assert self.output() == told.output
        assert self.rejects() == told.rejects
        assert told.table is not None
        assert msgspec.convert(report["counts"], Counts) == told.counts
        assert report["table_rows"] == len(told.table)
        if self.rows_of_table is not None:
            assert sorted_rows(self.rows_of_table()) == sorted_rows(told.table)

    def ends_right(self, env: Mapping[str, str] | None = None, **words: str) -> dict[str, Any]:
        """Give the command, and assert that it ends well and right; return its report."""
        report = self.give(env, **words).report
        assert report["status"] == "succeeded"
        self.agrees(report)
        return report

    def ends_right_after(self, most: int, *codes: int, **words: str) -> dict[str, Any]:
        """Give the command again while it ends with one of these codes, and assert that it ends right at last."""
        for _ in range(most):
            done = self.give(**words)
            if done.code not in codes:
                break
            assert self.output() is None
        self.agrees(done.report)
        return done.report


def option(name: str, value: str) -> list[str]:
    """Return an option as the command line spells it; a flag has no value."""
    spelled = f"--{name.replace('_', '-')}"
    return [spelled] if name in FLAGS else [spelled, value]


def clean(folder: Path) -> dict[str, str]:
    """Return an environment that knows nothing of this machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "HOME": str(folder / "home")}


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    out, err = process.communicate(timeout=HANG_S)
    return Ended(process.returncode, out, err)


def sorted_rows(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Return rows in an order of their own, to be compared."""
    return sorted(sorted(row.items()) for row in rows)


def wait_until(happened: Callable[[], object], *processes: subprocess.Popen[str]) -> None:
    """Wait until something is so; it is broken if a process ends before, or if it takes forever."""
    end = time.monotonic() + HANG_S
    while not happened():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found
