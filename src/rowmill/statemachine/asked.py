"""What a state machine is made from, and what it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Pods  # noqa: TC001 - msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEXED, INLINE_MAP, DISTRIBUTED_MAP = "indexed-job", "inline-map", "distributed-map"
FAN_OUTS = (INDEXED, INLINE_MAP, DISTRIBUTED_MAP)
CALL, SYNC = "call", "sync"
WAITERS = (CALL, SYNC)
PARALLEL, SEQUENTIAL = "parallel", "sequential"
MODES = (PARALLEL, SEQUENTIAL)
LEAST_TTL_S = 3600  # `.sync` may look only each five minutes: what ended must still be there
MOST_AT_ONCE = {INDEXED: 100_000, INLINE_MAP: 40, DISTRIBUTED_MAP: 10_000}
EXPRESSION = "{%"  # by which Step Functions knows one


class Cluster(msgspec.Struct, frozen=True):
    """How Step Functions finds the EKS cluster.

    Attributes:
        name: The cluster's name.
        endpoint: URL of its API server.
        certificate: Of the authority that signed the server's, as EKS gives it.
    """

    name: str
    endpoint: str
    certificate: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A state machine: split, process, merge, each by KubernetesJobs.

    Values may be tokens that AWS CDK fills in when it deploys.

    Attributes:
        cluster: Where pods run.
        pods: What they have; a namespace of their own is named.
        bucket: That objects are dropped into.
        output: URL prefix, `s3://bucket/prefix/`, under which `<key>_Output` is written; empty = beside the input.
        table: URL of the table that results are saved in, or `none`.
        workers: Partitions at once.
        rows_per_partition: As the setting; empty = the job's, or by size.
        fan_out: One Indexed KubernetesJob, or one KubernetesJob for each partition by an inline or a distributed Map.
        waiter: How an end is seen: `call` asks every few seconds, `sync` leaves it to Step Functions.
        mode: `sequential` is one pod that does the whole run.
        poll_s: Seconds before the first look; each further one comes later, up to
        most_poll_s: this.
        timeout_s: Longest life of an execution, and of each KubernetesJob.
        split_file: ARN of the Lambda that lists partitions for a Map.
        workspace_bucket, workspace_prefix: Where a distributed Map reads its items and writes what came of them.
        flags: Options without a value that `split` gets.
        name: Of the state machine, to be seen in its comment.
    """

    cluster: Cluster
    pods: Pods
    bucket: str
    output: str = ""
    table: str = "none"
    workers: int = 40
    rows_per_partition: str = ""
    fan_out: str = INDEXED
    waiter: str = CALL
    mode: str = PARALLEL
    poll_s: int = 5
    most_poll_s: int = 30
    timeout_s: int = 43_200
    split_file: str = ""
    workspace_bucket: str = ""
    workspace_prefix: str = ""
    flags: tuple[str, ...] = ("overwrite",)
    name: str = "rowmill"

    @property
    def runs(self) -> str:
        """What keys of all runs begin with in the workspace's bucket."""
        prefix = self.workspace_prefix.rstrip("/")
        return f"{prefix}/{wire.RUNS}" if prefix else wire.RUNS


def check(machine: Machine) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigurationError: A value is wrong, or two do not fit together.
    """
    _one_of("fan_out", machine.fan_out, FAN_OUTS)
    _one_of("waiter", machine.waiter, WAITERS)
    _one_of("mode", machine.mode, MODES)
    for name in ("workers", "poll_s", "timeout_s"):
        if getattr(machine, name) < 1:
            raise ConfigurationError(f"{name} is {getattr(machine, name)}", hint="give a whole number of at least 1")
    if machine.most_poll_s < machine.poll_s:
        raise ConfigurationError("most_poll_s is less than poll_s", hint="it is where the growing pause ends")
    if not machine.pods.namespace:
        raise ConfigurationError("the pods have no namespace", hint="give Pods(namespace=…)")
    if machine.pods.ttl_s < LEAST_TTL_S:
        raise ConfigurationError(
            f"KubernetesJobs are removed {machine.pods.ttl_s} s after their end, before a slow look sees it",
            hint=f"give Pods(ttl_s=…) of at least {LEAST_TTL_S}",
        )
    _check_map(machine)
    _refuse_expressions(msgspec.to_builtins(machine))


def _check_map(machine: Machine) -> None:
    if machine.mode == SEQUENTIAL:
        return
    if machine.workers > MOST_AT_ONCE[machine.fan_out]:
        raise ConfigurationError(
            f"{machine.fan_out} does at most {MOST_AT_ONCE[machine.fan_out]:,} partitions at once, "
            f"and workers is {machine.workers:,}",
            hint=f"give fewer workers, or fan_out={INDEXED!r}",
        )
    if machine.fan_out != INDEXED and not machine.split_file:
        raise ConfigurationError(
            f"fan_out {machine.fan_out} needs the Lambda that lists partitions", hint="give split_file, its ARN"
        )
    if machine.fan_out == DISTRIBUTED_MAP and not machine.workspace_bucket:
        raise ConfigurationError(
            "a distributed Map reads its items from S3, and the workspace is not there",
            hint=f"give workspace_bucket and workspace_prefix, or fan_out={INDEXED!r}",
        )


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name} is {value!r}", hint=f"there are {', '.join(known)}")


def _refuse_expressions(value: Any) -> None:
    if isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            _refuse_expressions(one)
    elif isinstance(value, str) and value.lstrip().startswith(EXPRESSION):
        raise ConfigurationError("a value begins with {%, which Step Functions would evaluate", hint="leave it out")
