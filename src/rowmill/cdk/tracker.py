"""ElastiCache Serverless for Valkey: TLS, an IAM user with the few commands that a tracker needs, and no password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam

from rowmill.cdk.network import ONE_PER_ZONE
from rowmill.cdk.platforms import ACCESS, Cache

if TYPE_CHECKING:
    from constructs import Construct

PORT = 6379
MOST_SUBNETS = 3  # a serverless cache stands in three zones at most
MOST_GIB, MOST_UNITS = 1, 5_000  # a run's set and counters have kilobytes: a bound for the bill


def cache(scope: Construct, vpc: ec2.IVpc, clients: list[ec2.ISecurityGroup]) -> Cache:
    """Return a new cache that the clients reach.

    The group has one user and no `default`: Valkey takes only users that authenticate.
    """
    name = cdk.Names.unique_resource_name(scope, max_length=34, separator="-", allowed_special_characters="-").lower()
    guard = ec2.SecurityGroup(
        scope, "CacheGuard", vpc=vpc, description="Who reaches the tracker", allow_all_outbound=False
    )
    for one in clients:
        guard.add_ingress_rule(one, ec2.Port.tcp_range(PORT, PORT + 1), "Valkey: writes, and reads from a replica")
    user = elasticache.CfnUser(
        scope,
        "CacheUser",
        engine="valkey",
        user_id=f"{name}-user",
        user_name=f"{name}-user",
        access_string=ACCESS,
        authentication_mode={"Type": "iam"},
    )
    group = elasticache.CfnUserGroup(
        scope, "CacheUsers", engine="valkey", user_group_id=f"{name}-group", user_ids=[user.ref]
    )
    made = elasticache.CfnServerlessCache(
        scope,
        "Cache",
        engine="valkey",
        major_engine_version="8",
        serverless_cache_name=f"{name}-cache",
        user_group_id=group.ref,
        subnet_ids=vpc.select_subnets(subnet_type=ONE_PER_ZONE.subnet_type, one_per_az=True).subnet_ids[:MOST_SUBNETS],
        security_group_ids=[guard.security_group_id],
        cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
            data_storage=elasticache.CfnServerlessCache.DataStorageProperty(unit="GB", maximum=MOST_GIB),
            ecpu_per_second=elasticache.CfnServerlessCache.ECPUPerSecondProperty(maximum=MOST_UNITS),
        ),
    )
    return Cache(
        name=f"{name}-cache",
        host=made.attr_endpoint_address,
        port=made.attr_endpoint_port,
        user=f"{name}-user",
        arn=made.attr_arn,
        user_arn=user.attr_arn,
    )


def allow(role: iam.IGrantable, made: Cache | None) -> None:
    """Let a role connect as the cache's user."""
    if made is not None:
        role.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(actions=["elasticache:Connect"], resources=[made.arn, made.user_arn])
        )
