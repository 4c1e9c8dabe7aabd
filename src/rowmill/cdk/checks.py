"""Rules for what the constructs take, each with a plain message."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowmill.cdk import asked
from rowmill.errors import ConfigurationError
from rowmill.statemachine import definition, events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.cdk.props import ClusterProps, JobProps, Props, SharedProps

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)  # what CloudWatch has
VERSIONS = ("1.35", "1.36")  # one minor around the layer of kubectl that goes along
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
BUCKET = re.compile(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]")
TABLE = re.compile(r"[-._a-zA-Z0-9]{3,255}")
QUANTITY = re.compile(r"[1-9][0-9]*(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
INSTANCE = re.compile(r"(?P<family>[a-z][a-z0-9-]*)\.(?P<size>medium|large|(?P<times>[0-9]*)xlarge)")
ARN = re.compile(r"arn:[-a-z]+:iam::[0-9]{12}:(role|user)/.+")
GRAVITON = re.compile(r"([a-z]+[0-9]+g[a-z0-9]*|a1)\.")
RESERVED = ("default", "kube-system", "kube-public", "kube-node-lease")


@contextmanager
def with_hints() -> Iterator[None]:
    """Let a refusal show its way out where Python, and no command of ours, prints it."""
    try:
        yield
    except ConfigurationError as error:
        if not hasattr(error, "__notes__"):
            error.add_note(f"next: {error.hint}")
        raise


def removal(policy: object) -> str:
    """Return the name of a removal policy, whether it is CDK's own or a word."""
    return str(getattr(policy, "name", policy)).upper()


def vcpus(instance_type: str) -> int:
    """Return how many virtual CPUs an instance type has, by its size.

    Raises:
        ConfigurationError: Its size does not say.
    """
    found = INSTANCE.fullmatch(instance_type)
    if found is None:
        raise ConfigurationError(
            f"instance_types has {instance_type!r}, whose number of CPUs is not known",
            hint="take a size from medium to 48xlarge, as m6i.large",
        )
    if found["size"] in ("medium", "large"):
        return 1 if found["size"] == "medium" and not found["family"].startswith("t") else 2
    return 4 * int(found["times"] or 1)


def shared(props: SharedProps) -> None:
    """Check what cluster and job both go by."""
    _one_of("architecture", props.architecture, ("x86_64", "arm64"))
    _one_of("kubernetes_objects", props.kubernetes_objects, ("apply", "render"))
    _one_of("removal_policy", removal(props.removal_policy), ("RETAIN", "DESTROY"))
    if props.log_retention_days not in RETENTIONS:
        raise ConfigurationError(
            f"log_retention_days is {props.log_retention_days!r}, which CloudWatch does not have",
            hint=f"take one of {', '.join(map(str, RETENTIONS))}",
        )


def cluster(props: ClusterProps) -> None:
    """Check a cluster."""
    _one_of("compute", props.compute, ("nodegroup", "auto"))
    _one_of("cache", props.cache, ("serverless", "none"))
    _one_of("capacity_type", props.capacity_type, ("on-demand", "spot"))
    _one_of("kubernetes_version", props.kubernetes_version, VERSIONS)
    _whole("nat_gateways", props.nat_gateways, least=0)
    _nodes(props)
    _instances(props)
    for arn in props.admin_principals:
        if not ARN.fullmatch(arn):
            raise ConfigurationError(
                f"admin_principals has {arn!r}, which is no ARN of a role or user",
                hint="write arn:aws:iam::123456789012:role/Admin",
            )
    if props.lean and (props.compute != "auto" or props.file_system or props.cache != "none"):
        raise ConfigurationError(
            "lean has no node group, no file system and no cache", hint="leave lean out, or what contradicts it"
        )
    if props.vpc is None and props.nat_gateways == 0:
        raise ConfigurationError(
            "nat_gateways is 0: nodes in private subnets would reach neither EKS nor the image",
            hint="take 1, or give a vpc that has its own way out",
        )


def _nodes(props: ClusterProps) -> None:
    for name in ("min_nodes", "desired_nodes"):
        _whole(name, getattr(props, name), least=0)
    _whole("max_nodes", props.max_nodes, least=1)
    least, first, most = props.min_nodes or 0, props.desired_nodes or 0, props.max_nodes
    if props.compute == "auto":
        if least or first:
            raise ConfigurationError(
                "compute is auto: it starts nodes when pods wait, so that min_nodes and desired_nodes are 0",
                hint="leave both out, and give max_nodes",
            )
    elif not least <= first <= most:
        raise ConfigurationError(
            f"min_nodes {least} <= desired_nodes {first} <= max_nodes {most} does not hold",
            hint="give all three, in this order",
        )


def _instances(props: ClusterProps) -> None:
    sizes = {vcpus(one) for one in props.instance_types}
    if props.compute == "auto" and len(sizes) > 1:
        raise ConfigurationError(
            f"max_nodes counts by CPUs, and instance_types {', '.join(props.instance_types)} have different ones",
            hint="give types of one size with compute='auto'",
        )
    for one in props.instance_types:
        if bool(GRAVITON.match(one)) != (props.architecture == "arm64"):
            raise ConfigurationError(
                f"instance_types has {one!r}, which is not {props.architecture}",
                hint=f"give architecture={'x86_64' if props.architecture == 'arm64' else 'arm64'!r}, or another type",
            )


