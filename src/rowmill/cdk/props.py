"""What the constructs take: frozen values, checked when they are made, before any AWS object is.

Neither Node nor aws_cdk is loaded for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowmill.cdk import checks
from rowmill.statemachine.events import SUFFIXES

if TYPE_CHECKING:
    from aws_cdk import RemovalPolicy
    from aws_cdk.aws_dynamodb import ITable
    from aws_cdk.aws_ec2 import IVpc
    from aws_cdk.aws_s3 import IBucket
    from aws_cdk.aws_sns import ITopic

ORDERS = "rowmill.examples.orders"
INSTANCES = {"x86_64": ("m6i.large",), "arm64": ("m6g.large",)}


@dataclass(frozen=True, kw_only=True)
class SharedProps:
    """What cluster and job both go by.

    Attributes:
        lean: While nothing runs, nothing costs but the cluster and the way out of its VPC: EKS Auto Mode without idle
            nodes, workspace on S3, no cache, no file system.
        architecture: `x86_64` or `arm64`: of nodes, image and Lambda.
        kubernetes_objects: `apply`: by CDK's handler, which is an administrator of the cluster. `render`: they are
            written as YAML into the cloud assembly's folder, for GitOps, and the stack speaks to no Kubernetes API.
        log_retention_days: How long logs are kept.
        removal_policy: `RETAIN` keeps buckets, table and logs when the stack goes; `DESTROY` leaves nothing. CDK's
            `RemovalPolicy` will do.
    """

    lean: bool = False
    architecture: str = "x86_64"
    kubernetes_objects: str = "apply"
    log_retention_days: int = 90
    removal_policy: RemovalPolicy | str = "RETAIN"

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        with checks.with_hints():
            checks.shared(self)

    @property
    def keeps(self) -> bool:
        """Whether data outlives the stack."""
        return checks.removal(self.removal_policy) != "DESTROY"


@dataclass(frozen=True, kw_only=True)
class ClusterProps(SharedProps):
    """What `RowmillCluster` takes; all of it has a default.

    Attributes:
        vpc: A VPC with private subnets that reach the internet; by default a new one.
        min_nodes: Nodes at least: 5, or 0 with `compute="auto"`.
        desired_nodes: Nodes at first; by default as many as at least. Only with `compute="nodegroup"`.
        max_nodes: Nodes at most. More than `min_nodes` brings an autoscaler.
        compute: `nodegroup`, or `auto`: EKS Auto Mode starts nodes when pods wait. By default by `lean`.
        file_system: Whether there is an EFS file system, for `workspace="efs"`; by default unless `lean`.
        cache: `serverless` ElastiCache for Valkey, as tracker, or `none`; by default by `lean`.
        instance_types: By default `m6i.large` or `m6g.large`, by architecture; with `auto` all have as many CPUs.
        capacity_type: `on-demand` or `spot`: what a node that goes away did not finish is done again.
        kubernetes_version: Of the cluster.
        admin_principals: ARNs of IAM roles or users who administer the cluster; nobody else does, but CDK's handler.
        nat_gateways: Of a new VPC: 1, or one per zone for nodes that outlive a zone.
    """

    vpc: IVpc | None = None
    min_nodes: int | None = None
    desired_nodes: int | None = None
    max_nodes: int = 5
    compute: str | None = None
    file_system: bool | None = None
    cache: str | None = None
    instance_types: tuple[str, ...] = ()
    capacity_type: str = "on-demand"
    kubernetes_version: str = "1.36"
    admin_principals: tuple[str, ...] = ()
    nat_gateways: int = 1

    def __post_init__(self) -> None:
        """Put in what follows from the rest, and refuse what cannot be built."""
        _put(self, "compute", "auto" if self.lean else "nodegroup")
        _put(self, "file_system", not self.lean)
        _put(self, "cache", "none" if self.lean else "serverless")
        _put(self, "min_nodes", 0 if self.compute == "auto" else 5)
        _put(self, "desired_nodes", self.min_nodes)
        SharedProps.__post_init__(self)
        _put(self, "instance_types", INSTANCES[self.architecture])
        with checks.with_hints():
            checks.cluster(self)


@dataclass(frozen=True, kw_only=True)
class JobProps(SharedProps):
    """What `RowmillJob` takes; all of it has a default, and is then the example's.

    Attributes:
        input_bucket: A bucket, or a bucket's name; by default a new one.
        input_bucket_tells: The given bucket tells EventBridge already. Else CDK's handler switches it on, which may
            change the notifications of every bucket.
        input_prefix: Only objects under it start a run.
        input_suffixes: Only objects that end so start a run.
        output_bucket: A bucket, or its name, for outputs and rejects; by default the input's.
        output_prefix: In the output's bucket: `<output_prefix><key>_Output`.
        max_split_lines: Rows in a partition at most.
        job_folder: Folder with the job's code, put into the image as `/job`; libraries by its `requirements.txt`.
        job: Reference of the job in the image, as `/job/orders.py` or `package.module:name`.
        image: URI of an image that is there already, in place of building one.
        table: A table, a DynamoDB table's name, or `none`; by default a new one.
        table_key: Partition key of a new table.
        table_sort_key: Sort key of a new table.
        warm_write_units: Writes a second that a new table takes at once; charged once.
        max_write_units: Writes a second that a new table takes at most: a guard of cost.
        workspace: `efs` or `s3`; by default `efs` where the cluster has a file system.
        workspace_days: Objects of a workspace on S3 go after so many days; by default they stay. A run that has not
            ended by then begins anew.
        mode: `parallel`, or `sequential`: one pod does all rows.
        fan_out: `indexed-job`; `inline-map`: a KubernetesJob per partition, up to 40 at once; `distributed-map`: up to
            10,000 at once, with the workspace on S3.
        waiter: `call` looks each `poll_s` to `most_poll_s` seconds; `sync` is `eks:runJob.sync`: once a minute.
        poll_s: Seconds between looks at first.
        most_poll_s: Seconds between looks later.
        workers: Pods at once.
        trigger: `eventbridge`, `cloudtrail` as in the article, or `none`.
        cpu: Requested by each pod.
        memory: Requested by each pod, and its limit.
        timeout_s: An execution's longest life.
        namespace: Namespace of the pods; each job of a cluster has its own.
        alarms_topic: Topic that is told of alarms.
        access_logs_bucket: Bucket for the access logs of the buckets that are made.
    """

    input_bucket: IBucket | str | None = None
    input_bucket_tells: bool = False
    input_prefix: str = ""
    input_suffixes: tuple[str, ...] = SUFFIXES
    output_bucket: IBucket | str | None = None
    output_prefix: str = ""
    max_split_lines: int = 30_000
    job_folder: str | None = None
    job: str = ORDERS
    image: str | None = None
    table: ITable | str | None = None
    table_key: str = "Order ID"
    table_sort_key: str = ""
    warm_write_units: int | None = None
    max_write_units: int | None = None
    workspace: str | None = None
    workspace_days: int | None = None
    mode: str = "parallel"
    fan_out: str = "indexed-job"
    waiter: str = "call"
    poll_s: int = 5
    most_poll_s: int = 30
    workers: int = 40
    trigger: str = "eventbridge"
    cpu: str = "500m"
    memory: str = "1Gi"
    timeout_s: int = 43_200
    namespace: str = "rowmill"
    alarms_topic: ITopic | None = None
    access_logs_bucket: IBucket | None = None

    def __post_init__(self) -> None:
        """Put in what follows from the rest, and refuse what cannot be built."""
        if self.lean:
            _put(self, "workspace", "s3")
        SharedProps.__post_init__(self)
        with checks.with_hints():
            checks.job(self)


@dataclass(frozen=True, kw_only=True)
class Props(ClusterProps, JobProps):
    """What `Rowmill` takes: all of the cluster, and all of the job."""

    def __post_init__(self) -> None:
        """Put in what follows from the rest, and refuse what cannot be built."""
        _put(
            self,
            "workspace",
            "s3" if self.lean or self.file_system is False or self.fan_out == "distributed-map" else "efs",
        )
        _put(self, "file_system", self.workspace == "efs")
        ClusterProps.__post_init__(self)
        JobProps.__post_init__(self)
        with checks.with_hints():
            checks.together(self)


def _put(props: SharedProps, name: str, value: object) -> None:
    """Give a field that was left open its value; only while the frozen value is being made."""
    if getattr(props, name) in (None, ()):
        object.__setattr__(props, name, value)
