"""What starts an execution: an object that lands in the bucket, told by S3 itself or by CloudTrail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from rowmill.cdk import storage
from rowmill.statemachine import events as patterns

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

    from rowmill.cdk.props import JobProps

KEPT = cdk.Duration.days(14)
TRIED = cdk.Duration.hours(24)


def trigger(scope: Construct, bucket: s3.IBucket, machine: sfn.StateMachine, props: JobProps) -> sqs.Queue | None:
    """Let objects of the bucket start the machine; return the queue of events that could not."""
    if props.trigger == "none":
        return None
    queue = sqs.Queue(
        scope, "NotStarted", enforce_ssl=True, encryption=sqs.QueueEncryption.SQS_MANAGED, retention_period=KEPT
    )
    if props.trigger == "cloudtrail":
        _trail(scope, bucket, props)
    elif not props.input_bucket_tells:
        _tell_eventbridge(bucket, props)
    events.Rule(
        scope,
        "Landed",
        description="An object has landed that starts a run",
        event_pattern=_pattern(_told(bucket, props)),
        targets=[targets.SfnStateMachine(machine, dead_letter_queue=queue, retry_attempts=185, max_event_age=TRIED)],
    )
    return queue


def _told(bucket: s3.IBucket, props: JobProps) -> dict[str, Any]:
    pattern = patterns.cloudtrail if props.trigger == "cloudtrail" else patterns.created
    return pattern(bucket.bucket_name, props.input_prefix, props.input_suffixes)


def _pattern(pattern: dict[str, Any]) -> events.EventPattern:
    return events.EventPattern(source=pattern["source"], detail_type=pattern["detail-type"], detail=pattern["detail"])


def _tell_eventbridge(bucket: s3.IBucket, props: JobProps) -> None:
    """Let the bucket tell EventBridge.

    A new bucket does so by a property of its own. A given one may have notifications by CDK's handler, which writes all
    that a bucket has: so the handler adds this one.
    """
    if props.input_bucket is not None:
        bucket.enable_event_bridge_notification()
        return
    bucket.node.default_child.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )


def _trail(scope: Construct, bucket: s3.IBucket, props: JobProps) -> None:
    trail = cloudtrail.Trail(
        scope,
        "Trail",
        bucket=storage.bucket(scope, "TrailLogs", props),
        is_multi_region_trail=False,
        include_global_service_events=False,
        management_events=cloudtrail.ReadWriteType.NONE,
        enable_file_validation=True,
    )
    trail.add_s3_event_selector(
        [cloudtrail.S3EventSelector(bucket=bucket, object_prefix=props.input_prefix or None)],
        read_write_type=cloudtrail.ReadWriteType.WRITE_ONLY,
    )
