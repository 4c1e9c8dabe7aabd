"""A small run in devcloud's small Kubernetes, from command to report; and what a pod's step costs."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import oracle
from benchmarks.results import Experiment, Grid, Target, median, spread
from benchmarks.running import ENVIRONMENT, JOB, fresh_folder, payload, stamp, timed
from rowmill.devcloud import kubernetes
from rowmill.devcloud.kubernetes.kubelet.volumes import claim_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.results import Bench

ROWS, CLAIM, MOUNT = 200, "work", "/data"
WHOLE, POD, BARE = "200 orders, command to report", "a pod's step of 200 rows, CPU", "`rowmill --version`, CPU"


def run(bench: Bench) -> Experiment:
    """Measure."""
    source = payload(bench, ROWS)
    figures: dict[str, list[float]] = {WHOLE: [], POD: [], BARE: []}
    for _ in range(bench.runs):
        with fresh_folder(bench.work / "run") as folder:
            figures[WHOLE].append(round(in_cluster(source, folder), 3))
        with fresh_folder(bench.work / "run") as folder:
            figures[POD].append(round(step_cpu_s(source, folder), 3))
            figures[BARE].append(round(cpu_s(["--version"], folder, ENVIRONMENT), 3))
    return Experiment(
        title="Kubernetes",
        about="Split, process on two pods and merge, each a KubernetesJob, in devcloud's small Kubernetes, whose pods "
        "are local processes: no image is pulled. Workspace and SQLite table are on a claim. The output was compared "
        "with the oracle.",
        **stamp(bench, source, ROWS),
        targets=(
            Target(WHOLE, "s", median(figures[WHOLE]), at_most=6.0),
            Target(POD, "s", median(figures[POD]), at_most=0.5),
        ),
        grid=Grid(
            ("what", "seconds: median (least to most)"), tuple((name, spread(one)) for name, one in figures.items())
        ),
        charts=(),
        raw=figures,
        meant_rows=ROWS,
    )


def in_cluster(source: Path, folder: Path) -> float:
    """Run the orders in a fresh cluster; return the seconds of the command."""
    with kubernetes.serving(folder / "cluster") as cluster:
        volume = claim_folder(folder / "cluster", "default", CLAIM)
        volume.mkdir(parents=True)
        volume.chmod(0o777)
        shutil.copyfile(source, volume / "in.csv")
        cluster.store.create("PersistentVolumeClaim", claim())
        command = [
            *(sys.executable, "-m", "rowmill", "run", JOB, f"{MOUNT}/in.csv", "--on", "kubernetes", "--quiet"),
            *("--image", "rowmill", "--claim", f"{CLAIM}:{MOUNT}", "--workers", "2", "--rows-per-partition", "20"),
            *("--table", f"sqlite:///{MOUNT}/orders.db"),
        ]
        seconds = timed(command, folder, ENVIRONMENT | {"KUBECONFIG": str(cluster.kubeconfig)})
        oracle.check_output(source, volume / "in.csv_Output")
        oracle.check_table(source, volume / "orders.db")
        return seconds


def claim() -> dict[str, Any]:
    """Return a claim that several pods may write."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": CLAIM, "namespace": "default"}, "spec": spec}


def step_cpu_s(source: Path, folder: Path) -> float:
    """Return the CPU seconds of a pod's whole process step, as its command line alone."""
    words = ["split", JOB, str(source), "--rows-per-partition", "20", "--json"]
    command = [sys.executable, "-m", "rowmill", *words]
    found = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, check=True).stdout
    run_id = json.loads(found)["run_id"]
    return cpu_s(["process", run_id, "--of", "1", "--index", "0", "--attempt", "1"], folder, ENVIRONMENT)


def cpu_s(words: list[str], folder: Path, env: dict[str, str]) -> float:
    """Return the CPU seconds of a command."""
    before = sum(children())
    subprocess.run([sys.executable, "-m", "rowmill", *words], cwd=folder, env=env, capture_output=True, check=True)
    return sum(children()) - before


def children() -> Iterator[float]:
    """Give the CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield from (used.ru_utime, used.ru_stime)
