"""Buckets: input, output and workspace; and the file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_eks as eks_resources
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from rowmill.cdk import logs
from rowmill.cdk.network import ONE_PER_ZONE
from rowmill.kubejobs.pods import USER_ID

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import ClusterProps, JobProps

CSI_ACCOUNT = "efs-csi-controller-sa"


def bucket(scope: Construct, name: str, props: JobProps, *, days: int | None = None) -> s3.Bucket:
    """Return a new bucket: encrypted, by TLS only, for nobody else; broken uploads go after a week.

    Args:
        scope: Where it stands.
        name: What it is called there.
        props: What becomes of it, and where its access logs go.
        days: How long objects are kept, None = for ever.
    """
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[
            s3.LifecycleRule(
                abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                expiration=None if days is None else cdk.Duration.days(days),
            )
        ],
        server_access_logs_bucket=props.access_logs_bucket,
        server_access_logs_prefix=f"{name.lower()}/" if props.access_logs_bucket else None,
        removal_policy=logs.removal(props),
        auto_delete_objects=not props.keeps,
    )


def given_bucket(scope: Construct, name: str, given: s3.IBucket | str | None, props: JobProps) -> s3.IBucket:
    """Return a given bucket, by its name too, or a new one."""
    if given is None:
        return bucket(scope, name, props)
    return s3.Bucket.from_bucket_name(scope, name, given) if isinstance(given, str) else given


def file_system(
    scope: Construct, vpc: ec2.IVpc, cluster: eks.Cluster, clients: ec2.ISecurityGroup, props: ClusterProps
) -> efs.FileSystem | None:
    """Return the file system that pods share, which the cluster's nodes reach, and nobody else.

    Mounting is guarded by the security group, the access point and TLS. `allow_anonymous_access` is said because an
    app's feature flag would else decide it, and pods would wait for their mount for ever.
    """
    if not props.file_system:
        return None
    made = efs.FileSystem(
        scope,
        "FileSystem",
        vpc=vpc,
        vpc_subnets=ONE_PER_ZONE,
        encrypted=True,
        performance_mode=efs.PerformanceMode.GENERAL_PURPOSE,
        throughput_mode=efs.ThroughputMode.ELASTIC,
        allow_anonymous_access=True,
        enable_automatic_backups=False,  # what is lost here is made again from the input
        removal_policy=logs.removal(props),
    )
    made.connections.allow_default_port_from(cluster.cluster_security_group, "nodes mount it")
    lambdas = ec2.Peer.security_group_id(clients.security_group_id)
    made.connections.allow_default_port_from(lambdas, "the split-file Lambda mounts it")
    _driver(made, cluster)
    return made


def _driver(scope: Construct, cluster: eks.Cluster) -> None:
    """Add the driver that mounts the file system; its controller waits for nodes."""
    role = iam.Role(
        scope,
        "DriverRole",
        assumed_by=iam.ServicePrincipal("pods.eks.amazonaws.com").with_session_tags(),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEFSCSIDriverPolicy")],
    )
    driver = eks_resources.CfnAddon(
        scope,
        "Driver",
        cluster_name=cluster.cluster_name,
        addon_name="aws-efs-csi-driver",
        pod_identity_associations=[
            eks_resources.CfnAddon.PodIdentityAssociationProperty(role_arn=role.role_arn, service_account=CSI_ACCOUNT)
        ],
    )
    driver.node.add_dependency(cluster)


def access_point(scope: Construct, made: efs.IFileSystem, namespace: str) -> efs.AccessPoint:
    """Return a job's own folder on the file system: pods see nothing above it."""
    return efs.AccessPoint(
        scope,
        "AccessPoint",
        file_system=made,
        path=f"/rowmill/{namespace}",
        create_acl=efs.Acl(owner_uid=str(USER_ID), owner_gid=str(USER_ID), permissions="0750"),
        posix_user=efs.PosixUser(uid=str(USER_ID), gid=str(USER_ID)),
    )
