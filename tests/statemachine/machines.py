"""Machines of every shape."""

from __future__ import annotations

import itertools
from typing import Any

from rowmill import statemachine
from rowmill.kubejobs import Claim, Pods
from rowmill.statemachine.asked import FAN_OUTS, WAITERS

SHAPES = [f"{fan_out}-{waiter}" for fan_out, waiter in itertools.product(FAN_OUTS, WAITERS)] + ["sequential"]
CLUSTER = statemachine.Cluster("orders", "https://0123.gr7.eu-west-1.eks.amazonaws.com", "Q0E=")
PODS = Pods(
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/rowmill@sha256:00",
    job="rowmill.examples.orders",
    workspace="/workspace",
    namespace="rowmill",
    service_account="rowmill-pods",
    claim=Claim("rowmill-workspace", "/workspace"),
    env={"ROWMILL_TRACKER": "rediss://user@cache:6379/0?cache=orders&serverless=true"},
)


def machine(shape: str = "indexed-job-call", **changed: Any) -> statemachine.Machine:
    """Return a machine; a shape is `FAN_OUT-WAITER`, or `sequential`."""
    fan_out, _, waiter = shape.rpartition("-")
    chosen = {"mode": "sequential"} if shape == "sequential" else {"fan_out": fan_out, "waiter": waiter}
    given: dict[str, Any] = {
        "cluster": CLUSTER,
        "pods": PODS,
        "bucket": "orders-in",
        "output": "s3://orders-out/done/",
        "table": "dynamodb://eu-west-1/Orders",
        "rows_per_partition": "30000",
        "split_file": "arn:aws:lambda:eu-west-1:123456789012:function:split-file",
        "workspace_bucket": "orders-work",
        "workspace_prefix": "runs-of/orders/",
        "name": "orders",
    }
    return statemachine.Machine(**{**given, **chosen, **changed})
