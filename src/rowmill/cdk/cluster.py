"""EKS: the control plane, who administers it, and the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks_resources
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk.lambda_layer_kubectl_v36 import KubectlV36Layer

from rowmill.cdk import logs
from rowmill.cdk.network import PRIVATE

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import ClusterProps

DISK_GIB = 50  # images, and what pods keep in /tmp
SYSTEM_NODES = 2  # for what the cluster itself needs, where workers may go down to none
SYSTEM_INSTANCES = {"x86_64": "t3.medium", "arm64": "t4g.medium"}
IMAGES = {
    "x86_64": eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
    "arm64": eks.NodegroupAmiType.AL2023_ARM_64_STANDARD,
}


def control_plane(scope: Construct, vpc: ec2.IVpc, props: ClusterProps) -> eks.Cluster:
    """Return the cluster.

    Its API has a public address, since Step Functions reaches no other. Who may do what there is decided by IAM and by
    the access entries, and the account that deploys is no administrator by itself.
    """
    name = logs.name_of_its_own(scope, 80)
    told = logs.group(
        scope, "ControlPlaneLogs", props, name=f"/aws/eks/{name}/cluster"
    )  # else EKS makes one without end
    cluster = eks.Cluster(
        scope,
        "Cluster",
        cluster_name=name,
        version=eks.KubernetesVersion.of(props.kubernetes_version),
        vpc=vpc,
        vpc_subnets=[PRIVATE],
        endpoint_access=eks.EndpointAccess.PUBLIC_AND_PRIVATE,
        cluster_logging=list(eks.ClusterLoggingTypes),
        bootstrap_cluster_creator_admin_permissions=False,
        kubectl_provider_options=_kubectl(scope, props),
        **_capacity(props),
    )
    cluster.node.default_child.node.add_dependency(told)
    logs.of_handlers(scope, props, cluster.node.try_find_child("KubectlProvider"))
    for number, arn in enumerate(props.admin_principals):
        cluster.grant_access(
            f"Admin{number}",
            arn,
            [
                eks.AccessPolicy.from_access_policy_name(
                    "AmazonEKSClusterAdminPolicy", access_scope_type=eks.AccessScopeType.CLUSTER
                )
            ],
        )
    return cluster


def _kubectl(scope: Construct, props: ClusterProps) -> eks.KubectlProviderOptions | None:
    if props.kubernetes_objects == "render":
        return None
    return eks.KubectlProviderOptions(kubectl_layer=KubectlV36Layer(scope, "Kubectl"))


def _capacity(props: ClusterProps) -> dict[str, object]:
    if props.compute == "auto":
        return {
            "default_capacity_type": eks.DefaultCapacityType.AUTOMODE,
            "compute": eks.ComputeConfig(node_pools=["system"]),
        }
    return {"default_capacity_type": eks.DefaultCapacityType.NODEGROUP, "default_capacity": 0}


def node_groups(scope: Construct, cluster: eks.Cluster, props: ClusterProps) -> None:
    """Add the workers; where they may go down to none, two small nodes for the cluster's own pods beside them."""
    template = node_template(scope)
    cluster.add_nodegroup_capacity(
        "Workers",
        launch_template_spec=template,
        min_size=props.min_nodes,
        desired_size=props.desired_nodes,
        max_size=props.max_nodes,
        instance_types=[ec2.InstanceType(one) for one in props.instance_types],
        ami_type=IMAGES[props.architecture],
        capacity_type=eks.CapacityType.SPOT if props.capacity_type == "spot" else eks.CapacityType.ON_DEMAND,
        subnets=PRIVATE,
    )
    if props.min_nodes == 0:
        cluster.add_nodegroup_capacity(
            "System",
            launch_template_spec=template,
            min_size=SYSTEM_NODES,
            desired_size=SYSTEM_NODES,
            max_size=SYSTEM_NODES,
            instance_types=[ec2.InstanceType(SYSTEM_INSTANCES[props.architecture])],
            ami_type=IMAGES[props.architecture],
            subnets=PRIVATE,
        )


def node_template(scope: Construct) -> eks.LaunchTemplateSpec:
    """Return what all nodes have: an encrypted disk, and a metadata service that pods do not reach."""
    made = ec2.LaunchTemplate(
        scope,
        "NodeTemplate",
        require_imdsv2=True,
        http_put_response_hop_limit=1,
        block_devices=[
            ec2.BlockDevice(
                device_name="/dev/xvda",
                volume=ec2.BlockDeviceVolume.ebs(
                    DISK_GIB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
                ),
            )
        ],
    )
    return eks.LaunchTemplateSpec(id=made.launch_template_id, version=made.latest_version_number)


def identity_agent(cluster: eks.Cluster) -> None:
    """Add what gives pods their roles; Auto Mode has it built in."""
    eks_resources.CfnAddon(
        cluster, "PodIdentityAgent", cluster_name=cluster.cluster_name, addon_name="eks-pod-identity-agent"
    )


def pod_identity(
    scope: Construct, name: str, cluster: eks.ICluster, *, namespace: str, service_account: str
) -> iam.Role:
    """Return a role for the pods of a service account, and nobody else."""
    role = iam.Role(scope, name, assumed_by=iam.ServicePrincipal("pods.eks.amazonaws.com").with_session_tags())
    eks_resources.CfnPodIdentityAssociation(
        scope,
        f"{name}Association",
        cluster_name=cluster.cluster_name,
        namespace=namespace,
        service_account=service_account,
        role_arn=role.role_arn,
    )
    return role
