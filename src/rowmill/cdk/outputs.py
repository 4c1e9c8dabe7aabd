"""What a deployed stack tells: as in the article, how to reach the cluster, and where to put a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_eks_v2 import ICluster
    from constructs import Construct


def outputs(scope: Construct, values: Mapping[str, str]) -> dict[str, str]:
    """Add outputs; return their keys in the stack, by name."""
    made = {name: cdk.CfnOutput(scope, name, value=value) for name, value in values.items()}
    stack = cdk.Stack.of(scope)
    return {name: str(stack.get_logical_id(one)) for name, one in made.items()}


def of_cluster(cluster: ICluster) -> dict[str, str]:
    """Return how kubectl gets to the cluster: for the principals of `admin_principals`."""
    where = f"{cluster.cluster_name} --region {cdk.Aws.REGION}"
    return {
        "ClusterName": str(cluster.cluster_name),
        "ConfigCommand": f"aws eks update-kubeconfig --name {where}",
        "GetTokenCommand": f"aws eks get-token --cluster-name {where}",
    }
