"""Alarms: a run that failed, an event that started none, a table that takes no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions

if TYPE_CHECKING:
    from aws_cdk.aws_dynamodb import ITable
    from aws_cdk.aws_sns import ITopic
    from aws_cdk.aws_sqs import Queue
    from aws_cdk.aws_stepfunctions import StateMachine
    from constructs import Construct

FIVE_MINUTES = cdk.Duration.minutes(5)
THROTTLED_PERIODS = 3  # a run slows down for a moment, which is no trouble


def alarms(
    scope: Construct, machine: StateMachine, queue: Queue | None, table: ITable | None, topic: ITopic | None
) -> None:
    """Add the alarms, and tell the topic of them if there is one."""
    metrics: dict[str, tuple[cloudwatch.IMetric, int]] = {
        "Failed": (machine.metric_failed(period=FIVE_MINUTES), 1),
        "TimedOut": (machine.metric_timed_out(period=FIVE_MINUTES), 1),
        "Aborted": (machine.metric_aborted(period=FIVE_MINUTES), 1),
    }
    if queue is not None:
        waiting = queue.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Maximum")
        metrics["EventsNotStarted"] = (waiting, 1)
    if table is not None:
        metrics["WritesThrottled"] = (_throttled(table), THROTTLED_PERIODS)
    for name, (metric, periods) in metrics.items():
        alarm = cloudwatch.Alarm(
            scope,
            f"{name}Alarm",
            metric=metric,
            threshold=1,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if topic is not None:
            alarm.add_alarm_action(actions.SnsAction(topic))


def _throttled(table: ITable) -> cloudwatch.IMetric:
    return cloudwatch.Metric(
        namespace="AWS/DynamoDB",
        metric_name="WriteThrottleEvents",
        dimensions_map={"TableName": table.table_name},
        statistic="Sum",
        period=FIVE_MINUTES,
    )
