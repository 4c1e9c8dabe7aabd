"""Stacks by hand: small assemblies as `cdk synth` leaves them, and executions of their state machines."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3

from rowmill.devcloud import deploying

HANGS_S = 60.0
NAMESPACE = "tried"
GROUP = "tried:machine"
BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
RULES = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
]
CLUSTER = {
    "ClusterName": {"Ref": "Cluster"},
    "Endpoint": {"Fn::GetAtt": ["Cluster", "Endpoint"]},
    "CertificateAuthority": {"Fn::GetAtt": ["Cluster", "CertificateAuthorityData"]},
}


class NeverSo(AssertionError):  # noqa: N818 - it reads as a sentence
    """What a test waited for did not come."""


def assembly(folder, template, *, name="Tried", files=None, images=None):
    """Write an assembly of one stack; `files` and `images` are folders by hash."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.template.json").write_text(json.dumps(template))
    sources = {key: {"path": str(path), "packaging": "zip"} for key, path in (files or {}).items()}
    sources["template"] = {"path": f"{name}.template.json", "packaging": "file"}
    endings = {key: "json" if key == "template" else "zip" for key in sources}
    assets = {
        "files": {
            key: {"source": source, "destinations": {"x": {"bucketName": BUCKET, "objectKey": f"{key}.{endings[key]}"}}}
            for key, source in sources.items()
        },
        "dockerImages": {
            key: {
                "source": {"directory": str(path)},
                "destinations": {"x": {"repositoryName": "images-${AWS::Region}", "imageTag": key}},
            }
            for key, path in (images or {}).items()
        },
    }
    (folder / f"{name}.assets.json").write_text(json.dumps(assets))
    properties = {
        "templateFile": f"{name}.template.json",
        "stackTemplateAssetObjectUrl": f"s3://{BUCKET}/template.json",
    }
    artifacts = {
        f"{name}.assets": {"type": "cdk:asset-manifest", "properties": {"file": f"{name}.assets.json"}},
        name: {"type": "aws:cloudformation:stack", "properties": properties, "dependencies": [f"{name}.assets"]},
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


def resource(sort: str, **properties) -> dict[str, Any]:
    return {"Type": sort, "Properties": properties}


def role(service: str) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return resource("AWS::IAM::Role", AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [allowed]})


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def cluster() -> dict[str, Any]:
    """Return a cluster, and a role for state machines that the cluster knows as `GROUP`."""
    network = {"SubnetIds": ["subnet-1", "subnet-2"]}
    return {
        "ClusterRole": role("eks.amazonaws.com"),
        "Cluster": resource("AWS::EKS::Cluster", RoleArn=arn("ClusterRole"), ResourcesVpcConfig=network),
        "MachineRole": role("states.amazonaws.com"),
        "Entry": resource(
            "AWS::EKS::AccessEntry",
            ClusterName={"Ref": "Cluster"},
            PrincipalArn=arn("MachineRole"),
            KubernetesGroups=[GROUP],
        ),
    }


def objects(*more, rules=RULES) -> dict[str, Any]:
    """Return the kubectl provider's resource: a namespace, what `GROUP` may do in it, and more."""
    meta = {"namespace": NAMESPACE, "name": "machine"}
    rbac = "rbac.authorization.k8s.io"
    found = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "machine"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": GROUP}],
        },
        *more,
    ]
    return manifest(*found)


def manifest(*found, **properties) -> dict[str, Any]:
    text = found[0] if len(found) == 1 and "Fn::Sub" in found[0] else json.dumps(found)
    return resource(
        "Custom::AWSCDK-EKS-KubernetesResource", Manifest=text, ClusterName={"Ref": "Cluster"}, **properties
    )


def machine(states: dict[str, Any], role_name="MachineRole") -> dict[str, Any]:
    """Return a state machine; the first state begins."""
    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
    return resource("AWS::StepFunctions::StateMachine", Definition=definition, RoleArn=arn(role_name))


def asked(**arguments) -> dict[str, Any]:
    """Return a state that sends what its input says to the cluster; other arguments are as given."""
    wanted = {**CLUSTER, "Method": "{% $states.input.Method %}", "Path": "{% $states.input.Path %}"}
    wanted |= {"QueryParameters": "{% $states.input.Query %}", "RequestBody": "{% $states.input.Body %}"}
    return {"Type": "Task", "Resource": "arn:aws:states:::eks:call", "Arguments": wanted | arguments, "End": True}


class Stack:
    """A deployed stack and what tests do with it."""

    def __init__(self, cloud, deployed: deploying.Deployed) -> None:
        self.cloud, self.deployed = cloud, deployed

    def client(self, service: str):
        env = self.cloud.env
        keys = {"aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"]}
        region = self.deployed.region
        return boto3.client(service, endpoint_url=self.cloud.endpoint, region_name=region, **keys)

    def started(self, output: str, given: Any, name: str = "") -> str:
        arn = self.deployed.outputs[output]
        named = {"name": name} if name else {}
        return self.client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(given), **named)[
            "executionArn"
        ]

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait until an execution has ended; return how."""
        states, end = self.client("stepfunctions"), time.monotonic() + HANGS_S
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > end:
                raise NeverSo(f"{execution} does not end")
            time.sleep(0.02)
        return found

    def executed(self, output: str, given: Any) -> Any:
        """Execute a machine; return its output."""
        found = self.ended(self.started(output, given))
        assert found["status"] == "SUCCEEDED", (found.get("error"), found.get("cause"))
        return json.loads(found["output"])

    def failure(self, output: str, given: Any) -> str:
        """Execute a machine that fails; return its error."""
        found = self.ended(self.started(output, given))
        assert found["status"] == "FAILED"
        return found["error"]


def deployed(cloud, folder, template, **more) -> Stack:
    region = more.pop("region", "")
    return Stack(cloud, deploying.deploy(cloud, assembly(folder, template, **more), region=region))


def called(method, path, body=None, **query) -> dict[str, Any]:
    return {"Method": method, "Path": path, "Query": query, "Body": body}


def job(command, name=None, image="busybox", **spec) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": ["sh", "-c", command]}
    pod = {"restartPolicy": "Never", "containers": [container], **spec}
    meta = {"name": name} if name else {"generateName": "tried-"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
