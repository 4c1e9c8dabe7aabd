"""A template is deployed as it is: what is made for it on this machine, what is only taken, what is refused."""

import ast
import json
import subprocess
from pathlib import Path

import boto3
import pytest
import valkey
from tests.devcloud.cloud import kit
from tests.devcloud.cloud.kit import (
    NAMESPACE,
    arn,
    called,
    cluster,
    deployed,
    job,
    machine,
    manifest,
    objects,
    resource,
)

from rowmill import devcloud
from rowmill.devcloud import deploying
from rowmill.devcloud.aws import types
from rowmill.errors import ConfigurationError, StateError

HOOKS = Path(devcloud.__file__).parent / "aws"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
FUNCTION = """
import os, pathlib, boto3
class OddError(Exception): pass
def handler(event, context):
    if event == "fail":
        raise OddError("no: with a colon")
    folder = pathlib.Path(os.environ["PLACE"], "inner")
    folder.mkdir(exist_ok=True)
    (folder / "mark").write_text("from the function")
    buckets = boto3.client("s3").list_buckets()["Buckets"]
    return {"buckets": len(buckets), "region": os.environ["AWS_REGION"]}
"""


def private_names():
    """Return MiniStack's private names that are used, as `module.name`."""
    for file in HOOKS.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        modules = {
            alias.name: f"{node.module}.{alias.name}"
            for node in imports
            for alias in node.names
            if (node.module or "").startswith("ministack")
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                yield f"{modules[node.value.id]}:{node.attr}"


def test_every_name_of_ministack_that_is_completed_is_there():
    names = sorted(set(private_names()))
    assert "ministack.services.stepfunctions:_SERVICE_DISPATCH" in names
    script = (
        "import importlib, json, sys\n"
        "pairs = [name.split(':') for name in json.load(sys.stdin)]\n"
        "print(json.dumps([f'{m}:{n}' for m, n in pairs if not hasattr(importlib.import_module(m), n)]))"
    )
    assert told_by_ministack(script, names) == []


def told_by_ministack(script, given=None):
    """Run a script where MiniStack is; return what it prints last."""
    python = devcloud.environment() / "bin" / "python"
    told = subprocess.run([python, "-c", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(told.stdout.splitlines()[-1])


HANDLED = """
import json, runpy
runpy.run_path({launcher!r}, run_name="loaded")["open_packages"]()
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as handlers
before = {{name: dict(handler) for name, handler in handlers.items()}}
from rowmill.devcloud.aws import hooks
hooks.install()
new = sorted(handlers.keys() - before.keys())
print(json.dumps([new, sorted(name for name in before if handlers[name] != before[name])]))
"""


def test_the_lists_of_types_are_what_is_put_in_place():
    new, completed = told_by_ministack(HANDLED.format(launcher=str(HOOKS.parent / "launcher.py")))
    assert new == sorted((*types.MADE_HERE, *types.NOTHING_MADE, *types.NOT_DONE))
    assert completed == sorted(types.COMPLETED)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(scope="module")
def cloud(rowmill_devcloud):
    return rowmill_devcloud


@pytest.fixture
def once(cloud, out):
    """Deploy templates, and remove what was deployed in the end."""
    made = []

    def deploy(template, **more):
        made.append(deployed(cloud, out, template, **more))
        return made[-1]

    yield deploy
    for stack in {each.deployed.name: each for each in made}.values():
        deploying.remove(cloud, stack.deployed)


def test_types_of_which_nothing_is_made_are_taken_and_this_is_all_of_them(once):
    assert types.NOTHING_MADE == (
        "AWS::CloudTrail::Trail",
        "AWS::EC2::EIP",
        "AWS::EC2::FlowLog",
        "AWS::EC2::NatGateway",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EKS::Addon",
        "Custom::VpcRestrictDefaultSG",
    )
    resources = {f"R{number}": resource(name) for number, name in enumerate(types.NOTHING_MADE)}
    made = once({"Resources": resources, "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["R1", "AllocationId"]}}}})
    assert made.deployed.outputs["Id"] == "Tried-R1"


def test_another_type_that_nobody_knows_is_refused(cloud, out):
    with pytest.raises(StateError, match=r"Unrecognized resource types: \[AWS::EC2::Unheard\]"):
        deployed(cloud, out, {"Resources": {"R": resource("AWS::EC2::Unheard")}})


def test_a_stack_that_is_there_is_updated_and_without_a_change_is_left(once):
    assert once({"Resources": {"Q": resource("AWS::SQS::Queue", QueueName="one")}}).deployed.outputs == {}
    changed = {"Resources": {"Q": resource("AWS::SQS::Queue", QueueName="one", DelaySeconds=3)}}
    changed["Outputs"] = {"Url": {"Value": {"Ref": "Q"}}}
    first = once(changed)
    assert first.deployed.outputs["Url"].endswith("/one")
    assert once(changed).deployed == first.deployed


def test_a_stack_that_could_not_be_made_is_made_once_it_is_mended(cloud, out, once):
    with pytest.raises(StateError, match="User: access string"):
        deployed(cloud, out, cached("on +no-such-command"))
    assert once(cached("on ~mine:* +get")).deployed.outputs["Address"] == "127.0.0.1"


def test_a_stack_can_be_in_any_region(once):
    made = once({"Resources": {"Q": resource("AWS::SQS::Queue", QueueName="far")}}, region="eu-west-1")
    assert made.client("sqs").list_queues()["QueueUrls"]
    made_here = boto3.client("sqs", endpoint_url=made.cloud.endpoint, region_name="us-east-1", **KEYS)
    assert not made_here.list_queues(QueueNamePrefix="far").get("QueueUrls")


KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.mark.parametrize(
    ("manifest_", "why"),
    [
        ({"artifacts": {}}, "has not one stack"),
        ({}, "is no CDK assembly"),
    ],
)
def test_a_folder_without_a_stack_is_refused(cloud, out, manifest_, why):
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps(manifest_))
    with pytest.raises(ConfigurationError, match=why):
        deploying.deploy(cloud, out)


def test_another_stack_s_name_is_told_the_stacks_that_there_are(cloud, out):
    kit.assembly(out, {"Resources": {}})
    with pytest.raises(ConfigurationError, match="has no stack Other") as told:
        deploying.deploy(cloud, out, "Other")
    assert told.value.hint == "it has Tried"


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": NAMESPACE}}


def test_objects_come_change_and_go_with_their_resource(once):
    reading = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/one"
    base = {**cluster(), "Machine": machine({"Call": kit.asked()})}
    outputs = {"Machine": {"Value": {"Ref": "Machine"}}}

    def with_objects(*more):
        return once({"Resources": {**base, "O": objects(*more, rules=reading)}, "Outputs": outputs})

    for data in ({"a": "1"}, {"b": "2"}):
        made = with_objects(CONFIG_MAP | {"data": data})
        assert made.executed("Machine", called("GET", path))["ResponseBody"]["data"] == data
    made = with_objects()
    assert made.failure("Machine", called("GET", path)) == "EKS.404"


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (CONFIG_MAP | {"dta": {}}, 'unknown field "dta"|field not declared'),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}, "knows no Service of v1"),
    ],
)
def test_an_object_that_kubernetes_refuses_fails_the_stack(cloud, out, obj, why):
    with pytest.raises(StateError, match=why):
        deployed(cloud, out, {"Resources": {**cluster(), "O": objects(obj)}})
    deploying.remove(cloud, deploying.Deployed("Tried", "us-east-1", {}))


