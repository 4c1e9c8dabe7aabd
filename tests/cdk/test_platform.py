"""What variants deploy for all jobs: cluster, nodes, network, file system, tracker; and where data is kept."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from reading import ALL, WITH_CLUSTER, Template, container, definition, listed, manifests, of, only, statements

from rowmill.cdk import asked

Templates = dict[str, Template]


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
    assert subnets == [f"subnet-0123456789abcdef{number}" for number in range(4)]


def test_file_system_and_cache_take_one_subnet_of_each_zone_since_aws_takes_no_other(templates: Templates) -> None:
    template = templates["given-things"]
    mounts = [one["SubnetId"] for one in of(template, "AWS::EFS::MountTarget").values()]
    assert mounts == only(template, "AWS::ElastiCache::ServerlessCache")["SubnetIds"]
    assert mounts == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


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


def test_a_new_table_is_paid_by_use_and_has_the_jobs_key(templates: Templates) -> None:
    table = only(templates["article"], "AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "Order ID", "KeyType": "HASH"}]
    assert "TableName" not in table
