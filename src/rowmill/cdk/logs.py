"""Log groups: each is ours, with an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_logs

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import SharedProps

RETENTION = {
    days: getattr(aws_logs.RetentionDays, name)
    for days, name in {
        1: "ONE_DAY",
        3: "THREE_DAYS",
        5: "FIVE_DAYS",
        7: "ONE_WEEK",
        14: "TWO_WEEKS",
        30: "ONE_MONTH",
        60: "TWO_MONTHS",
        90: "THREE_MONTHS",
        120: "FOUR_MONTHS",
        150: "FIVE_MONTHS",
        180: "SIX_MONTHS",
        365: "ONE_YEAR",
        400: "THIRTEEN_MONTHS",
        545: "EIGHTEEN_MONTHS",
        731: "TWO_YEARS",
        1096: "THREE_YEARS",
        1827: "FIVE_YEARS",
        3653: "TEN_YEARS",
    }.items()
}


def removal(props: SharedProps) -> cdk.RemovalPolicy:
    """Return what becomes of data when the stack goes."""
    return cdk.RemovalPolicy.RETAIN if props.keeps else cdk.RemovalPolicy.DESTROY


def group(scope: Construct, name: str, props: SharedProps, *, prefix: str = "") -> aws_logs.LogGroup:
    """Return a new log group.

    Args:
        scope: Where it stands.
        name: In the scope.
        props: For how long, and what becomes of it.
        prefix: Of its name, where a service asks for one; the name is then unique in the account.
    """
    unique = cdk.Names.unique_resource_name(scope, max_length=100, separator="-") if prefix else None
    return aws_logs.LogGroup(
        scope,
        name,
        log_group_name=f"{prefix}{unique}" if unique else None,
        retention=RETENTION[props.log_retention_days],
        removal_policy=removal(props),
    )
