"""A file into the bucket of the deployed stack, to the end of its execution, on the local AWS."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import oracle
from benchmarks.aws_stack import STACKS
from benchmarks.oracle import Differs
from benchmarks.results import Experiment, Grid, Target, median, spread
from benchmarks.running import ENVIRONMENT, fresh_folder, payload, stamp
from rowmill import devcloud
from rowmill.devcloud import deploying
from rowmill.testing import landing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.results import Bench

FEW, MANY = 199, 20_000
AT_MOST_S = {FEW: 15.0, MANY: 90.0}
CDK = {"CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}

ABOUT = """The construct's unchanged template on the local AWS: from the put of a file to the end of the execution that
its event starts. Split, process and merge are KubernetesJobs, the workspace is a folder as EFS, items go
into DynamoDB.
Pods are processes of this machine: no image is pulled, no node starts. 20,000 orders are 40 partitions. *Usual* looks
for what has ended as the construct does by itself, after 5 s, then each 5 to 30 s; *quick* each 1 to 2 s. Output and
items were compared with the oracle."""


def run(bench: Bench) -> Experiment:
    """Measure."""
    sizes = {FEW: FEW, MANY: min(MANY, max(FEW, bench.rows))}
    figures: dict[str, list[float]] = {name_of(stack, rows): [] for rows in sizes for stack in STACKS}
    with fresh_folder(bench.work / "aws") as folder, deployed(folder) as stacks:
        for number in range(bench.runs):
            for meant, rows in sizes.items():
                for name, stack in stacks.items():
                    source = payload(bench, rows, seed=bench.seed + 1 + number)  # a known content is not done again
                    figures[name_of(name, meant)].append(landed(stack, source, folder))
                    print(f"  {name_of(name, meant)}: {figures[name_of(name, meant)][-1]:.2f} s", file=sys.stderr)
    return Experiment(
        title="AWS, put to output",
        about=ABOUT.replace("\n", " "),
        **stamp(bench, payload(bench, sizes[MANY]), sizes[MANY]),
        targets=tuple(
            Target(name, "s", median(figures[name]), at_most=AT_MOST_S[rows])
            for rows in sizes
            for name in (name_of("Quick", rows),)
        ),
        grid=Grid(
            ("what", "seconds: median (least to most)"), tuple((name, spread(one)) for name, one in figures.items())
        ),
        charts=(),
        raw=figures,
        meant_rows=MANY,
    )


def name_of(stack: str, rows: int) -> str:
    """Return what a figure is called."""
    return f"{rows:,} orders into S3, {stack.lower()}"


@contextmanager
def deployed(folder: Path) -> Iterator[dict[str, landing.Stack]]:
    """Give the stacks by name, on a local AWS of their own."""
    out = folder / "assembly"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.aws_stack", str(out)], env=ENVIRONMENT | CDK, check=True, capture_output=True
    )
    cloud = devcloud.up(folder / "cloud", port=0, valkey_port=0)
    try:
        yield {name: landing.stack(cloud, deploying.deploy(cloud, out, name)) for name in STACKS}
    finally:
        cloud.down()


def landed(stack: landing.Stack, source: Path, folder: Path) -> float:
    """Put a file; return the seconds to its end if all is right.

    Raises:
        RuntimeError: The execution has failed.
        Differs: What came out is not what it must be.
    """
    key = f"{time.time_ns()}/{source.name}"
    ended = stack.drop(source, key)
    if ended.status != "SUCCEEDED":
        raise RuntimeError(f"{ended.execution} {ended.status}: {ended.error}: {ended.cause}")
    output = folder / "output"
    output.write_bytes(stack.read(f"{key}_Output"))
    oracle.check_output(source, output)
    items = {item["Order ID"]: item["ConfirmationId"] for item in stack.items()}
    wanted = oracle.winners(source)
    if any(items.get(order) != confirmation for order, confirmation in wanted.items()):
        raise Differs("an item of the table is missing, or has another confirmation")
    return round(ended.seconds, 3)
