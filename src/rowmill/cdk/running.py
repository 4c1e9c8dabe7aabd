"""What a job runs by: its workspace, its pods' role, its objects in the cluster, and its state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import aws_cdk as cdk

from rowmill.cdk import (
    applying,
    asked,
    cluster,
    function,
    image,
    machine,
    objects,
    outputs,
    rights,
    storage,
    tracker,
)
from rowmill.statemachine import Cluster

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_efs as efs
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

    from rowmill.cdk.platforms import Platform
    from rowmill.cdk.props import JobProps


class Workspace(NamedTuple):
    """Where runs are kept: in a bucket, or on a file system.

    Attributes:
        bucket: Or None.
        point: The job's folder on the file system, or None.
    """

    bucket: s3.IBucket | None
    point: efs.AccessPoint | None


class Places(NamedTuple):
    """What a job reads and writes."""

    input: s3.IBucket
    output: s3.IBucket
    table: dynamodb.ITable | None
    workspace: Workspace


def workspace(scope: Construct, platform: Platform, props: JobProps) -> Workspace:
    """Return the workspace: on the cluster's file system, or in a bucket of its own."""
    if platform.file_system is None or props.workspace == "s3" or props.fan_out == "distributed-map":
        return Workspace(storage.bucket(scope, "Workspace", props, days=props.workspace_days), None)
    return Workspace(None, storage.access_point(scope, platform.file_system, props.namespace))


def pods_role(scope: Construct, platform: Platform, places: Places, props: JobProps) -> iam.Role:
    """Return the role of the job's pods."""
    role = cluster.pod_identity(
        scope, "Pods", platform.cluster, namespace=props.namespace, service_account=asked.ACCOUNT
    )
    rights.read_input(role, rights.Folder(places.input, props.input_prefix))
    rights.write_output(role, rights.Folder(places.output, props.output_prefix or props.input_prefix))
    if places.workspace.bucket is not None:
        rights.keep_workspace(role, rights.Folder(places.workspace.bucket, asked.FOLDER))
    rights.save_rows(role, places.table)
    tracker.allow(role, platform.cache)
    return role


def state_machine(
    scope: Construct, platform: Platform, places: Places, pods: iam.Role, props: JobProps
) -> sfn.StateMachine:
    """Return the state machine, after what its KubernetesJobs need is there."""
    lister = _lister(scope, platform, places, props)
    known = _known(scope, platform, places, lister, props)
    made_from = asked.machine(props, known)
    role = machine.machine_role(scope)
    made = machine.state_machine(scope, made_from, role, props)
    machine.allow(scope, made_from, made, role, pods)
    if lister is not None:
        machine.allow_split_file(lister, made_from)
    made.node.add_dependency(machine.access(scope, platform.cluster, role, props.namespace))
    _tag(made, known, props)
    told = outputs.outputs(scope, _told(made, places))
    _put_objects(scope, platform, places.workspace, made, told, props)
    return made


def _lister(scope: Construct, platform: Platform, places: Places, props: JobProps) -> lambda_.Function | None:
    if not asked.lists_partitions(props):
        return None
    bucket = places.workspace.bucket
    return function.split_file(
        scope, platform, "" if bucket is None else bucket.bucket_name, places.workspace.point, props
    )


def _known(
    scope: Construct, platform: Platform, places: Places, lister: lambda_.Function | None, props: JobProps
) -> asked.Known:
    bucket = places.workspace.bucket
    return asked.Known(
        name=cdk.Names.unique_resource_name(scope, max_length=60, separator="-"),
        cluster=Cluster(
            name=platform.cluster.cluster_name,
            endpoint=platform.cluster.cluster_endpoint,
            certificate=platform.cluster.cluster_certificate_authority_data,
        ),
        region=cdk.Aws.REGION,
        image=image.image(scope, props),
        input_bucket=places.input.bucket_name,
        output_bucket=places.output.bucket_name,
        table="" if places.table is None else places.table.table_name,
        workspace_bucket="" if bucket is None else bucket.bucket_name,
        tracker="" if platform.cache is None else platform.cache.url,
        split_file="" if lister is None else lister.function_arn,
    )


def _tag(made: sfn.StateMachine, known: asked.Known, props: JobProps) -> None:
    """Put on the state machine what `rowmill run --on stepfunctions` looks for."""
    told = {
        "job": props.job,
        "workspace": asked.workspace_url(known),
        "table": asked.table_url(known),
        "input-bucket": known.input_bucket,
        "namespace": props.namespace,
        "cluster": known.cluster.name,
    }
    for name, value in told.items():
        cdk.Tags.of(made).add(f"rowmill:{name}", value)


def _told(made: sfn.StateMachine, places: Places) -> dict[str, str]:
    told = {
        "InputBucketName": places.input.bucket_name,
        "OutputBucketName": places.output.bucket_name,
        "StateMachineArn": made.state_machine_arn,
    }
    if places.table is not None:
        told["TableName"] = places.table.table_name
    if places.workspace.bucket is not None:
        told["WorkspaceBucketName"] = places.workspace.bucket.bucket_name
    if places.workspace.point is not None:
        told["FileSystemId"] = places.workspace.point.file_system.file_system_id
        told["AccessPointId"] = places.workspace.point.access_point_id
    return told


def _put_objects(
    scope: Construct,
    platform: Platform,
    kept: Workspace,
    made: sfn.StateMachine,
    told: dict[str, str],
    props: JobProps,
) -> None:
    volume = None
    if kept.point is not None:
        volume = objects.Volume(kept.point.file_system.file_system_id, kept.point.access_point_id)
    found = objects.job_objects(props.namespace, props.waiter, volume)
    if props.kubernetes_objects == "render":
        known = {} if volume is None else dict(zip(volume, (told["FileSystemId"], told["AccessPointId"]), strict=True))
        applying.rendered(scope, "Objects", found, known)
        return
    there = applying.applied(scope, "Objects", platform.cluster, found)
    made.node.add_dependency(there)
    # The cluster's nodes and the file system's driver go after it, so that the namespace can end.
    there.node.add_dependency(platform.cluster, *([] if platform.file_system is None else [platform.file_system]))