@pytest.mark.parametrize("sort", types.NOT_DONE)
def test_what_would_wait_for_a_handler_that_is_not_here_is_refused_at_once(cloud, out, sort):
    with pytest.raises(StateError, match="R: the local AWS does not do this"):
        deployed(cloud, out, {"Resources": {"R": resource(sort, ServiceToken="none")}})
    deploying.remove(cloud, deploying.Deployed("Tried", "us-east-1", {}))


def test_objects_of_kinds_that_nothing_here_obeys_are_left_out(once):
    found = [{"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "n"}} for kind in types.OBJECTS_NOT_MADE]
    assert "Deployment" in types.OBJECTS_NOT_MADE
    once({"Resources": {**cluster(), "O": manifest(*found)}})


SYSTEM = {
    "Files": resource("AWS::EFS::FileSystem"),
    "Point": resource("AWS::EFS::AccessPoint", FileSystemId={"Ref": "Files"}, RootDirectory={"Path": "/work"}),
}
VOLUME = f"""[
{{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {{"name": "work"}}, "spec": {{
  "accessModes": ["ReadWriteMany"], "capacity": {{"storage": "1Gi"}}, "storageClassName": "",
  "csi": {{"driver": "efs.csi.aws.com", "volumeHandle": "${{Files}}::${{Point}}"}}}}}},
{{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {{"name": "work", "namespace": "{NAMESPACE}"}},
  "spec": {{"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "work",
  "resources": {{"requests": {{"storage": "1Gi"}}}}}}}},
{{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {{"name": "pods", "namespace": "{NAMESPACE}"}}}}
]"""
PROGRAM = """
import boto3, job
print(job.X, open("/work/inner/mark").read())
print(boto3.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"])
"""
MOUNT = {
    "containers": [
        {
            "name": "main",
            "image": "${Image}",
            "command": ["python3", "-c", PROGRAM],
            "env": [{"name": "PYTHONPATH", "value": "/job"}],
            "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        }
    ],
    "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "work"}}],
    "serviceAccountName": "pods",
}


def test_functions_and_pods_share_a_file_system_and_meet_this_cloud(once, tmp_path):
    """The function writes through its mount; a pod of the image with the job's folder reads it by the claim."""
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "index.py").write_text(FUNCTION)
    (tmp_path / "image" / "job").mkdir(parents=True)
    (tmp_path / "image" / "job" / "job.py").write_text("X = 'from the job'")
    (tmp_path / "image" / "Dockerfile").write_text("FROM base\nCOPY --chown=1 job /job\n")
    bucket = {"Fn::Sub": kit.BUCKET}
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/images-us-east-1:tag"
    wanted = json.loads(json.dumps(job("", **MOUNT)).replace("${Image}", image))
    invoked = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": {"Ref": "Function"}, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "Catch": [{"ErrorEquals": ["OddError"], "Next": "Caught", "Output": {"caught": "it"}}],
        "End": True,
    }
    ran = {
        "Type": "Task",
        "Resource": "arn:aws:states:::eks:runJob.sync",
        "Arguments": {**kit.CLUSTER, "Namespace": NAMESPACE, "Job": wanted, "LogOptions": {"RetrieveLogs": True}},
        "End": True,
    }
    resources = {
        **cluster(),
        **SYSTEM,
        "Objects": objects(),
        "Volume": {**manifest({"Fn::Sub": VOLUME}), "DependsOn": ["Objects"]},
        "PodsRole": kit.role("pods.eks.amazonaws.com"),
        "Identity": resource(
            "AWS::EKS::PodIdentityAssociation",
            ClusterName={"Ref": "Cluster"},
            Namespace=NAMESPACE,
            ServiceAccount="pods",
            RoleArn=arn("PodsRole"),
        ),
        "FunctionRole": kit.role("lambda.amazonaws.com"),
        "Function": resource(
            "AWS::Lambda::Function",
            Runtime="python3.13",
            Handler="index.handler",
            Role=arn("FunctionRole"),
            Code={"S3Bucket": bucket, "S3Key": "f.zip"},
            Environment={"Variables": {"PLACE": "/mnt/work"}},
            FileSystemConfigs=[{"Arn": arn("Point"), "LocalMountPath": "/mnt/work"}],
        ),
        "Invoke": machine({"Invoke": invoked, "Caught": {"Type": "Succeed"}}),
        "Run": machine({"Run": ran}),
    }
    outputs = {name: {"Value": {"Ref": name}} for name in ("Invoke", "Run")}
    folders = {"files": {"f": tmp_path / "function"}, "images": {"tag": tmp_path / "image"}}
    made = once({"Resources": resources, "Outputs": outputs}, **folders)
    assert made.executed("Invoke", "go")["region"] == "us-east-1"
    assert made.executed("Invoke", "fail") == {"caught": "it"}
    [marked] = Path(made.cloud.efs).glob("fsap-*/inner/mark")
    [pod] = made.executed("Run", {})["logs"]["pods"].values()
    assert pod["containers"]["main"]["log"] == "from the job from the function\n200\n"
    deploying.remove(made.cloud, made.deployed)
    assert not marked.exists()
    once({"Resources": {"Nothing": resource("AWS::EC2::EIP")}})


def cached(access):
    user = {"UserId": "u", "UserName": "u", "Engine": "valkey", "AuthenticationMode": {"Type": "iam"}}
    resources = {
        "User": resource("AWS::ElastiCache::User", AccessString=access, **user),
        "Users": resource("AWS::ElastiCache::UserGroup", UserGroupId="g", Engine="valkey", UserIds=[{"Ref": "User"}]),
        "Cache": resource(
            "AWS::ElastiCache::ServerlessCache",
            Engine="valkey",
            ServerlessCacheName="c",
            UserGroupId={"Ref": "Users"},
        ),
    }
    parts = ("Address", "Port")
    outputs = {part: {"Value": {"Fn::GetAtt": ["Cache", f"Endpoint.{part}"]}} for part in parts}
    return {"Resources": resources, "Outputs": outputs}


def test_a_cache_is_reached_by_tls_and_a_user_may_do_what_its_access_string_says(once):
    made = once(cached("on ~mine:* -@all +get +set +ping"))
    found = made.deployed.outputs
    trust = Path(made.cloud.kubeconfig).with_name("trust.pem")
    with valkey.Valkey(
        found["Address"],
        int(found["Port"]),
        username="u",
        password="a token",  # noqa: S106 - IAM is not here
        ssl=True,
        ssl_ca_certs=str(trust),
        ssl_check_hostname=True,
    ) as client:
        client.set("mine:a", "1")
        assert client.get("mine:a") == b"1"
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.get("others:a")
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.delete("mine:a")
    deploying.remove(made.cloud, made.deployed)
    with valkey.Valkey(port=made.cloud.valkey_port, username="u", password="a token") as client:  # noqa: S106, SIM117
        with pytest.raises(valkey.exceptions.AuthenticationError):
            client.ping()
    once(cached("on +ping"))


def test_a_reset_takes_users_of_caches_along(tmp_path, out):
    own = devcloud.up(tmp_path / "own", port=0, valkey_port=0, ends_with_starter=True)
    try:
        own.deploy(kit.assembly(out, cached("on +ping")))
        devcloud.reset(tmp_path / "own")
        with valkey.Valkey(port=own.valkey_port) as client:
            assert client.acl_users() == ["default"]
        own.deploy(out)
    finally:
        own.down()


def test_an_access_string_that_valkey_refuses_fails_the_stack(cloud, out):
    with pytest.raises(StateError, match="User: access string"):
        deployed(cloud, out, cached("on ~mine:* +no-such-command"))
    deploying.remove(cloud, deploying.Deployed("Tried", "us-east-1", {}))


def test_a_bucket_that_is_to_go_with_its_objects_does(once):
    resources = {
        "Bucket": resource("AWS::S3::Bucket", VersioningConfiguration={"Status": "Enabled"}),
        "Emptied": resource("Custom::S3AutoDeleteObjects", ServiceToken="none", BucketName={"Ref": "Bucket"}),
    }
    made = once({"Resources": resources, "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}}}})
    for body in (b"1", b"2"):
        made.client("s3").put_object(Bucket=made.deployed.outputs["Bucket"], Key="a", Body=body)
