"""The smoke test for people with an account: on a stack of the local AWS, whose pods the test plays itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pytest

from rowmill import api

from .kit import HANG_S, ROLE, until

SCRIPT = Path(__file__).parents[2] / "scripts" / "smoke-aws.py"
BUCKET, TABLE, STACK = "smoke-in", "SmokeOrders", "Smoke"
KEY = "$states.input.detail.object.key"
# The machine waits until somebody has done the work, as it waits for pods.
DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "Split",
    "States": {
        "Split": {"Type": "Wait", "Seconds": 2, "Next": "Report"},
        "Report": {
            "Type": "Pass",
            "Output": {"run_id": "0" * 16, "status": "done", "output": f"{{% 's3://{BUCKET}/' & {KEY} & '_Output' %}}"},
            "End": True,
        },
    },
}


def template(job):
    tags = {"job": job, "input-bucket": BUCKET, "table": f"dynamodb://us-east-1/{TABLE}"}
    machine = {
        "DefinitionString": json.dumps(DEFINITION),
        "RoleArn": ROLE,
        "Tags": [{"Key": f"rowmill:{name}", "Value": value} for name, value in tags.items()],
    }
    bucket = {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}}
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [BUCKET]}, "object": {"key": [{"suffix": ".csv"}]}},
    }
    key = {"AttributeName": "Order ID"}
    table = {
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{**key, "AttributeType": "S"}],
        "KeySchema": [{**key, "KeyType": "HASH"}],
    }
    target = {"Id": "machine", "Arn": {"Ref": "Machine"}, "RoleArn": ROLE}
    return json.dumps(
        {
            "Resources": {
                "In": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET, **bucket}},
                "Orders": {"Type": "AWS::DynamoDB::Table", "Properties": table},
                "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine},
                "Rule": {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}},
            }
        }
    )


@pytest.fixture
def clients(aws):
    del aws
    made = {name: boto3.client(name) for name in ("cloudformation", "s3", "dynamodb")}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def stack(clients):
    """Give a function that makes the stack for a job."""
    formation = clients["cloudformation"]

    def make(job):
        formation.create_stack(StackName=STACK, TemplateBody=template(job))
        until(lambda: formation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")

    yield make
    for one in clients["s3"].list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        clients["s3"].delete_object(Bucket=BUCKET, Key=one["Key"])
    formation.delete_stack(StackName=STACK)


def smoke(*words):
    return subprocess.run(
        [sys.executable, str(SCRIPT), STACK, "--json", *words],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def played(client, spoil=lambda _: None):
    """Do in a thread what pods would do with the object that comes."""

    def play():
        (one,) = until(lambda: client.list_objects_v2(Bucket=BUCKET).get("Contents"))
        given = f"s3://{BUCKET}/{one['Key']}"
        places = {"workspace": "work", "table": f"dynamodb://us-east-1/{TABLE}"}
        api.run("rowmill.examples.orders", given, **places, on="inline", workers=1)
        spoil(f"{one['Key']}_Output")

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def test_a_stack_that_gives_what_it_must_is_told_with_its_figures(stack, clients):
    stack("rowmill.examples.orders")
    pods = played(clients["s3"])
    ended = smoke("--rows", "40")
    pods.join()
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["rows"], told["state transitions"]) == (40, 2)
    assert told["put to end s"] >= told["put to execution s"]


def wrong_output(clients, output):
    body = clients["s3"].get_object(Bucket=BUCKET, Key=output)["Body"].read()
    clients["s3"].put_object(Bucket=BUCKET, Key=output, Body=body[:-1] + b"x")


def wrong_item(clients, _output):
    (first, *_) = clients["dynamodb"].scan(TableName=TABLE, Limit=1)["Items"]
    clients["dynamodb"].put_item(TableName=TABLE, Item={**first, "Country": {"S": "Nowhere"}})


@pytest.mark.parametrize(("spoil", "said"), [(wrong_output, "the output is not"), (wrong_item, "the item of row")])
def test_one_wrong_byte_or_item_is_noticed(spoil, said, stack, clients):
    stack("rowmill.examples.orders")
    pods = played(clients["s3"], lambda output: spoil(clients, output))
    ended = smoke("--rows", "40")
    pods.join()
    assert ended.returncode == 6
    assert said in ended.stderr


def test_a_stack_with_another_job_is_refused_before_anything_is_put(stack, clients):
    stack("/job/clicks.py")
    ended = smoke()
    assert ended.returncode == 2
    assert "/job/clicks.py" in ended.stderr
    assert "Contents" not in clients["s3"].list_objects_v2(Bucket=BUCKET)


def test_the_script_says_that_it_was_not_run_on_aws():
    assert "NOT RUN BY US ON AWS" in SCRIPT.read_text(encoding="utf-8")
