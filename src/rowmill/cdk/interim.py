"""Stands in for `rowmill.statemachine` until it is there: the same calls, a machine that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.kubejobs import Pods  # noqa: TC001 - msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cluster(msgspec.Struct, frozen=True):
    """How Step Functions finds the EKS cluster."""

    name: str
    endpoint: str
    certificate: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A state machine."""

    cluster: Cluster
    pods: Pods
    bucket: str
    output: str = ""
    table: str = "none"
    workers: int = 40
    rows_per_partition: str = ""
    fan_out: str = "indexed-job"
    waiter: str = "call"
    mode: str = "parallel"
    poll_s: int = 5
    most_poll_s: int = 30
    timeout_s: int = 43_200
    split_file: str = ""
    workspace_bucket: str = ""
    workspace_prefix: str = ""
    flags: tuple[str, ...] = ("overwrite",)
    name: str = "rowmill"


def definition(machine: Machine) -> dict[str, Any]:
    """Return a machine that hands its input on."""
    told = {"machine": msgspec.to_builtins(machine)}
    init = {"Type": "Pass", "Output": told, "End": True}
    return {"QueryLanguage": "JSONata", "StartAt": "Init", "States": {"Init": init}}


def created(bucket: str, prefix: str = "", suffixes: Sequence[str] = (".csv",)) -> dict[str, Any]:
    """Return the pattern of S3's own events."""
    keys = [{"wildcard": f"{prefix}*{suffix}"} for suffix in suffixes]
    detail = {"bucket": {"name": [bucket]}, "object": {"key": keys}}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def cloudtrail(bucket: str, prefix: str = "", suffixes: Sequence[str] = (".csv",)) -> dict[str, Any]:
    """Return the pattern of CloudTrail's events."""
    keys = [{"wildcard": f"{prefix}*{suffix}"} for suffix in suffixes]
    detail = {
        "eventSource": ["s3.amazonaws.com"],
        "eventName": ["PutObject", "CompleteMultipartUpload", "CopyObject"],
        "requestParameters": {"bucketName": [bucket], "key": keys},
    }
    return {"source": ["aws.s3"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}


RULES: list[dict[str, Any]] = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
]
