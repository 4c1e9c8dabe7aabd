"""The table that results are saved in: a new one on demand, a given one, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_dynamodb as dynamodb

from rowmill.cdk import logs

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import JobProps

LEAST_WARM_READS, LEAST_WARM_WRITES = 12_000, 4_000  # what a new table has anyhow, and takes no less


def table(scope: Construct, props: JobProps) -> dynamodb.ITable | None:
    """Return the table, or None if results are saved nowhere."""
    if props.table == "none":
        return None
    if isinstance(props.table, str):
        return dynamodb.Table.from_table_name(scope, "Orders", props.table)
    return props.table or _new(scope, props)


def _new(scope: Construct, props: JobProps) -> dynamodb.Table:
    return dynamodb.Table(
        scope,
        "Orders",
        partition_key=_key(props.table_key),
        sort_key=_key(props.table_sort_key) if props.table_sort_key else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=props.keeps,
        warm_throughput=_warm(props),
        max_write_request_units=props.max_write_units,
        removal_policy=logs.removal(props),
    )


def _key(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _warm(props: JobProps) -> dynamodb.WarmThroughput | None:
    if props.warm_write_units is None:
        return None
    return dynamodb.WarmThroughput(
        read_units_per_second=LEAST_WARM_READS, write_units_per_second=max(LEAST_WARM_WRITES, props.warm_write_units)
    )
