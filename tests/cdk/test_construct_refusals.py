"""What only the stack knows is refused by it, in the same plain words."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks

from rowmill.cdk import ClusterProps, JobProps, Platform, RowmillCluster, RowmillJob
from rowmill.errors import ConfigurationError


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "stack")


def test_two_jobs_of_one_cluster_cannot_have_one_namespace(stack: cdk.Stack) -> None:
    cluster = RowmillCluster(stack, "Platform", ClusterProps(lean=True))
    RowmillJob(stack, "Orders", cluster.platform, JobProps(image="orders:1"))
    with pytest.raises(ConfigurationError, match="'rowmill'"):
        RowmillJob(stack, "Invoices", cluster.platform, JobProps(image="orders:1"))


def test_a_workspace_on_efs_needs_a_cluster_with_a_file_system(stack: cdk.Stack) -> None:
    cluster = RowmillCluster(stack, "Platform", ClusterProps(lean=True))
    with pytest.raises(ConfigurationError, match="the cluster has no file system"):
        RowmillJob(stack, "Orders", cluster.platform, JobProps(image="orders:1", workspace="efs"))


def test_objects_cannot_be_applied_to_a_given_cluster_without_a_kubectl_provider(stack: cdk.Stack) -> None:
    given = eks.Cluster.from_cluster_attributes(
        stack,
        "Given",
        cluster_name="shared",
        cluster_endpoint="https://shared.example",
        cluster_certificate_authority_data="Q0E=",
    )
    with pytest.raises(ConfigurationError, match="kubectl provider") as caught:
        RowmillJob(stack, "Orders", Platform(cluster=given), JobProps(image="orders:1"))
    assert "kubernetes_objects='render'" in caught.value.hint


def test_a_vpc_without_two_private_subnets_is_refused(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Given",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["a", "b"],
        public_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )
    with pytest.raises(ConfigurationError, match="0 private subnets") as caught:
        RowmillCluster(stack, "Platform", ClusterProps(vpc=vpc))
    assert caught.value.__notes__


def test_a_vpc_whose_private_subnets_are_in_one_zone_is_refused(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Given",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["a"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        private_subnet_names=["apps", "data"],
    )
    with pytest.raises(ConfigurationError, match="2 private subnets that reach the internet, in 1 zones"):
        RowmillCluster(stack, "Platform", ClusterProps(vpc=vpc))
