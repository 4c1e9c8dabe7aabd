"""The real state machine on the local AWS, without AWS CDK: a cluster, a namespace, its rights, pods that meet S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.devcloud.cloud import kit

from rowmill import statemachine
from rowmill.devcloud import deploying
from rowmill.kubejobs import Pods
from rowmill.statemachine import rights

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud import Devcloud

JOB, ACCOUNT = "rowmill.examples.orders", "rowmill-pods"


def resources(bucket: str, namespace: str, **more: Any) -> dict[str, Any]:
    """Return what the construct makes of a job, as far as an execution needs it."""
    pods = Pods(
        image="rowmill:1",
        job=JOB,
        workspace=f"s3://{bucket}/work",
        namespace=namespace,
        service_account=ACCOUNT,
        cpu="100m",
        memory="100Mi",
        env={"AWS_REGION": "us-east-1"},
    )
    cluster = statemachine.Cluster("${Cluster}", "${Cluster.Endpoint}", "${Cluster.CertificateAuthorityData}")
    known = {"poll_s": 1, "most_poll_s": 1, "timeout_s": 900, "workers": 2, "rows_per_partition": "500", **more}
    machine = statemachine.Machine(cluster=cluster, pods=pods, bucket=bucket, name="orders", **known)
    tags = {"job": JOB, "input-bucket": bucket, "workspace": pods.workspace, "namespace": namespace, "table": "none"}
    made = kit.cluster()
    made["Entry"]["Properties"]["KubernetesGroups"] = [rights.group(namespace)]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}},
        rights.role(namespace, "call"),
        rights.role_binding(namespace),
    ]
    return {
        **made,
        "Objects": kit.manifest(*objects),
        "PodsRole": kit.role("pods.eks.amazonaws.com"),
        "Pods": kit.resource(
            "AWS::EKS::PodIdentityAssociation",
            ClusterName={"Ref": "Cluster"},
            Namespace=namespace,
            ServiceAccount=ACCOUNT,
            RoleArn=kit.arn("PodsRole"),
        ),
        "In": kit.resource("AWS::S3::Bucket", BucketName=bucket),
        "Machine": kit.resource(
            "AWS::StepFunctions::StateMachine",
            StateMachineName=f"{bucket}-orders",
            DefinitionString={"Fn::Sub": json.dumps(statemachine.definition(machine))},
            RoleArn=kit.arn("MachineRole"),
            Tags=[{"Key": f"rowmill:{name}", "Value": value} for name, value in tags.items()],
        ),
    }


def deploy(cloud: Devcloud, folder: Path, bucket: str, **more: Any) -> str:
    """Deploy it; return the machine's ARN."""
    template = {
        "Resources": resources(bucket, bucket, **more),
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
    }
    assembly = kit.assembly(folder, template, name=f"Stack-{bucket}")
    return deploying.deploy(cloud, assembly).outputs["Machine"]
