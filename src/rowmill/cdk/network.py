"""The VPC: two zones, private subnets with a way out, gateways for what a run moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2

from rowmill.cdk import logs
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import ClusterProps

LEAST_ZONES = 2
PRIVATE = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
# Mount targets, and the endpoint of a cache: AWS takes no second subnet of a zone.
ONE_PER_ZONE = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, one_per_az=True)


def network(scope: Construct, props: ClusterProps) -> ec2.IVpc:
    """Return the given VPC, or a new one.

    Raises:
        ConfigurationError: The given one has no place for nodes.
    """
    if props.vpc is None:
        return _new(scope, props)
    subnets = props.vpc.private_subnets
    zones = {one.availability_zone for one in subnets}
    if len(zones) < LEAST_ZONES:
        raise ConfigurationError(
            f"the given VPC has {len(subnets)} private subnets that reach the internet, in {len(zones)} zones, "
            "and EKS needs two, in two zones",
            hint="add some, or leave vpc out: a new one is made",
        )
    return props.vpc


def _new(scope: Construct, props: ClusterProps) -> ec2.Vpc:
    """Return a new VPC.

    Cost: the bulk of the data goes through gateway endpoints, which are free; a NAT gateway would ask for each byte.
    """
    made = ec2.Vpc(
        scope,
        "Vpc",
        max_azs=2,
        nat_gateways=props.nat_gateways,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24),
            ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=18),
        ],
        gateway_endpoints={
            "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
        },
        flow_logs={
            "Flows": ec2.FlowLogOptions(
                destination=ec2.FlowLogDestination.to_cloud_watch_logs(logs.group(scope, "FlowLogs", props))
            )
        },
    )
    # A feature flag brings it: it takes all rules out of the VPC's own security group.
    logs.of_stack_handlers(made, props, "Custom::VpcRestrictDefaultSGCustomResourceProvider")
    return made
