"""Deploy what `cdk synth` made onto the local AWS, as `cdk deploy` does: assets, then the unchanged template."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.devcloud.kubernetes.kubelet import images
from rowmill.errors import ConfigurationError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowmill.devcloud import Devcloud

JOB = "/job"
BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
VERSION = "32"
ACCOUNT = "000000000000"
STACK = "aws:cloudformation:stack"
WAIT_S, MOST_WAITS = 0.1, 3_000
NO_CHANGE = "No updates are to be performed"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
MOST_SAID = 400
NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")


class Deployed(msgspec.Struct, frozen=True):
    """A stack that was deployed.

    Attributes:
        name: The stack's.
        region: Where it is.
        outputs: Its outputs by name.
    """

    name: str
    region: str
    outputs: dict[str, str]


def deploy(cloud: Devcloud, folder: str | Path, stack: str = "", *, region: str = "") -> Deployed:
    """Deploy a stack of a CDK assembly onto a local AWS; one that is there is updated.

    Args:
        cloud: The local AWS.
        folder: What `cdk synth` made, `cdk.out`.
        stack: The stack; empty = the only one.
        region: Where; empty = where the stack is said to be, or the local AWS' usual one.

    Raises:
        ConfigurationError: The folder is no assembly, or has another stack.
        StateError: CloudFormation refuses it; its first reason is told.
    """
    artifacts = _artifacts(Path(folder))
    name, artifact = _chosen(artifacts, stack, folder)
    said = str(artifact.get("environment", "")).rpartition("/")[2]
    where = region or (said if said and not said.startswith("unknown") else cloud.env["AWS_REGION"])
    clients = _clients(cloud, where)
    _bootstrap(clients, where)
    for assets in _assets(Path(folder), artifact, artifacts):
        _upload(clients["s3"], Path(folder), assets, where)
        _register_images(cloud, Path(folder), assets, where)
    stack_name = str(artifact["properties"].get("stackName", name))
    template = _placed(artifact["properties"]["stackTemplateAssetObjectUrl"], where).removeprefix("s3:/")
    return Deployed(stack_name, where, _applied(clients["cloudformation"], stack_name, cloud.endpoint + template))


def remove(cloud: Devcloud, deployed: Deployed) -> None:
    """Delete a stack, and wait until it is gone.

    Raises:
        StateError: CloudFormation cannot delete all of it.
    """
    client = _clients(cloud, deployed.region)["cloudformation"]
    stack = client.describe_stacks(StackName=deployed.name)["Stacks"][0]["StackId"]
    client.delete_stack(StackName=stack)
    _wait(client, "stack_delete_complete", stack)


def _artifacts(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(
            f"{folder} is no CDK assembly: it has no manifest.json that reads", hint="give the folder of cdk synth"
        ) from None
    return found


def _chosen(artifacts: dict[str, Any], stack: str, folder: str | Path) -> tuple[str, dict[str, Any]]:
    stacks = {name: artifact for name, artifact in artifacts.items() if artifact["type"] == STACK}
    names = ", ".join(sorted(stacks)) or "none"
    if stack and stack not in stacks:
        raise ConfigurationError(f"{folder} has no stack {stack}", hint=f"it has {names}")
    if not stack and len(stacks) != 1:
        raise ConfigurationError(f"{folder} has not one stack but these: {names}", hint="name the one to deploy")
    name = stack or next(iter(stacks))
    return name, stacks[name]


def _clients(cloud: Devcloud, region: str) -> dict[str, Any]:
    try:
        import boto3  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("what deploys speaks AWS by boto3", hint="pip install 'rowmill[aws]'") from None
    keys = {"aws_access_key_id": cloud.env["AWS_ACCESS_KEY_ID"], "region_name": region}
    session = boto3.Session(**keys, aws_secret_access_key=cloud.env["AWS_SECRET_ACCESS_KEY"])
    names = ("s3", "ssm", "cloudformation")
    return {name: session.client(name, endpoint_url=cloud.endpoint) for name in names}


def _bootstrap(clients: Mapping[str, Any], region: str) -> None:
    """Make what `cdk bootstrap` makes, as far as a deployment looks at it."""
    clients["ssm"].put_parameter(Name=BOOTSTRAP, Value=VERSION, Type="String", Overwrite=True)
    placed = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{region}"
    if bucket not in {one["Name"] for one in clients["s3"].list_buckets()["Buckets"]}:
        clients["s3"].create_bucket(Bucket=bucket, **placed)


def _assets(folder: Path, artifact: dict[str, Any], artifacts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in artifact.get("dependencies", ()):
        if artifacts[name]["type"] == "cdk:asset-manifest":
            yield json.loads((folder / artifacts[name]["properties"]["file"]).read_text(encoding="utf-8"))


def _placed(text: str, region: str) -> str:
    known = {"AccountId": ACCOUNT, "Region": region, "Partition": "aws"}
    return re.sub(r"\$\{AWS::(\w+)\}", lambda found: known[found[1]], text)


def _upload(s3: Any, folder: Path, assets: dict[str, Any], region: str) -> None:
    for asset in assets.get("files", {}).values():
        body = _packed(folder / asset["source"]["path"], asset["source"]["packaging"])
        for place in asset["destinations"].values():
            s3.put_object(Bucket=_placed(place["bucketName"], region), Key=place["objectKey"], Body=body)


def _packed(path: Path, packaging: str) -> bytes:
    """Return an asset's bytes; a folder becomes a zip that is the same each time."""
    if packaging == "file":
        return path.read_bytes()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(path)), FIRST_DAY)
            entry.external_attr = (file.stat().st_mode & 0xFFFF) << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _register_images(cloud: Devcloud, folder: Path, assets: dict[str, Any], region: str) -> None:
    """Tell the node what the assembly's images are: this environment, with the folder that goes to /job."""
    file = Path(cloud.kubeconfig).with_name(images.REGISTRY)
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for asset in assets.get("dockerImages", {}).values():
        context = (folder / asset["source"]["directory"]).resolve()
        job = _job(context, asset["source"].get("dockerFile", "Dockerfile"))
        image = {"environment": sys.prefix, "folders": {JOB: str(job)} if job else {}}
        for place in asset["destinations"].values():
            registry = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
            known[f"{registry}/{_placed(place['repositoryName'], region)}:{place['imageTag']}"] = image
    part = file.with_suffix(".part")
    part.write_text(json.dumps(known), encoding="utf-8")
    part.replace(file)


