"""`python -m benchmarks.aws_stack OUT`: the stacks that are measured, as `cdk synth` leaves them."""

from __future__ import annotations

import sys
from typing import Any

import aws_cdk as cdk

from rowmill.cdk import Props, Rowmill

LINES = 500  # 20,000 orders are 40 partitions
# By how soon the machine looks for what has ended: as it is deployed if nothing is said, and as quick as it can be.
STACKS: dict[str, dict[str, Any]] = {"Usual": {}, "Quick": {"poll_s": 1, "most_poll_s": 2, "timeout_s": 1800}}


def main(out: str) -> None:
    app = cdk.App(outdir=out)
    for name, looks in STACKS.items():
        props = Props(max_split_lines=LINES, removal_policy="DESTROY", namespace=f"bench-{name.lower()}", **looks)
        Rowmill(cdk.Stack(app, name), "Orders", props)
    app.synth()


if __name__ == "__main__":
    main(*sys.argv[1:])
