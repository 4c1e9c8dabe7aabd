"""The constructs: a cluster, a job on it, and both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from rowmill.cdk import (
    alarms,
    checks,
    cluster,
    logs,
    network,
    nodes,
    outputs,
    running,
    storage,
    table,
    tracker,
    trigger,
)
from rowmill.cdk.platforms import Platform
from rowmill.cdk.props import ClusterProps, JobProps, Props
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

TAKEN = "rowmill:namespace"
# CDK's Lambdas that empty a bucket before it goes, and switch on what a given one tells.
HANDLERS = (
    "Custom::S3AutoDeleteObjectsCustomResourceProvider",
    "BucketNotificationsHandler050a0587b7544547bf325f094a3db834",
)


class RowmillCluster(Construct):
    """A cluster for jobs: VPC, EKS, file system and cache.

    Attributes:
        platform: What jobs need of it.
    """

    def __init__(self, scope: Construct, id: str, props: ClusterProps | None = None) -> None:  # noqa: A002 - CDK's word
        super().__init__(scope, id)
        props = props or ClusterProps()
        with checks.with_hints():
            vpc = network.network(self, props)
        made = cluster.control_plane(self, vpc, props)
        clients = ec2.SecurityGroup(self, "Clients", vpc=vpc, description="Lambdas that reach cache and file system")
        files = storage.file_system(self, vpc, made, clients, props)
        reached_by = [made.cluster_security_group, clients]
        cache = tracker.cache(self, vpc, reached_by) if props.cache == "serverless" else None
        self.platform = Platform(cluster=made, vpc=vpc, clients=clients, file_system=files, cache=cache)
        told = outputs.outputs(self, outputs.of_cluster(made))
        nodes.nodes(self, made, props, told)


class RowmillJob(Construct):
    """A job on a cluster: what lands in its bucket is run.

    Attributes:
        input_bucket: What lands in it starts a run.
        table: Where results are saved, or None.
        pods_role: What pods may do; add here what your job needs beyond its places.
        state_machine: What runs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's word
        platform: Platform,
        props: JobProps | None = None,
    ) -> None:
        super().__init__(scope, id)
        props = props or JobProps()
        with checks.with_hints():
            _check_place(platform, props)
            _take_namespace(platform, props.namespace)
        self.input_bucket = storage.given_bucket(self, "InputBucket", props.input_bucket, props)
        self.table = table.table(self, props)
        places = running.Places(
            input=self.input_bucket,
            output=self._output_bucket(props),
            table=self.table,
            workspace=running.workspace(self, platform, props),
        )
        self.pods_role = running.pods_role(self, platform, places, props)
        self.state_machine = running.state_machine(self, platform, places, self.pods_role, props)
        queue = trigger.trigger(self, self.input_bucket, self.state_machine, props)
        logs.of_stack_handlers(self, props, *HANDLERS)
        alarms.alarms(self, self.state_machine, queue, self.table, props.alarms_topic)

    def _output_bucket(self, props: JobProps) -> s3.IBucket:
        if props.output_bucket is None:
            return self.input_bucket
        return storage.given_bucket(self, "OutputBucket", props.output_bucket, props)


class Rowmill(Construct):
    """A cluster and a job on it: what the article builds.

    Attributes:
        cluster: The cluster.
        job: The job.
    """

    def __init__(self, scope: Construct, id: str, props: Props | None = None) -> None:  # noqa: A002 - CDK's word
        super().__init__(scope, id)
        props = props or Props()
        self.cluster = RowmillCluster(self, "Cluster", props)
        self.job = RowmillJob(self, "Job", self.cluster.platform, props)


def _check_place(platform: Platform, props: JobProps) -> None:
    """Refuse what this cluster cannot give."""
    if props.workspace == "efs" and platform.file_system is None:
        raise ConfigurationError("workspace is efs, and the cluster has no file system", hint="give workspace='s3'")
    if props.kubernetes_objects == "apply" and platform.cluster.kubectl_provider is None:
        raise ConfigurationError(
            "the cluster has no kubectl provider, by which the job's objects would be applied",
            hint="give kubernetes_objects='render', or a cluster with kubectl_provider",
        )


def _take_namespace(platform: Platform, namespace: str) -> None:
    """Note at the cluster that a namespace is taken.

    Raises:
        ConfigurationError: Another job of this cluster has it.
    """
    node = platform.cluster.node
    if any(one.type == TAKEN and one.data == namespace for one in node.metadata):
        raise ConfigurationError(
            f"two jobs of one cluster have the namespace {namespace!r}", hint="give each its own, namespace='orders'"
        )
    node.add_metadata(TAKEN, namespace)