def job(props: JobProps) -> None:
    """Check a job: by its state machine and its trigger too, which have rules of their own."""
    _one_of("trigger", props.trigger, ("eventbridge", "cloudtrail", "none"))
    if props.workspace is not None:
        _one_of("workspace", props.workspace, ("efs", "s3"))
    for name, least in (("max_split_lines", 1), ("workers", 1), ("poll_s", 1), ("most_poll_s", 1), ("timeout_s", 60)):
        _whole(name, getattr(props, name), least=least)
    if props.fan_out == "distributed-map" and props.workspace == "efs":
        raise ConfigurationError(
            "distributed-map reads its list from S3, and the workspace is on EFS", hint="give workspace='s3'"
        )
    if props.workspace_days is not None:
        _whole("workspace_days", props.workspace_days, least=1)
        if props.workspace == "efs":
            raise ConfigurationError(
                "workspace_days is for S3, and the workspace is on EFS", hint="give workspace='s3'"
            )
    _places(props)
    _table(props)
    _code(props)
    _pods(props)
    definition(asked.machine(props, asked.SAMPLE))
    events.created("sample", props.input_prefix, props.input_suffixes)


def _pods(props: JobProps) -> None:
    for name in ("cpu", "memory"):
        if not QUANTITY.fullmatch(getattr(props, name)):
            raise ConfigurationError(
                f"{name} is {getattr(props, name)!r}, which is no quantity",
                hint="write 500m, 2, 1Gi, as Kubernetes does",
            )
    if not NAMESPACE.fullmatch(props.namespace) or props.namespace in RESERVED:
        raise ConfigurationError(
            f"namespace is {props.namespace!r}; pods have one of their own",
            hint="up to 40 small letters, digits and -, as orders",
        )


def _places(props: JobProps) -> None:
    if props.input_bucket_tells and props.input_bucket is None:
        raise ConfigurationError(
            "input_bucket_tells is for a given bucket, and a new one is made", hint="leave it out, or give input_bucket"
        )
    for name in ("input_bucket", "output_bucket"):
        given = getattr(props, name)
        if isinstance(given, str) and not BUCKET.fullmatch(given):
            raise ConfigurationError(f"{name} is {given!r}, which is no bucket's name", hint="without s3:// and prefix")
    for name in ("input_prefix", "output_prefix"):
        given = getattr(props, name)
        if given.startswith("/") or (given and not given.endswith("/")) or set(given) & set("*?\\"):
            raise ConfigurationError(
                f"{name} is {given!r}", hint="write it as incoming/, with / at its end and without * and ?"
            )
    if not isinstance(props.input_suffixes, tuple) or not props.input_suffixes:
        raise ConfigurationError("input_suffixes must name at least one", hint="write input_suffixes=('.csv',)")
    for suffix in props.input_suffixes:
        if set(suffix) & set("*?\\/"):
            raise ConfigurationError(
                f"input_suffixes has {suffix!r}", hint="write what names end in, as '.csv', without * and ?"
            )


def _table(props: JobProps) -> None:
    if isinstance(props.table, str) and props.table != "none" and not TABLE.fullmatch(props.table):
        raise ConfigurationError(
            f"table is {props.table!r}, which is no DynamoDB table's name", hint="give its name, not its ARN or URL"
        )
    if not props.table_key:
        raise ConfigurationError("table_key is empty", hint="name the column of Table(key=…), or give table='none'")
    for name in ("warm_write_units", "max_write_units"):
        value = getattr(props, name)
        if value is not None:
            _whole(name, value, least=1)
            if props.table is not None:
                raise ConfigurationError(f"{name} is for a new table, and table is given", hint=f"leave {name} out")


def _code(props: JobProps) -> None:
    if props.job_folder is None:
        return
    if props.image is not None:
        raise ConfigurationError(
            "image is there already, and job_folder would be put into one that is built", hint="give one of both"
        )
    if not Path(props.job_folder).is_dir():
        raise ConfigurationError(f"there is no folder {props.job_folder}", hint="job_folder is the folder with the job")
    file = props.job.partition(":")[0]
    if file.startswith("/job/") and not (Path(props.job_folder) / file.removeprefix("/job/")).is_file():
        raise ConfigurationError(
            f"job is {props.job}, and {props.job_folder} has no {file.removeprefix('/job/')}",
            hint="name a file of the folder as /job/FILE.py",
        )


def together(props: Props) -> None:
    """Check what cluster and job say of each other."""
    if props.workspace == "efs" and not props.file_system:
        raise ConfigurationError("workspace is efs, and the cluster has no file system", hint="give workspace='s3'")


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}", hint=f"take one of {', '.join(allowed)}")


def _whole(name: str, value: Any, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} is {value!r}", hint=f"give a whole number of at least {least:,}")
