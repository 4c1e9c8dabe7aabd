"""Stacks as users write them, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from rowmill.cdk import ClusterProps, JobProps, Platform, Props, Rowmill, RowmillCluster, RowmillJob

if TYPE_CHECKING:
    from collections.abc import Callable

HANDLER = "arn:aws:lambda:eu-west-1:123456789012:function:handler"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders:1"


def given_vpc(stack: cdk.Stack) -> ec2.IVpc:
    """A VPC as companies have them: two private subnets in each zone."""
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "GivenVpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["eu-west-1a", "eu-west-1b"],
        private_subnet_ids=[f"subnet-0123456789abcdef{number}" for number in range(4)],
        private_subnet_names=["apps", "data"],
        private_subnet_route_table_ids=[f"rtb-0123456789abcdef{number}" for number in range(4)],
    )


def article(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders")


def scaling(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, min_nodes=0, desired_nodes=1, max_nodes=20, capacity_type="spot"))


def auto(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, compute="auto", max_nodes=10, architecture="arm64"))


def lean(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, lean=True, removal_policy=cdk.RemovalPolicy.DESTROY))


def inline(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, fan_out="inline-map", waiter="sync"))


def distributed(stack: cdk.Stack) -> None:
    Rowmill(
        stack,
        "Orders",
        Props(image=IMAGE, fan_out="distributed-map", workers=1_000, trigger="cloudtrail", workspace_days=30),
    )


def sequential(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, mode="sequential", trigger="none", table="none"))


def rendered(stack: cdk.Stack) -> None:
    Rowmill(stack, "Orders", Props(image=IMAGE, kubernetes_objects="render", max_nodes=9))


def given(stack: cdk.Stack) -> None:
    """Everything is there already: VPC, cluster, buckets, table."""
    vpc = given_vpc(stack)
    cluster = eks.Cluster.from_cluster_attributes(
        stack,
        "GivenCluster",
        cluster_name="shared",
        cluster_endpoint="https://0123456789abcdef.gr7.eu-west-1.eks.amazonaws.com",
        cluster_certificate_authority_data="Q0VSVElGSUNBVEU=",
        vpc=vpc,
    )
    props = JobProps(
        image=IMAGE,
        kubernetes_objects="render",
        input_bucket=s3.Bucket.from_bucket_name(stack, "GivenBucket", "given-input"),
        input_prefix="incoming/",
        output_bucket="given-output",
        output_prefix="done/",
        table="GivenTable",
        namespace="orders",
    )
    RowmillJob(stack, "Orders", Platform(cluster=cluster, vpc=vpc), props)


def job_alone(stack: cdk.Stack, **chosen: Any) -> None:
    """A job on a cluster that is there, whose bucket tells EventBridge already."""
    cluster = eks.Cluster.from_cluster_attributes(
        stack,
        "GivenCluster",
        cluster_name="shared",
        cluster_endpoint="https://0123456789abcdef.gr7.eu-west-1.eks.amazonaws.com",
        cluster_certificate_authority_data="Q0VSVElGSUNBVEU=",
        kubectl_provider=eks.KubectlProvider.from_kubectl_provider_attributes(
            stack, "GivenHandler", service_token=HANDLER
        ),
    )
    props = JobProps(image=IMAGE, input_bucket="given-input", input_bucket_tells=True, **chosen)
    RowmillJob(stack, "Orders", Platform(cluster=cluster), props)


def indexed_sync(stack: cdk.Stack) -> None:
    job_alone(stack, waiter="sync")


def inline_call(stack: cdk.Stack) -> None:
    job_alone(stack, fan_out="inline-map")


def distributed_sync(stack: cdk.Stack) -> None:
    job_alone(stack, fan_out="distributed-map", waiter="sync")


def given_things(stack: cdk.Stack) -> None:
    """A new cluster in a given VPC, with a bucket, a table and a topic of the same stack."""
    table = dynamodb.Table(
        stack, "Mine", partition_key=dynamodb.Attribute(name="k", type=dynamodb.AttributeType.STRING)
    )
    props = Props(
        image=IMAGE,
        vpc=given_vpc(stack),
        input_bucket=s3.Bucket(stack, "Bucket"),
        table=table,
        alarms_topic=sns.Topic(stack, "Topic"),
        admin_principals=("arn:aws:iam::123456789012:role/Admin",),
    )
    Rowmill(stack, "Orders", props)


def two(stack: cdk.Stack) -> None:
    """Two constructs, and a second job on the first one's cluster."""
    first = Rowmill(stack, "Orders", Props(image=IMAGE))
    Rowmill(stack, "Returns", Props(image=IMAGE, lean=True))
    RowmillJob(stack, "Invoices", first.cluster.platform, JobProps(image=IMAGE, namespace="invoices"))


def split(stack: cdk.Stack) -> None:
    """A platform team's stack, and a job's beside it."""
    cluster = RowmillCluster(stack, "Platform", ClusterProps(min_nodes=2))
    other = cdk.Stack(cdk.App.of(stack), "job")
    RowmillJob(other, "Orders", cluster.platform, JobProps(image=IMAGE))


VARIANTS: dict[str, Callable[[cdk.Stack], None]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        article,
        scaling,
        auto,
        lean,
        inline,
        distributed,
        sequential,
        rendered,
        given,
        indexed_sync,
        inline_call,
        distributed_sync,
        given_things,
        two,
        split,
    )
}
