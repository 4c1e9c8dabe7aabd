"""Log groups: each is ours, with an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_logs

if TYPE_CHECKING:
    from constructs import Construct, IConstruct

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


def name_of_its_own(scope: Construct, most: int) -> str:
    """Return a name that nothing else in the account has: not even what a stack of the same name left when it went.

    Args:
        scope: Its path names it.
        most: Characters before the part that is the stack's own.
    """
    readable = cdk.Names.unique_resource_name(scope, max_length=most, separator="-")
    stack = cdk.Fn.select(2, cdk.Fn.split("/", cdk.Stack.of(scope).stack_id))
    return f"{readable}-{cdk.Fn.select(0, cdk.Fn.split('-', stack))}"


def group(scope: Construct, construct: str, props: SharedProps, *, name: str | None = None) -> aws_logs.LogGroup:
    """Return a new log group.

    Args:
        scope: Where it stands.
        construct: What it is called there.
        props: For how long, and what becomes of it.
        name: Where a service asks for one.
    """
    return aws_logs.LogGroup(
        scope,
        construct,
        log_group_name=name,
        retention=RETENTION[props.log_retention_days],
        removal_policy=removal(props),
    )


def of_handlers(scope: Construct, props: SharedProps, *providers: IConstruct | None) -> None:
    """Let CDK's own Lambdas log into a group of ours: Lambda would make groups that have no end and outlive the stack.

    Args:
        scope: Where the group stands.
        props: For how long, and what becomes of it.
        providers: What the Lambdas stand under; None where there is none.
    """
    parts: list[Any] = [part for one in providers if one is not None for part in one.node.find_all()]
    found = [
        part
        for part in parts
        if cdk.CfnResource.is_cfn_resource(part) and part.cfn_resource_type == "AWS::Lambda::Function"
    ]
    if not found:
        return
    told = group(scope, "HandlerLogs", props)
    for one in found:
        one.add_property_override("LoggingConfig.LogGroup", told.log_group_name)


def of_stack_handlers(scope: Construct, props: SharedProps, *names: str) -> None:
    """Do so for Lambdas that CDK has once in a stack, by their names there."""
    stack = cdk.Stack.of(scope).node
    of_handlers(scope, props, *(stack.try_find_child(name) for name in names))
