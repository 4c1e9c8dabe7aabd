"""What each variant of the constructs deploys."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from reading import Template, definition, listed, manifests, of, only, plain, statements

from rowmill.cdk import asked
from rowmill.cdk.props import Props
from rowmill.statemachine import events, permissions

if TYPE_CHECKING:
    from pathlib import Path

Templates = dict[str, Template]
ALL = [
    "article", "scaling", "auto", "lean", "inline", "distributed", "sequential", "rendered", "given", "given-things",
    "two", "split", "job",
]  # fmt: skip
WITH_CLUSTER = [name for name in ALL if name not in {"given", "job"}]
WITH_JOB = [name for name in ALL if name not in {"split", "two"}]


def test_every_variant_is_looked_at(templates: Templates) -> None:
    assert set(templates) == set(ALL)


# The cluster


@pytest.mark.parametrize("name", WITH_CLUSTER)
def test_the_api_is_reached_by_step_functions_and_all_that_happens_at_it_is_logged(
    templates: Templates, name: str
) -> None:
    for one in of(templates[name], "AWS::EKS::Cluster").values():
        vpc = one["ResourcesVpcConfig"]
        assert vpc["EndpointPublicAccess"] is True
        assert vpc["EndpointPrivateAccess"] is True
        assert "PublicAccessCidrs" not in vpc
        kinds = {kind["Type"] for kind in one["Logging"]["ClusterLogging"]["EnabledTypes"]}
        assert kinds == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
        groups = [
            group["LogGroupName"]
            for group in of(templates[name], "AWS::Logs::LogGroup").values()
            if group.get("LogGroupName")
        ]
        assert f"/aws/eks/{one['Name']}/cluster" in groups


@pytest.mark.parametrize("name", WITH_CLUSTER)
def test_who_deploys_does_not_become_an_administrator_and_aws_auth_is_not_used(templates: Templates, name: str) -> None:
    for one in of(templates[name], "AWS::EKS::Cluster").values():
        assert one["AccessConfig"] == {"AuthenticationMode": "API", "BootstrapClusterCreatorAdminPermissions": False}


@pytest.mark.parametrize("name", ALL)
def test_the_state_machine_is_no_administrator_but_a_group_that_one_namespaced_role_is_bound_to(
    templates: Templates, name: str
) -> None:
    entries = of(templates[name], "AWS::EKS::AccessEntry").values()
    ours = [one for one in entries if "StateMachineRole" in one["PrincipalArn"]]
    assert len(ours) == len(of(templates[name], "AWS::StepFunctions::StateMachine"))
    for one in ours:
        assert "AccessPolicies" not in one
        (group,) = one["KubernetesGroups"]
        assert re.fullmatch(r"rowmill:[a-z]+:state-machine", group)
    others = [one["PrincipalArn"] for one in entries if one not in ours]
    assert all("KubectlProviderHandler" in arn or arn.endswith(":role/Admin") for arn in others)
    assert "system:masters" not in json.dumps(templates[name])


def test_an_administrator_is_who_was_named(templates: Templates) -> None:
    entries = of(templates["given-things"], "AWS::EKS::AccessEntry").values()
    (named,) = [one for one in entries if one["PrincipalArn"] == "arn:aws:iam::123456789012:role/Admin"]
    assert "AmazonEKSClusterAdminPolicy" in named["AccessPolicies"][0]["PolicyArn"]


def test_five_nodes_and_no_autoscaler_unless_there_may_be_more(templates: Templates) -> None:
    group = only(templates["article"], "AWS::EKS::Nodegroup")
    assert group["ScalingConfig"] == {"MinSize": 5, "DesiredSize": 5, "MaxSize": 5}
    assert group["AmiType"] == "AL2023_x86_64_STANDARD"
    assert "Deployment" not in [one["kind"] for one in manifests(templates["article"])]
    assert (
        "ComputeConfig" not in only(templates["article"], "AWS::EKS::Cluster")
        or not (only(templates["article"], "AWS::EKS::Cluster")["ComputeConfig"]["Enabled"])
    )


def test_workers_that_may_go_down_to_none_leave_two_small_nodes_for_the_clusters_own_pods(templates: Templates) -> None:
    groups = of(templates["scaling"], "AWS::EKS::Nodegroup")
    sizes = {one["ScalingConfig"]["MinSize"]: one for one in groups.values()}
    assert set(sizes) == {0, 2}
    assert sizes[0]["CapacityType"] == "SPOT"
    assert sizes[0]["ScalingConfig"] == {"MinSize": 0, "DesiredSize": 1, "MaxSize": 20}
    assert "CapacityType" not in sizes[2] or sizes[2]["CapacityType"] == "ON_DEMAND"


def test_the_autoscaler_scales_groups_of_its_own_cluster_only(templates: Templates) -> None:
    template = templates["scaling"]
    (deployment,) = [one for one in manifests(template) if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (cluster,) = of(template, "AWS::EKS::Cluster")
    assert any(f"k8s.io/cluster-autoscaler/<{cluster}>" in word for word in container["command"])
    version = only(template, "AWS::EKS::Cluster")["Version"]
    assert f":v{version}." in container["image"]
    (scales,) = [one for _, one in statements(template) if "autoscaling:SetDesiredCapacity" in listed(one["Action"])]
    assert scales["Condition"] == {"StringEquals": {"aws:ResourceTag/eks:cluster-name": f"<{cluster}>"}}


@pytest.mark.parametrize(("name", "cpus", "kinds"), [("auto", "20", ["m6g.large"]), ("lean", "10", ["m6i.large"])])
def test_auto_mode_starts_nodes_of_the_chosen_kind_up_to_the_limit_and_keeps_none(
    templates: Templates, name: str, cpus: str, kinds: list[str]
) -> None:
    template = templates[name]
    cluster = only(template, "AWS::EKS::Cluster")
    assert cluster["ComputeConfig"]["Enabled"] is True
    assert cluster["ComputeConfig"]["NodePools"] == ["system"]
    assert not of(template, "AWS::EKS::Nodegroup")
    (pool,) = [one for one in manifests(template) if one["kind"] == "NodePool"]
    assert pool["spec"]["limits"] == {"cpu": cpus}
    wanted = {one["key"]: one["values"] for one in pool["spec"]["template"]["spec"]["requirements"]}
    assert wanted["node.kubernetes.io/instance-type"] == kinds
    assert wanted["kubernetes.io/arch"] == ["arm64" if name == "auto" else "amd64"]
    assert pool["spec"]["template"]["spec"]["nodeClassRef"]["name"] == "default"
    assert "eks-pod-identity-agent" not in [one["AddonName"] for one in of(template, "AWS::EKS::Addon").values()]


def test_node_groups_have_the_agent_that_gives_pods_their_roles(templates: Templates) -> None:
    assert "eks-pod-identity-agent" in [
        one["AddonName"] for one in of(templates["article"], "AWS::EKS::Addon").values()
    ]


@pytest.mark.parametrize("name", ["article", "scaling", "given-things", "two"])
def test_nodes_have_encrypted_disks_and_a_metadata_service_that_pods_do_not_reach(
    templates: Templates, name: str
) -> None:
    template = templates[name]
    for one in of(template, "AWS::EC2::LaunchTemplate").values():
        data = one["LaunchTemplateData"]
        assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert [disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"]] == [True]
    for group in of(template, "AWS::EKS::Nodegroup").values():
        assert "NodeTemplate" in group["LaunchTemplate"]["Id"]


def test_lean_has_nothing_that_costs_by_the_hour_but_the_cluster_and_the_way_out(templates: Templates) -> None:
    kinds = {one["Type"] for one in templates["lean"]["Resources"].values()}
    assert not kinds & {"AWS::EFS::FileSystem", "AWS::ElastiCache::ServerlessCache", "AWS::EKS::Nodegroup"}
    assert {"AWS::EKS::Cluster", "AWS::EC2::NatGateway"} <= kinds


# The network


@pytest.mark.parametrize("name", [name for name in WITH_CLUSTER if name != "given-things"])
def test_data_goes_to_s3_and_dynamodb_by_gateways_that_are_free(templates: Templates, name: str) -> None:
    endpoints = of(templates[name], "AWS::EC2::VPCEndpoint").values()
    services = Counter(re.sub(r".*\.", "", one["ServiceName"]) for one in endpoints)
    vpcs = len(of(templates[name], "AWS::EC2::VPC"))
    assert services == {"s3": vpcs, "dynamodb": vpcs}
    assert all(one.get("VpcEndpointType", "Gateway") == "Gateway" for one in endpoints)


def test_a_given_vpc_is_used_and_none_is_made(templates: Templates) -> None:
    template = templates["given-things"]
    assert not of(template, "AWS::EC2::VPC")
    subnets = only(template, "AWS::EKS::Cluster")["ResourcesVpcConfig"]["SubnetIds"]
    assert subnets == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


@pytest.mark.parametrize("name", ALL)
def test_no_security_group_lets_the_world_in(templates: Templates, name: str) -> None:
    template = templates[name]
    rules = [*of(template, "AWS::EC2::SecurityGroupIngress").values()]
    for group in of(template, "AWS::EC2::SecurityGroup").values():
        rules += group.get("SecurityGroupIngress", [])
    assert not [rule for rule in rules if "CidrIp" in rule or "CidrIpv6" in rule]
    for rule in rules:
        source = rule["SourceSecurityGroupId"]
        assert rule["FromPort"] in {2049, 6379}
        assert "ClusterSecurityGroupId" in source or "Clients" in source
        assert "GuardB" not in source


# The places


@pytest.mark.parametrize("name", ALL)
def test_everything_is_encrypted_at_rest_and_buckets_speak_tls_only(templates: Templates, name: str) -> None:
    template = templates[name]
    ours = {
        key: one for key, one in of(template, "AWS::S3::Bucket").items() if not re.fullmatch(r"Bucket[0-9A-F]{8}", key)
    }
    for bucket in ours.values():
        assert bucket["BucketEncryption"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    policies = {
        one["Bucket"]: one["PolicyDocument"]["Statement"] for one in of(template, "AWS::S3::BucketPolicy").values()
    }
    for key in ours:
        (tls, *_) = policies[f"<{key}>"]
        assert tls["Effect"] == "Deny"
        assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for table in [one for key, one in of(template, "AWS::DynamoDB::Table").items() if not key.startswith("Mine")]:
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    for system in of(template, "AWS::EFS::FileSystem").values():
        assert system["Encrypted"] is True
    for queue in of(template, "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True


def test_the_workspace_is_a_folder_of_the_file_system_that_belongs_to_the_pods_user(templates: Templates) -> None:
    template = templates["article"]
    system = only(template, "AWS::EFS::FileSystem")
    assert (system["PerformanceMode"], system["ThroughputMode"]) == ("generalPurpose", "elastic")
    assert "FileSystemPolicy" not in system
    point = only(template, "AWS::EFS::AccessPoint")
    assert point["PosixUser"] == {"Uid": "10001", "Gid": "10001"}
    assert point["RootDirectory"]["Path"] == "/rowmill/rowmill"
    objects = {one["kind"]: one for one in manifests(template)}
    volume, claim = objects["PersistentVolume"], objects["PersistentVolumeClaim"]
    (fs,), (ap,) = of(template, "AWS::EFS::FileSystem"), of(template, "AWS::EFS::AccessPoint")
    assert volume["spec"]["csi"] == {"driver": "efs.csi.aws.com", "volumeHandle": f"<{fs}>::<{ap}>"}
    assert volume["spec"]["mountOptions"] == ["tls"]
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"] == asked.CLAIM.name
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"] == ""
    driver = next(one for one in of(template, "AWS::EKS::Addon").values() if one["AddonName"] == "aws-efs-csi-driver")
    assert driver["PodIdentityAssociations"][0]["ServiceAccount"] == "efs-csi-controller-sa"


def test_objects_of_a_job_come_after_nodes_driver_and_mounts_and_go_before_them(templates: Templates) -> None:
    resources = templates["article"]["Resources"]
    (objects,) = [one for one in resources.values() if one["Type"] == "Custom::AWSCDK-EKS-KubernetesResource"]
    waited = {resources[name]["Type"] for name in objects["DependsOn"]}
    assert {"AWS::EKS::Nodegroup", "AWS::EKS::Addon", "AWS::EFS::MountTarget"} <= waited
    (machine,) = [one for one in resources.values() if one["Type"] == "AWS::StepFunctions::StateMachine"]
    waited = {resources[name]["Type"] for name in machine["DependsOn"]}
    assert {"Custom::AWSCDK-EKS-KubernetesResource", "AWS::EKS::AccessEntry"} <= waited


def test_the_tracker_has_one_iam_user_with_few_commands_and_no_password(templates: Templates) -> None:
    template = templates["article"]
    user = only(template, "AWS::ElastiCache::User")
    assert user["AuthenticationMode"] == {"Type": "iam"}
    assert user["UserId"] == user["UserName"] == user["UserId"].lower()
    assert "NoPasswordRequired" not in user
    assert "Passwords" not in user
    assert user["AccessString"].startswith("on ~rowmill:* resetchannels -@all +")
    assert not re.search(r"\+@|flush|config|keys|acl", user["AccessString"])
    (name,) = of(template, "AWS::ElastiCache::User")
    assert only(template, "AWS::ElastiCache::UserGroup")["UserIds"] == [f"<{name}>"]
    cache = only(template, "AWS::ElastiCache::ServerlessCache")
    assert cache["Engine"] == "valkey"
    assert cache["CacheUsageLimits"]["DataStorage"]["Maximum"] == 1
    env = {one["name"]: one["value"] for one in container(definition(template))["env"]}
    assert env["ROWMILL_TRACKER_AUTH"] == "iam"
    cache_name = cache["ServerlessCacheName"]
    assert env["ROWMILL_TRACKER"].startswith(f"rediss://{user['UserName']}@<")
    assert env["ROWMILL_TRACKER"].endswith(f">/0?cache={cache_name}&serverless=true")


def container(machine: dict[str, Any]) -> dict[str, Any]:
    """Return the container that Split starts."""
    arguments = machine["States"]["Split"]["Arguments"]
    job = arguments["RequestBody"] if "RequestBody" in arguments else arguments["Job"]
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_new_table_is_paid_by_use_and_has_the_jobs_key(templates: Templates) -> None:
    table = only(templates["article"], "AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "Order ID", "KeyType": "HASH"}]
    assert "TableName" not in table


# Rights


WILDCARDS = {
    # What AWS has no narrower resource for.
    r".*AutoscalerDefaultPolicy.*": r"(autoscaling|ec2):(Describe|Get)\w+|autoscaling:(SetDesired|Terminate)\w+",
    r".*StateMachineRoleDefaultPolicy.*": r"logs:\w+|xray:\w+",
    r".*SplitFileServiceRoleDefaultPolicy.*": r"xray:\w+|elasticfilesystem:ClientMount",  # by the access point: a condition
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
    assert found["s3:PutObject"] == found["s3:DeleteObject"] == [f"{arn}/*_Output", f"{arn}/*_Output_Rejects"]
    assert set(found["s3:GetObject"]) == {f"{arn}/*", f"{arn}/*_Output", f"{arn}/*_Output_Rejects"}
    (table,) = of(templates["article"], "AWS::DynamoDB::Table")
    assert found["dynamodb:BatchWriteItem"] == [f"<{table}.Arn>"]
    assert "dynamodb:CreateTable" not in found
    assert {service.partition(":")[0] for service in found} == {"s3", "dynamodb", "elasticache", "states"}


def test_pods_keep_to_the_prefixes_of_given_buckets(templates: Templates) -> None:
    template = templates["given"]
    found = rights_of(template, "OrdersPods")
    (workspace,) = [key for key in of(template, "AWS::S3::Bucket") if "Workspace" in key]
    arn = "arn:<AWS::Partition>:s3:::"
    assert set(found["s3:PutObject"]) == {
        f"{arn}given-output/done/*_Output",
        f"{arn}given-output/done/*_Output_Rejects",
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
    if name in {"inline", "distributed"}:
        fan_out = {"inline": "inline-map", "distributed": "distributed-map"}[name]
        machine = asked.machine(Props(fan_out=fan_out), asked.SAMPLE)
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
        ("inline", {"eks:runJob.sync", "eks:call", "lambda:invoke"}),
        ("distributed", {"eks:call", "lambda:invoke", "s3:getObject", "s3:putObject"}),
        ("sequential", {"eks:call"}),
    ],
)
def test_each_fan_out_and_waiter_uses_its_integrations(templates: Templates, name: str, resources: set[str]) -> None:
    text = only(templates[name], "AWS::StepFunctions::StateMachine")["DefinitionString"]
    assert set(re.findall(r'"arn:aws[\w-]*:states:::([\w:.]+)"', text)) == resources
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
def test_every_log_has_an_end(templates: Templates, name: str) -> None:
    for one in of(templates[name], "AWS::Logs::LogGroup").values():
        assert one["RetentionInDays"] == 90


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
    volume = next(one for one in written if one["kind"] == "PersistentVolume")
    named = re.fullmatch(r"\$\{(\w+)\}::\$\{(\w+)\}", volume["spec"]["csi"]["volumeHandle"])
    assert named is not None
    assert set(named.groups()) <= set(template["Outputs"])
    assert "Token[" not in json.dumps(written)
