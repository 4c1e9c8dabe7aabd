"""Nodes for KubernetesJobs: a node group and its autoscaler, or a pool of Auto Mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from rowmill.cdk import applying, cluster, objects
from rowmill.cdk.checks import vcpus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_eks_v2 as eks
    from constructs import Construct

    from rowmill.cdk.props import ClusterProps

SEES = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLaunchConfigurations",
    "autoscaling:DescribeScalingActivities",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetInstanceTypesFromInstanceRequirements",
)
SCALES = ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup")


def nodes(scope: Construct, made: eks.Cluster, props: ClusterProps, told: Mapping[str, str]) -> None:
    """Add what starts nodes.

    Args:
        scope: Where it stands.
        made: The cluster.
        props: How many, of which kind.
        told: Keys of outputs, for objects that are rendered.
    """
    if props.compute == "auto":
        _put(scope, made, "AutoNodes", [objects.node_pool(_auto(props))], props, told)
        return
    cluster.identity_agent(made)
    cluster.node_groups(scope, made, props)
    if props.max_nodes > (props.min_nodes or 0):
        _autoscaler(scope, made, props, told)


def _auto(props: ClusterProps) -> objects.AutoNodes:
    most = props.max_nodes * vcpus(props.instance_types[0])
    return objects.AutoNodes(props.instance_types, props.architecture, props.capacity_type, most)


def _autoscaler(scope: Construct, made: eks.Cluster, props: ClusterProps, told: Mapping[str, str]) -> None:
    role = cluster.pod_identity(scope, "Autoscaler", made, namespace=objects.SYSTEM, service_account=objects.AUTOSCALER)
    # AWS has no narrower resource for what only looks.
    role.add_to_policy(iam.PolicyStatement(actions=list(SEES), resources=["*"]))
    role.add_to_policy(iam.PolicyStatement(actions=["eks:DescribeNodegroup"], resources=[_node_groups(scope, made)]))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=list(SCALES),
            resources=["*"],
            conditions={"StringEquals": {"aws:ResourceTag/eks:cluster-name": made.cluster_name}},
        )
    )
    found = objects.autoscaler(made.cluster_name, cdk.Aws.REGION, props.kubernetes_version)
    _put(scope, made, "AutoscalerObjects", found, props, told)


def _node_groups(scope: Construct, made: eks.Cluster) -> str:
    arn = cdk.Stack.of(scope).format_arn(service="eks", resource="nodegroup", resource_name=f"{made.cluster_name}/*")
    return str(arn)


def _put(
    scope: Construct,
    made: eks.Cluster,
    name: str,
    found: list[dict[str, object]],
    props: ClusterProps,
    told: Mapping[str, str],
) -> None:
    if props.kubernetes_objects == "apply":
        applying.applied(scope, name, made, found)
    else:
        known = {made.cluster_name: told["ClusterName"], cdk.Aws.REGION: "AWS_REGION"}
        applying.rendered(scope, name, found, known)
