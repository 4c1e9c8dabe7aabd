"""What the state machine is made from: a job's properties, and what only the stack knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.kubejobs import Claim, Pods
from rowmill.statemachine import Cluster, Machine

if TYPE_CHECKING:
    from rowmill.cdk.props import JobProps

ACCOUNT = "rowmill-pods"
CLAIM = Claim(name="rowmill-workspace", mount="/workspace")
FOLDER = "rowmill/"  # in the workspace's bucket


class Known(NamedTuple):
    """What a job is given by the stack; in a template most of it are tokens.

    Attributes:
        name: Of the state machine, to be read.
        cluster: Where pods run.
        region: Where all of it is.
        image: What pods run.
        input_bucket: What lands in it starts a run.
        output_bucket: Where outputs go.
        table: The table's name, empty if results are saved nowhere.
        workspace_bucket: With the workspace under `FOLDER`, or empty: it is on the file system.
        tracker: URL of the tracker, or empty.
        split_file: ARN of the Lambda, or empty.
    """

    name: str
    cluster: Cluster
    region: str
    image: str
    input_bucket: str
    output_bucket: str
    table: str
    workspace_bucket: str
    tracker: str
    split_file: str


SAMPLE = Known(
    name="sample",
    cluster=Cluster(name="sample", endpoint="https://sample", certificate="sample"),
    region="eu-west-1",
    image="sample",
    input_bucket="sample-input",
    output_bucket="sample-output",
    table="Sample",
    workspace_bucket="sample-workspace",
    tracker="",
    split_file="sample",
)


def machine(props: JobProps, known: Known) -> Machine:
    """Return what the definition is made from."""
    return Machine(
        name=known.name,
        cluster=known.cluster,
        pods=_pods(props, known),
        bucket=known.input_bucket,
        output=_output(props, known),
        table=table_url(known),
        workers=props.workers,
        rows_per_partition=str(props.max_split_lines),
        fan_out=props.fan_out,
        waiter=props.waiter,
        mode=props.mode,
        poll_s=props.poll_s,
        most_poll_s=props.most_poll_s,
        timeout_s=props.timeout_s,
        split_file=known.split_file,
        workspace_bucket=known.workspace_bucket,
        workspace_prefix=FOLDER if known.workspace_bucket else "",
    )


def workspace_url(known: Known) -> str:
    """Return the workspace as pods see it."""
    return f"s3://{known.workspace_bucket}/{FOLDER.rstrip('/')}" if known.workspace_bucket else CLAIM.mount


def table_url(known: Known) -> str:
    """Return the table's URL, or `none`."""
    return f"dynamodb://{known.region}/{known.table}" if known.table else "none"


def lists_partitions(props: JobProps) -> bool:
    """Return whether the machine needs the Lambda that lists partitions."""
    return props.mode == "parallel" and props.fan_out != "indexed-job"


def _output(props: JobProps, known: Known) -> str:
    beside = props.output_bucket is None and not props.output_prefix
    return "" if beside else f"s3://{known.output_bucket}/{props.output_prefix}"


def _pods(props: JobProps, known: Known) -> Pods:
    tracker = {"ROWMILL_TRACKER": known.tracker, "ROWMILL_TRACKER_AUTH": "iam"} if known.tracker else {}
    return Pods(
        image=known.image,
        job=props.job,
        workspace=workspace_url(known),
        namespace=props.namespace,
        service_account=ACCOUNT,
        claim=None if known.workspace_bucket else CLAIM,
        env={"AWS_REGION": known.region, **tracker},
        cpu=props.cpu,
        memory=props.memory,
        deadline_s=props.timeout_s,
    )
