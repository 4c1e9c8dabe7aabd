"""What a job runs by: its workspace, its pods' role, its objects in the cluster, and its state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import aws_cdk as cdk

from rowmill.cdk import applying, cluster, function, image, interim, machine, objects, outputs, rights, storage, tracker
from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Claim, Pods

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_efs as efs
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

    from rowmill.cdk.platforms import Platform
    from rowmill.cdk.props import JobProps

FOLDER = "rowmill"  # in the workspace's bucket


class Workspace(NamedTuple):
    """Where runs are kept: in a bucket, or on a file system.

    Attributes:
        bucket: With the workspace under `FOLDER`, or None.
        point: The job's folder on the file system, or None.
    """

    bucket: s3.IBucket | None
    point: efs.AccessPoint | None

    @property
    def url(self) -> str:
        """As pods see it."""
        return objects.MOUNT if self.bucket is None else f"s3://{self.bucket.bucket_name}/{FOLDER}"

    @property
    def claim(self) -> Claim | None:
        """What pods mount."""
        return None if self.point is None else Claim(name=objects.CLAIM, mount=objects.MOUNT)


class Places(NamedTuple):
    """What a job reads and writes."""

    input: s3.IBucket
    output: s3.IBucket
    table: dynamodb.ITable | None
    workspace: Workspace


def workspace(scope: Construct, platform: Platform, props: JobProps) -> Workspace:
    """Return the workspace: on the cluster's file system, or in a bucket of its own.

    Raises:
        ConfigurationError: EFS is asked for, and the cluster has none.
    """
    wanted = props.workspace or ("s3" if platform.file_system is None or props.fan_out == "distributed-map" else "efs")
    if wanted == "s3":
        return Workspace(storage.bucket(scope, "Workspace", props), None)
    if platform.file_system is None:
        raise ConfigurationError("workspace is efs, and the cluster has no file system", hint="give workspace='s3'")
    return Workspace(None, storage.access_point(scope, platform.file_system, props.namespace))


def pods_role(scope: Construct, platform: Platform, places: Places, props: JobProps) -> iam.Role:
    """Return the role of the job's pods."""
    role = cluster.pod_identity(
        scope, "Pods", platform.cluster, namespace=props.namespace, service_account=objects.ACCOUNT
    )
    rights.read_input(role, rights.Folder(places.input, props.input_prefix))
    rights.write_output(role, rights.Folder(places.output, props.output_prefix or props.input_prefix))
    if places.workspace.bucket is not None:
        rights.keep_workspace(role, rights.Folder(places.workspace.bucket, f"{FOLDER}/"))
    rights.save_rows(role, places.table)
    tracker.allow(role, platform.cache)
    return role


def state_machine(
    scope: Construct, platform: Platform, places: Places, pods: iam.Role, props: JobProps
) -> sfn.StateMachine:
    """Return the state machine, after what its KubernetesJobs need is there."""
    role = machine.machine_role(scope)
    made = machine.state_machine(scope, asked(scope, platform, places, props), role, props)
    made.node.add_dependency(machine.access(scope, platform.cluster, role, props.namespace))
    rights.ask_executions(pods, made.state_machine_name, cdk.Stack.of(scope))
    _tell(made, places, props)
    told = outputs.outputs(scope, _told(made, places))
    _put_objects(scope, platform, places.workspace, made, told, props)
    return made


def asked(scope: Construct, platform: Platform, places: Places, props: JobProps) -> interim.Machine:
    """Return what the definition is made from."""
    bucket = places.workspace.bucket
    lists = props.mode == "parallel" and props.fan_out != "indexed-job"
    lister = (
        function.split_file(scope, platform, places.workspace.url, places.workspace.point, props) if lists else None
    )
    return interim.Machine(
        cluster=interim.Cluster(
            name=platform.cluster.cluster_name,
            endpoint=platform.cluster.cluster_endpoint,
            certificate=platform.cluster.cluster_certificate_authority_data,
        ),
        pods=_pods(scope, platform, places, props),
        bucket=places.input.bucket_name,
        output=_output(places, props),
        table=_table_url(places),
        workers=props.workers,
        rows_per_partition=str(props.max_split_lines),
        fan_out=props.fan_out,
        waiter=props.waiter,
        mode=props.mode,
        poll_s=props.poll_s,
        most_poll_s=props.most_poll_s,
        timeout_s=props.timeout_s,
        split_file="" if lister is None else lister.function_arn,
        workspace_bucket="" if bucket is None else bucket.bucket_name,
        workspace_prefix="" if bucket is None else FOLDER,
        name=cdk.Names.unique_resource_name(scope, max_length=60, separator="-"),
    )


def _pods(scope: Construct, platform: Platform, places: Places, props: JobProps) -> Pods:
    env = {"AWS_REGION": cdk.Aws.REGION}
    if platform.cache is not None:
        env |= {"ROWMILL_TRACKER": platform.cache.url, "ROWMILL_TRACKER_AUTH": "iam"}
    return Pods(
        image=image.image(scope, props),
        job=props.job,
        workspace=places.workspace.url,
        namespace=props.namespace,
        service_account=objects.ACCOUNT,
        claim=places.workspace.claim,
        env=env,
        cpu=props.cpu,
        memory=props.memory,
        deadline_s=props.timeout_s,
    )


def _output(places: Places, props: JobProps) -> str:
    if props.output_bucket is None and not props.output_prefix:
        return ""
    return f"s3://{places.output.bucket_name}/{props.output_prefix}"


def _table_url(places: Places) -> str:
    return "none" if places.table is None else f"dynamodb://{cdk.Aws.REGION}/{places.table.table_name}"


def _tell(made: sfn.StateMachine, places: Places, props: JobProps) -> None:
    """Put on the state machine what `rowmill run --on stepfunctions` looks for."""
    told = {
        "job": props.job,
        "workspace": places.workspace.url,
        "table": _table_url(places),
        "input-bucket": places.input.bucket_name,
        "namespace": props.namespace,
    }
    for name, value in told.items():
        cdk.Tags.of(made).add(f"rowmill:{name}", value)


def _told(made: sfn.StateMachine, places: Places) -> dict[str, str]:
    told = {"InputBucketName": places.input.bucket_name, "StateMachineArn": made.state_machine_arn}
    told["OutputBucketName"] = places.output.bucket_name
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
    found = objects.job_objects(props.namespace, interim.RULES, volume)
    if props.kubernetes_objects == "apply":
        there = applying.applied(scope, "Objects", platform.cluster, found)
        made.node.add_dependency(there)
        # Its nodes and the file system's driver go after it, so that the namespace can end.
        there.node.add_dependency(platform.cluster, *([] if platform.file_system is None else [platform.file_system]))
    else:
        known = {} if volume is None else dict(zip(volume, (told["FileSystemId"], told["AccessPointId"]), strict=True))
        applying.rendered(scope, "Objects", found, known)
