"""What variants deploy for a job: rights, state machine, trigger, names; and what is left of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from reading import ALL, WITH_JOB, Template, container, definition, listed, manifests, of, only, plain, statements

from rowmill.cdk import asked
from rowmill.cdk.props import Props
from rowmill.model import permissions as of_model
from rowmill.statemachine import events, permissions

if TYPE_CHECKING:
    from pathlib import Path

Templates = dict[str, Template]


# Rights


WILDCARDS = {
    # What AWS has no narrower resource for.
    r".*AutoscalerDefaultPolicy.*": r"(autoscaling|ec2):(Describe|Get)\w+|autoscaling:(SetDesired|Terminate)\w+",
    r".*StateMachineRoleDefaultPolicy.*": r"logs:\w+|xray:\w+",
    r".*SplitFileServiceRoleDefaultPolicy.*": r"xray:\w+|elasticfilesystem:ClientMount",  # through one access point
    # CDK's own.
    r"BucketNotificationsHandler\w*": r"s3:(Get|Put)BucketNotification",
}


@pytest.mark.parametrize("name", ALL)
def test_no_role_has_rights_on_everything_beyond_what_was_reviewed(templates: Templates, name: str) -> None:
    for policy, one in statements(templates[name]):
        assert one["Effect"] == "Allow"
        actions = listed(one["Action"])
        assert not [action for action in actions if "*" in action], f"{policy}: {actions}"
        if "*" not in listed(one["Resource"]):
            continue
        reviewed = [right for where, right in WILDCARDS.items() if re.fullmatch(where, policy)]
        assert reviewed, f"{policy}: {actions}"
        assert all(re.fullmatch(reviewed[0], action) for action in actions), f"{policy}: {actions}"


def rights_of(template: Template, role: str) -> dict[str, list[str]]:
    """Return what policies of a role allow: resources by action."""
    found: dict[str, list[str]] = {}
    for policy, one in statements(template):
        if re.match(role, policy):
            for action in listed(one["Action"]):
                found.setdefault(action, []).extend(listed(one["Resource"]))
    return found


def test_pods_write_outputs_and_no_input(templates: Templates) -> None:
    found = rights_of(templates["article"], "OrdersJobPods")
    (bucket,) = of(templates["article"], "AWS::S3::Bucket")
    arn = f"<{bucket}.Arn>"
    outputs = [f"{arn}/*{ending}" for ending in ("_Output", "_Output_Rejects", "_Output_Repairs")]
    assert found["s3:PutObject"] == found["s3:DeleteObject"] == outputs
    assert set(found["s3:GetObject"]) == {f"{arn}/*", *outputs}
    (table,) = of(templates["article"], "AWS::DynamoDB::Table")
    assert found["dynamodb:BatchWriteItem"] == [f"<{table}.Arn>"]
    assert "dynamodb:CreateTable" not in found
    assert {service.partition(":")[0] for service in found} == {"s3", "dynamodb", "elasticache", "states"}


def test_pods_may_do_what_rowmill_policy_says_that_a_run_needs(templates: Templates) -> None:
    found = rights_of(templates["lean"], "OrdersJobPods")
    places = of_model.Places(
        "s3://in/a.csv", "s3://in/a.csv_Output", "s3://work/rowmill", "dynamodb://eu-west-1/Orders"
    )
    needed = of_model.policy(places)
    actions = {action for one in needed["Statement"] for action in one["Action"]}
    assert set(found) - {"states:DescribeExecution"} == actions
    (written,) = [one["Resource"] for one in needed["Statement"] if one["Sid"] == "WriteOutput"]
    endings = {arn.rpartition("*")[2] for arn in found["s3:PutObject"] if "*_" in arn}
    assert endings == {arn.removeprefix("arn:aws:s3:::in/a.csv") for arn in written}


def test_pods_keep_to_the_prefixes_of_given_buckets(templates: Templates) -> None:
    template = templates["given"]
    found = rights_of(template, "OrdersPods")
    (workspace,) = [key for key in of(template, "AWS::S3::Bucket") if "Workspace" in key]
    arn = "arn:<AWS::Partition>:s3:::"
    assert set(found["s3:PutObject"]) == {
        f"{arn}given-output/done/*_Output",
        f"{arn}given-output/done/*_Output_Rejects",
        f"{arn}given-output/done/*_Output_Repairs",
        f"<{workspace}.Arn>/rowmill/*",
    }
    assert f"{arn}given-input/incoming/*" in found["s3:GetObject"]
    assert not [one for one in found["s3:GetObject"] if one.endswith("given-input/*")]
    lists = [one for policy, one in statements(template) if "Pods" in policy and one["Action"] == "s3:ListBucket"]
    prefixes = {one["Condition"]["StringLike"]["s3:prefix"] for one in lists}
    assert prefixes == {"incoming/*", "done/*", "rowmill/*"}
    assert found["dynamodb:BatchWriteItem"] == [
        "arn:<AWS::Partition>:dynamodb:<AWS::Region>:<AWS::AccountId>:table/GivenTable"
    ]


@pytest.mark.parametrize("name", WITH_JOB)
def test_the_machines_role_may_do_in_aws_what_its_definition_needs_and_nothing_else(
    templates: Templates, name: str
) -> None:
    found = rights_of(templates[name], r".*StateMachine(Role|Policy)")
    beside = {action for action in found if not action.startswith(("logs:", "xray:"))}
    needed: set[str] = set()
    if name.startswith(("inline", "distributed")):
        machine = asked.machine(Props(fan_out=f"{name.partition('-')[0]}-map"), asked.SAMPLE)
        needed = {action for one in permissions.of_machine(machine, "a", "e") for action in one.actions}
        assert "lambda:InvokeFunction" in needed
    assert beside == needed


def test_only_a_service_of_aws_takes_a_role_and_pods_theirs_by_pod_identity(templates: Templates) -> None:
    for name, template in templates.items():
        for role, one in of(template, "AWS::IAM::Role").items():
            for statement in one["AssumeRolePolicyDocument"]["Statement"]:
                assert set(statement["Principal"]) == {"Service"}, f"{name} {role}"
                if "Pods" in role:
                    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
                    assert set(listed(statement["Action"])) == {"sts:AssumeRole", "sts:TagSession"}


@pytest.mark.parametrize("name", ALL)
def test_pods_get_their_role_by_namespace_and_service_account(templates: Templates, name: str) -> None:
    found = of(templates[name], "AWS::EKS::PodIdentityAssociation").values()
    ours = [one for one in found if one["ServiceAccount"] == asked.ACCOUNT]
    assert len(ours) == len(of(templates[name], "AWS::StepFunctions::StateMachine"))
    for one in ours:
        assert one["Namespace"] in {"rowmill", "orders", "invoices"}


# The state machine and what starts it


@pytest.mark.parametrize("name", WITH_JOB)
def test_the_definition_is_the_state_machines_own_with_what_the_stack_knows_filled_in(
    templates: Templates, name: str
) -> None:
    text = only(templates[name], "AWS::StepFunctions::StateMachine")["DefinitionString"]
    machine = json.loads(text)
    assert machine["QueryLanguage"] == "JSONata"
    assert "known-later" not in text
    assert "Token[" not in text
    assert "$<" not in text  # a `$` that was doubled for Kubernetes before the reference stood there
    region = [one["value"] for one in container(machine)["env"] if one["name"] == "AWS_REGION"]
    assert region == ["<AWS::Region>"]


@pytest.mark.parametrize(
    ("name", "resources"),
    [
        ("article", {"eks:call"}),
        ("indexed-sync", {"eks:runJob.sync", "eks:call"}),
        ("inline-call", {"eks:call", "lambda:invoke"}),
        ("inline", {"eks:runJob.sync", "eks:call", "lambda:invoke"}),
        ("distributed", {"eks:call", "lambda:invoke", "s3:getObject", "s3:putObject"}),
        ("distributed-sync", {"eks:runJob.sync", "eks:call", "lambda:invoke", "s3:getObject", "s3:putObject"}),
        ("sequential", {"eks:call"}),
    ],
)
def test_each_fan_out_and_waiter_uses_its_integrations(templates: Templates, name: str, resources: set[str]) -> None:
    text = only(templates[name], "AWS::StepFunctions::StateMachine")["DefinitionString"]
    assert set(re.findall(r'"arn:<AWS::Partition>:states:::([\w:.]+)"', text)) == resources
    functions = [one for one in of(templates[name], "AWS::Lambda::Function") if "SplitFile" in one]
    assert bool(functions) == ("lambda:invoke" in resources)


def test_the_lambda_sees_the_workspace_where_pods_keep_it(templates: Templates) -> None:
    by_name = {
        name: next(one for key, one in of(templates[name], "AWS::Lambda::Function").items() if "SplitFile" in key)
        for name in ("inline", "distributed")
    }
    mounted, on_s3 = by_name["inline"], by_name["distributed"]
    assert mounted["Environment"]["Variables"]["ROWMILL_WORKSPACE"] == "/mnt/workspace"
    assert mounted["FileSystemConfigs"][0]["LocalMountPath"] == "/mnt/workspace"
    assert mounted["VpcConfig"]
    assert on_s3["Environment"]["Variables"]["ROWMILL_WORKSPACE"].endswith("/rowmill")
    assert (
        container(definition(templates["distributed"]))["env"][0]["value"]
        == (on_s3["Environment"]["Variables"]["ROWMILL_WORKSPACE"])
    )
    assert on_s3["Architectures"] == ["x86_64"]


@pytest.mark.parametrize("name", ["article", "lean", "given", "distributed"])
def test_a_rule_starts_the_machine_by_the_pattern_that_outputs_never_match(templates: Templates, name: str) -> None:
    rule = only(templates[name], "AWS::Events::Rule")
    pattern = events.cloudtrail if name == "distributed" else events.created
    bucket = (
        "given-input"
        if name == "given"
        else f"<{next(key for key in of(templates[name], 'AWS::S3::Bucket') if 'Input' in key)}>"
    )
    assert rule["EventPattern"] == pattern(bucket, "incoming/" if name == "given" else "")
    (target,) = rule["Targets"]
    assert target["DeadLetterConfig"]["Arn"].startswith("<")
    assert "NotStarted" in target["DeadLetterConfig"]["Arn"]


def test_a_workspaces_objects_go_after_the_days_that_were_given(templates: Templates) -> None:
    days = {
        name: [
            one["LifecycleConfiguration"]["Rules"][0].get("ExpirationInDays")
            for key, one in of(templates[name], "AWS::S3::Bucket").items()
            if "Workspace" in key
        ]
        for name in ("distributed", "lean")
    }
    assert days == {"distributed": [30], "lean": [None]}


def test_only_a_machine_of_this_account_takes_the_machines_role(templates: Templates) -> None:
    (role,) = [one for key, one in of(templates["article"], "AWS::IAM::Role").items() if "StateMachineRole" in key]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "<AWS::AccountId>"}}


def test_a_given_bucket_keeps_the_notifications_that_its_own_stack_gave_it(templates: Templates) -> None:
    """CDK's handler writes all of a bucket's notifications: what is beside it would be lost, or lose it."""
    (bucket,) = [
        one for key, one in of(templates["given-things"], "AWS::S3::Bucket").items() if key.startswith("Bucket")
    ]
    assert "NotificationConfiguration" not in bucket
    told = only(templates["given-things"], "Custom::S3BucketNotifications")
    assert told["NotificationConfiguration"]["EventBridgeConfiguration"] == {}


def test_a_given_bucket_that_tells_eventbridge_already_is_left_alone(templates: Templates) -> None:
    assert not of(templates["indexed-sync"], "Custom::S3BucketNotifications")
    assert of(templates["indexed-sync"], "AWS::Events::Rule")
    assert not of(templates["indexed-sync"], "AWS::Lambda::Function")


def test_objects_of_a_job_are_applied_to_a_given_cluster_by_its_own_handler(templates: Templates) -> None:
    given = only(templates["indexed-sync"], "Custom::AWSCDK-EKS-KubernetesResource")
    assert given["ServiceToken"] == "arn:aws:lambda:eu-west-1:123456789012:function:handler"
    assert {one["kind"] for one in manifests(templates["indexed-sync"])} >= {"Namespace", "Role", "RoleBinding"}


GIVEN = r"arn:aws:(lambda:eu-west-1:123456789012:function:handler|iam::123456789012:role/Admin)"


@pytest.mark.parametrize("name", ALL)
def test_no_region_and_no_partition_is_written_into_a_template(templates: Templates, name: str) -> None:
    text = json.dumps(templates[name])
    for given in (GIVEN, r"https://\w+\.gr7\.eu-west-1\.eks", r"dkr\.ecr\.eu-west-1", r"eu-west-1[ab]"):
        text = re.sub(given, "", text)
    assert not re.findall(r"arn:aws:[^\"]*|[a-z]{2}-(?:west|east|north|south|central)-\d", text)


def test_a_new_bucket_tells_eventbridge_without_a_handler_and_a_given_one_by_it(templates: Templates) -> None:
    assert not of(templates["article"], "Custom::S3BucketNotifications")
    bucket = only(templates["article"], "AWS::S3::Bucket")
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    given = only(templates["given"], "Custom::S3BucketNotifications")
    assert given["BucketName"] == "given-input"
    assert given["Managed"] is False


def test_cloudtrail_tells_of_writes_to_this_bucket_only(templates: Templates) -> None:
    trail = only(templates["distributed"], "AWS::CloudTrail::Trail")
    (selector,) = trail["EventSelectors"]
    assert selector["ReadWriteType"] == "WriteOnly"
    assert selector["IncludeManagementEvents"] is False
    (resource,) = selector["DataResources"]
    assert re.fullmatch(r"<OrdersJobInputBucket\w+\.Arn>/", resource["Values"][0])


def test_without_a_trigger_nothing_starts_the_machine_by_itself(templates: Templates) -> None:
    assert not of(templates["sequential"], "AWS::Events::Rule")
    assert not of(templates["sequential"], "AWS::SQS::Queue")


@pytest.mark.parametrize("name", WITH_JOB)
def test_the_runner_finds_the_machine_by_its_tags(templates: Templates, name: str) -> None:
    tags = {one["Key"]: one["Value"] for one in only(templates[name], "AWS::StepFunctions::StateMachine")["Tags"]}
    pod = container(definition(templates[name]))
    assert pod["env"][0] == {"name": "ROWMILL_WORKSPACE", "value": tags["rowmill:workspace"]}
    assert tags["rowmill:job"] == "rowmill.examples.orders"
    assert tags["rowmill:table"].startswith("dynamodb://<AWS::Region>/") or name == "sequential"
    assert tags["rowmill:cluster"]
    assert tags["rowmill:namespace"] == ("orders" if name == "given" else "rowmill")


def test_alarms_tell_the_topic(templates: Templates) -> None:
    found = of(templates["given-things"], "AWS::CloudWatch::Alarm")
    metrics = {one["MetricName"] for one in found.values()}
    assert metrics == {
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ApproximateNumberOfMessagesVisible",
        "WriteThrottleEvents",
    }
    (topic,) = of(templates["given-things"], "AWS::SNS::Topic")
    assert all(one["AlarmActions"] == [f"<{topic}>"] for one in found.values())


def test_outputs_say_how_to_reach_the_cluster_and_where_to_put_a_file(templates: Templates) -> None:
    told = {
        re.sub(r"[0-9A-F]{8}$", "", key): plain(one["Value"]) for key, one in templates["article"]["Outputs"].items()
    }
    (cluster,) = of(templates["article"], "AWS::EKS::Cluster")
    where = f"<{cluster}> --region <AWS::Region>"
    assert told["OrdersClusterConfigCommand"] == f"aws eks update-kubeconfig --name {where}"
    assert told["OrdersClusterGetTokenCommand"] == f"aws eks get-token --cluster-name {where}"
    for name in ("InputBucketName", "OutputBucketName", "StateMachineArn", "TableName", "FileSystemId"):
        assert told[f"OrdersJob{name}"]


# Together, apart, and gone


def test_names_that_must_be_unique_in_an_account_are(templates: Templates) -> None:
    keys = (
        "UserId",
        "UserGroupId",
        "ServerlessCacheName",
        "LogGroupName",
        "Name",
        "TableName",
        "QueueName",
        "BucketName",
    )
    named = (
        one[key]
        for template in templates.values()
        for resource in template["Resources"].values()
        for key in keys
        if isinstance((one := plain(resource.get("Properties", {}))).get(key), str)
        and not resource["Type"].startswith("Custom::")
    )
    twice = {name: count for name, count in Counter(named).items() if count > 1 and not name.startswith("<")}
    assert not twice


def test_two_jobs_of_one_cluster_have_each_their_namespace_role_and_folder(templates: Templates) -> None:
    template = templates["two"]
    objects = manifests(template)
    spaces = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    assert sorted(spaces) == ["invoices", "rowmill", "rowmill"]  # two of them on another cluster
    assert {one["RootDirectory"]["Path"] for one in of(template, "AWS::EFS::AccessPoint").values()} == {
        "/rowmill/rowmill",
        "/rowmill/invoices",
    }


def test_a_jobs_stack_stands_beside_the_platforms(templates: Templates) -> None:
    kinds = {one["Type"] for one in templates["job"]["Resources"].values()}
    assert not kinds & {
        "AWS::EKS::Cluster",
        "AWS::EC2::VPC",
        "AWS::EFS::FileSystem",
        "AWS::ElastiCache::ServerlessCache",
    }
    assert "AWS::StepFunctions::StateMachine" in kinds
    assert "AWS::StepFunctions::StateMachine" not in {one["Type"] for one in templates["split"]["Resources"].values()}


KEEPS = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::EFS::FileSystem"}


def test_with_destroy_nothing_outlives_the_stack(templates: Templates) -> None:
    resources = templates["lean"]["Resources"]
    kept = [name for name, one in resources.items() if one.get("DeletionPolicy", "Delete") != "Delete"]
    assert not kept
    emptied = {one["BucketName"] for one in of(templates["lean"], "Custom::S3AutoDeleteObjects").values()}
    assert emptied == {f"<{name}>" for name in of(templates["lean"], "AWS::S3::Bucket")}
    assert only(templates["lean"], "AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is False
    for name, function in of(templates["lean"], "AWS::Lambda::Function").items():
        assert function["LoggingConfig"]["LogGroup"].startswith("<"), name


def test_by_default_data_outlives_the_stack(templates: Templates) -> None:
    for one in templates["article"]["Resources"].values():
        if one["Type"] in KEEPS:
            assert one["DeletionPolicy"] == "Retain"
    assert only(templates["article"], "AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is True


@pytest.mark.parametrize("name", ALL)
def test_what_a_destroyed_stack_keeps_is_not_in_the_way_of_the_next_one(templates: Templates, name: str) -> None:
    kept = [one for one in templates[name]["Resources"].values() if one.get("DeletionPolicy") == "Retain"]
    for one in kept:
        for key in ("BucketName", "LogGroupName", "TableName"):
            given = one.get("Properties", {}).get(key)
            assert given is None or "AWS::StackId" in json.dumps(given), one


@pytest.mark.parametrize("name", ALL)
def test_every_log_has_an_end(templates: Templates, name: str) -> None:
    for one in of(templates[name], "AWS::Logs::LogGroup").values():
        assert one["RetentionInDays"] == 90
    for handler, function in of(templates[name], "AWS::Lambda::Function").items():
        assert function["LoggingConfig"]["LogGroup"].startswith("<"), handler  # else Lambda makes one without end


# Kubernetes' objects


def test_rendered_objects_are_those_that_would_be_applied_and_the_stack_speaks_to_no_cluster(
    templates: Templates, assembly: Path
) -> None:
    template = templates["rendered"]
    assert not of(template, "Custom::AWSCDK-EKS-KubernetesResource")
    assert not [one for one in of(template, "AWS::EKS::AccessEntry").values() if "AccessPolicies" in one]
    written = [
        one
        for name in ("Cluster-AutoscalerObjects", "Job-Objects")
        for one in yaml.safe_load_all((assembly / f"rendered-Orders-{name}.yaml").read_text(encoding="utf-8"))
    ]
    kinds = [one["kind"] for one in written]
    applied = [one["kind"] for one in [*manifests(templates["scaling"]), *manifests(templates["article"])]]
    assert Counter(kinds) == Counter(applied) - Counter(one["kind"] for one in manifests(templates["article"]))
    known_later = set(re.findall(r"\$\{(\w+)\}", json.dumps(written)))
    assert "AWS_REGION" in known_later
    assert known_later - {"AWS_REGION"} < set(template["Outputs"])
    volume = next(one for one in written if one["kind"] == "PersistentVolume")
    named = re.fullmatch(r"\$\{(\w+)\}::\$\{(\w+)\}", volume["spec"]["csi"]["volumeHandle"])
    assert named is not None
    assert set(named.groups()) <= set(template["Outputs"])
    assert "Token[" not in json.dumps(written)
