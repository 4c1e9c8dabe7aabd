"""The largest memory of any process of a run, once and at ten times the rows."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import oracle
from benchmarks.results import Bars, Experiment, Grid, Target
from benchmarks.running import ENVIRONMENT, WORKERS, fresh_folder, orders_command, payload, stamp

if TYPE_CHECKING:
    from benchmarks.results import Bench

MB = 1_000_000
MAX_ROW_BYTES = 1024 * 1024
LIMIT_MB = (150 * MB + 8 * MAX_ROW_BYTES) / MB
POLL_S = 0.02


def run(bench: Bench) -> Experiment:
    """Measure."""
    counts = (bench.rows, 10 * bench.rows)
    peaks = {rows: peaks_mb(bench, rows) for rows in counts}
    names = [name for name in peaks[counts[0]] if name in peaks[counts[1]]]
    growth = max(peaks[counts[1]].values()) / max(peaks[counts[0]].values())
    return Experiment(
        title="Memory",
        about=f"The high-water mark that the kernel keeps of each process's resident memory, {WORKERS} workers and a "
        "new table. Nothing that grows with the input should be held, so ten times the rows should take no more.",
        **stamp(bench, payload(bench, bench.rows), bench.rows),
        targets=(
            *(
                Target(f"largest process at {rows:,} rows", "MB", max(peak.values()), at_most=round(LIMIT_MB, 1))
                for rows, peak in peaks.items()
            ),
            Target("peak at ten times the rows / once the rows", "x", round(growth, 3), at_most=1.1),
        ),
        grid=Grid(
            ("process", *(f"MB at {rows:,} rows" for rows in counts)),
            tuple((name, *(f"{peaks[rows][name]:.0f}" for rows in counts)) for name in names),
        ),
        charts=(
            Bars(
                "memory",
                "Peak memory by process",
                "MB resident, high-water mark",
                tuple(f"{rows:,} rows" for rows in counts),
                tuple((name, tuple(peaks[rows][name] for rows in counts)) for name in names),
                (round(LIMIT_MB, 1), f"limit {LIMIT_MB:.0f} MB"),
            ),
        ),
        raw={f"{name}, {rows:,} rows": [peak[name]] for rows, peak in peaks.items() for name in peak},
    )


def peaks_mb(bench: Bench, rows: int) -> dict[str, float]:
    """Run the orders job; return the peak of each of its processes, the coordinator first."""
    source = payload(bench, rows)
    with fresh_folder(bench.work / "run") as folder:
        command = orders_command(source, "--on", "processes", "--workers", str(WORKERS))
        peaks = watched(command, folder)
        oracle.check_output(source, folder / "output")
    names = ("coordinator", *(f"worker {number}" for number in range(1, len(peaks))))
    return {name: round(peak / MB, 1) for name, peak in zip(names, peaks, strict=True)}


def watched(command: list[str], folder: Path) -> list[int]:
    """Run a command, looking at it and its children until it ends; return their peaks in bytes, in order of start.

    Raises:
        RuntimeError: It failed.
    """
    peaks: dict[int, int] = {}
    said = folder / "said"
    with (
        said.open("w") as out,
        subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=out, stderr=out) as process,
    ):
        while process.poll() is None:
            for pid in tree(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), peak_bytes(pid))
            time.sleep(POLL_S)
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}: {said.read_text().strip()[-2000:]}")
    return list(peaks.values())


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:  # it ended meanwhile
        return [pid]
    return [pid, *(one for child in children for one in tree(child))]


def peak_bytes(pid: int) -> int:
    """Return the high-water mark of a process's resident memory; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
