"""`python tests/e2e/stacks.py OUT`: the construct as people deploy it, and its variants, into one assembly.

Each has a namespace of its own: the local AWS has one Kubernetes for all its clusters.
"""

import sys
from pathlib import Path

import aws_cdk as cdk

from rowmill.cdk import Props, Rowmill

JOB = {"job_folder": str(Path(__file__).parent / "job"), "job": "/job/orders.py"}
QUICK = {"poll_s": 1, "most_poll_s": 1, "timeout_s": 600, "workers": 4, "max_split_lines": 500}
STACKS = {
    "Article": {},
    "Inline": {"fan_out": "inline-map", **JOB},
    "Wide": {"fan_out": "distributed-map", "lean": True},
    "Lean": {"lean": True, **JOB},
    "Sequential": {"mode": "sequential", "waiter": "sync", "lean": True},
}


def main(out: str) -> None:
    """Synthesise all stacks."""
    app = cdk.App(outdir=out)
    for name, props in STACKS.items():
        namespace = f"rowmill-{name.lower()}"
        Rowmill(cdk.Stack(app, name), "Orders", Props(removal_policy="DESTROY", namespace=namespace, **QUICK, **props))
    app.synth()


if __name__ == "__main__":
    main(*sys.argv[1:])