def _job(context: Path, dockerfile: str) -> Path | None:
    """Return what a Dockerfile copies to /job."""
    for line in (context / dockerfile).read_text(encoding="utf-8").splitlines():
        words = [word for word in line.split() if not word.startswith("--")]
        if words[:1] == ["COPY"] and words[-1].rstrip("/") == JOB and len(words) == len(("COPY", "from", "to")):
            return (context / words[1]).resolve()
    return None


def _applied(client: Any, name: str, template_url: str) -> dict[str, str]:
    """Create or update a stack by its template; return its outputs."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

    asked = {"StackName": name, "TemplateURL": template_url, "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]}
    there = _is_there(client, name)
    try:
        (client.update_stack if there else client.create_stack)(**asked)
    except ClientError as error:
        if NO_CHANGE not in str(error):
            why = error.response["Error"]["Message"][-MOST_SAID:]
            raise StateError(f"the template of {name} is refused: {why}", hint="see docs/howto/devcloud.md") from None
    else:
        _wait(client, "stack_update_complete" if there else "stack_create_complete", name)
    outputs = client.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
    return {one["OutputKey"]: one["OutputValue"] for one in outputs}


def _is_there(client: Any, name: str) -> bool:
    """Whether there is a stack of that name; one whose creation failed is cleared away first, as `cdk deploy` does."""
    found = {one["StackName"]: one for one in client.describe_stacks()["Stacks"]}
    if name in found and found[name]["StackStatus"] in NEVER_MADE:
        client.delete_stack(StackName=name)
        _wait(client, "stack_delete_complete", found[name]["StackId"])
        return False
    return name in found


def _wait(client: Any, what: str, stack: str) -> None:
    from botocore.exceptions import WaiterError  # noqa: PLC0415 - an extra

    try:
        client.get_waiter(what).wait(StackName=stack, WaiterConfig={"Delay": WAIT_S, "MaxAttempts": MOST_WAITS})
    except WaiterError:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [one for one in reversed(events) if one["ResourceStatus"].endswith("_FAILED")]
        why = (
            f"{failed[0]['LogicalResourceId']}: {failed[0].get('ResourceStatusReason', '')}" if failed else "no reason"
        )
        raise StateError(f"the stack {stack} was not deployed: {why}", hint="mend that, and deploy again") from None
