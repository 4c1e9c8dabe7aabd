"""The definitions as AWS CDK synthesises them, with plain values where only a deployed stack knows."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.statemachine.machines import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "rowmill:0.1"
PER_PARTITION = 100
REGION = "us-east-1"


def definitions(folder: Path, endpoint: str, env: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return each shape's definition.

    Args:
        folder: Where templates are written.
        endpoint: Of the cluster.
        env: What pods are told besides: where AWS is, and who they are to it, which Pod Identity does there.
    """
    os.environ |= {"CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    import aws_cdk as cdk  # noqa: PLC0415 - after the environment is set

    app = cdk.App(outdir=str(folder))
    for shape in SHAPES:
        _stack(app, shape, endpoint)
    app.synth()
    made = {shape: _definition(folder / f"{shape}.template.json", shape) for shape in SHAPES}
    for container in _containers(list(made.values())):
        container["env"] += [{"name": name, "value": value} for name, value in env.items()]
    return made


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from value.get("containers", ())
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _containers(one)


def _stack(app: Any, shape: str, endpoint: str) -> None:
    import aws_cdk as cdk  # noqa: PLC0415
    from aws_cdk import aws_ec2, aws_eks_v2  # noqa: PLC0415

    from rowmill.cdk import JobProps, Platform, RowmillJob  # noqa: PLC0415 - Node starts

    stack = cdk.Stack(app, shape)
    vpc = aws_ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["a", "b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )
    cluster = aws_eks_v2.Cluster.from_cluster_attributes(
        stack,
        "Cluster",
        cluster_name="small",
        cluster_endpoint=endpoint,
        cluster_certificate_authority_data="Y2E=",
        vpc=vpc,
    )
    fan_out, _, waiter = shape.rpartition("-")
    chosen = {"mode": "sequential"} if shape == "sequential" else {"fan_out": fan_out, "waiter": waiter}
    props = JobProps(
        image=IMAGE,
        kubernetes_objects="render",
        workspace="s3",
        input_bucket=f"in-{shape}",
        output_bucket=f"out-{shape}",
        output_prefix="done/",
        table="Orders",
        max_split_lines=PER_PARTITION,
        workers=2,
        cpu="50m",
        memory="256Mi",
        **chosen,
    )
    RowmillJob(stack, "Orders", Platform(cluster=cluster, vpc=vpc), props)


def _definition(file: Path, shape: str) -> dict[str, Any]:
    resources = json.loads(file.read_bytes())["Resources"].values()
    (machine,) = [one for one in resources if one["Type"] == "AWS::StepFunctions::StateMachine"]
    found: dict[str, Any] = json.loads(_plain(machine["Properties"]["DefinitionString"], shape))
    return found


def _plain(value: Any, shape: str) -> str:
    """Return a text of the template with its references filled in."""
    if isinstance(value, str):
        return value
    ((kind, given),) = value.items()
    if kind == "Fn::Join":
        return str(given[0]).join(_plain(part, shape) for part in given[1])
    if kind == "Fn::GetAtt":
        assert given[1] == "Arn", given
        return f"arn:aws:lambda:{REGION}:123456789012:function:split-file"
    assert kind == "Ref", value
    return {"AWS::Region": REGION, "AWS::Partition": "aws"}.get(given) or f"work-{shape}"
