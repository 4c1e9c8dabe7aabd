"""What the constructs take is judged in plain words, before Node or AWS CDK is loaded."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rowmill.cdk.checks import RETENTIONS, vcpus
from rowmill.cdk.props import ClusterProps, JobProps, Props, SharedProps
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

HANG_S = 60

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"min_nodes": 6}, "min_nodes 6 <= desired_nodes 6 <= max_nodes 5 does not hold"),
    ({"min_nodes": 3, "desired_nodes": 2}, "min_nodes 3 <= desired_nodes 2 <= max_nodes 5 does not hold"),
    ({"desired_nodes": 9}, "min_nodes 5 <= desired_nodes 9 <= max_nodes 5 does not hold"),
    ({"min_nodes": -1}, "min_nodes is -1"),
    ({"max_nodes": 0, "min_nodes": 0}, "max_nodes is 0"),
    ({"max_nodes": "5"}, "max_nodes is '5'"),
    ({"max_nodes": True}, "max_nodes is True"),
    ({"max_split_lines": 0}, "max_split_lines is 0"),
    ({"max_split_lines": 2.5}, "max_split_lines is 2.5"),
    ({"compute": "fargate"}, "compute is 'fargate'"),
    ({"compute": "auto", "min_nodes": 1}, "compute is auto"),
    ({"compute": "auto", "desired_nodes": 2}, "compute is auto"),
    ({"lean": True, "compute": "nodegroup"}, "lean has no node group"),
    ({"lean": True, "workspace": "efs"}, "lean has no node group, no file system"),
    ({"lean": True, "cache": "serverless"}, "lean has no node group"),
    ({"architecture": "riscv"}, "architecture is 'riscv'"),
    ({"instance_types": ("m7g.large",)}, "not x86_64"),
    ({"architecture": "arm64", "instance_types": ("m6i.large",)}, "not arm64"),
    ({"instance_types": ("m6i.metal",)}, "number of CPUs is not known"),
    ({"instance_types": ("big",)}, "number of CPUs is not known"),
    ({"compute": "auto", "instance_types": ("m6i.large", "m6i.xlarge")}, "max_nodes counts by CPUs"),
    ({"capacity_type": "cheap"}, "capacity_type is 'cheap'"),
    ({"kubernetes_version": "1.19"}, "kubernetes_version is '1.19'"),
    ({"admin_principals": ("me",)}, "admin_principals has 'me'"),
    ({"nat_gateways": 0}, "nat_gateways is 0"),
    ({"cache": "redis"}, "cache is 'redis'"),
    ({"log_retention_days": 2}, "log_retention_days is 2"),
    ({"removal_policy": "snapshot"}, "removal_policy is 'SNAPSHOT'"),
    ({"kubernetes_objects": "helm"}, "kubernetes_objects is 'helm'"),
    ({"fan_out": "map"}, "fan_out is 'map'"),
    ({"waiter": "watch"}, "waiter is 'watch'"),
    ({"mode": "serial"}, "mode is 'serial'"),
    ({"trigger": "sqs"}, "trigger is 'sqs'"),
    ({"workspace": "nfs"}, "workspace is 'nfs'"),
    ({"workspace": "efs", "file_system": False}, "the cluster has no file system"),
    ({"fan_out": "distributed-map", "workspace": "efs"}, "reads its list from S3"),
    ({"fan_out": "inline-map", "workers": 41}, "inline-map does at most 40 partitions at once"),
    ({"fan_out": "distributed-map", "workers": 10_001}, "distributed-map does at most 10,000 partitions at once"),
    ({"workspace_days": 7}, "workspace_days is for S3"),
    ({"workspace_days": 0}, "workspace_days is 0"),
    ({"workers": 0}, "workers is 0"),
    ({"poll_s": 0}, "poll_s is 0"),
    ({"poll_s": 31}, "most_poll_s is less than poll_s"),
    ({"timeout_s": 864_000}, "looks each 30 s has"),
    ({"timeout_s": 5}, "timeout_s is 5"),
    ({"cpu": "half"}, "cpu is 'half'"),
    ({"memory": "1 GB"}, "memory is '1 GB'"),
    ({"namespace": "default"}, "namespace is 'default'"),
    ({"namespace": "kube-system"}, "namespace is 'kube-system'"),
    ({"namespace": "Orders"}, "namespace is 'Orders'"),
    ({"namespace": "o" * 41}, "pods have one of their own"),
    ({"input_bucket": "s3://in/"}, "input_bucket is 's3://in/'"),
    ({"input_bucket_tells": True}, "input_bucket_tells is for a given bucket"),
    ({"output_bucket": "UPPER"}, "output_bucket is 'UPPER'"),
    ({"input_prefix": "/in/"}, "input_prefix is '/in/'"),
    ({"input_prefix": "in"}, "input_prefix is 'in'"),
    ({"output_prefix": "o*/"}, "output_prefix is 'o*/'"),
    ({"input_suffixes": ()}, "input_suffixes must name at least one"),
    ({"input_suffixes": ".csv"}, "input_suffixes must name at least one"),
    ({"input_suffixes": ("",)}, "would start runs"),
    ({"input_suffixes": (".csv_Output",)}, "would start runs"),
    ({"input_suffixes": ("_Rejects",)}, "would start runs"),
    ({"input_suffixes": ("t",)}, "would start runs"),
    ({"table": "dynamodb://eu-west-1/Orders"}, "no DynamoDB table's name"),
    ({"table": "Orders", "warm_write_units": 9000}, "warm_write_units is for a new table"),
    ({"max_write_units": 0}, "max_write_units is 0"),
    ({"table_key": ""}, "table_key is empty"),
    ({"job_folder": "/nowhere/at/all"}, "there is no folder /nowhere/at/all"),
    ({"job_folder": ".", "image": "registry.example/orders:1"}, "image is there already"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[str(given) for given, _ in REFUSED])
def test_what_cannot_be_built_is_refused_in_plain_words_with_a_way_out(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Props(**given)
    assert message in caught.value.message
    assert caught.value.__notes__ == [f"next: {caught.value.hint}"]


def test_without_values_the_articles_defaults_hold() -> None:
    made = Props()
    assert (made.min_nodes, made.desired_nodes, made.max_nodes) == (5, 5, 5)
    assert (made.vpc, made.input_bucket, made.max_split_lines) == (None, None, 30_000)
    assert (made.compute, made.workspace, made.cache, made.file_system) == ("nodegroup", "efs", "serverless", True)


def test_lean_has_nothing_that_waits_for_work() -> None:
    made = Props(lean=True)
    assert (made.compute, made.min_nodes, made.workspace, made.cache, made.file_system) == (
        "auto",
        0,
        "s3",
        "none",
        False,
    )


@pytest.mark.parametrize("given", [{"workspace": "s3"}, {"fan_out": "distributed-map"}, {"file_system": False}])
def test_no_file_system_is_made_for_a_workspace_on_s3(given: dict[str, Any]) -> None:
    made = Props(**given)
    assert (made.workspace, made.file_system) == ("s3", False)


def test_nodes_desired_are_as_many_as_at_least() -> None:
    assert Props(min_nodes=2, max_nodes=10).desired_nodes == 2


@pytest.mark.parametrize("kind", [SharedProps, ClusterProps, JobProps, Props])
def test_values_are_frozen(kind: type[SharedProps]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().lean = True  # type: ignore[misc]


@pytest.mark.parametrize("kind", [ClusterProps, JobProps])
def test_cluster_and_job_judge_their_own_part_alone(kind: type[SharedProps]) -> None:
    with pytest.raises(ConfigurationError, match="architecture"):
        kind(architecture="sparc")


def test_every_field_is_described() -> None:
    for kind in (SharedProps, ClusterProps, JobProps):
        own = [field.name for field in dataclasses.fields(kind) if kind is SharedProps or field.name in vars(kind)]
        for name in own:
            assert f"\n        {name}: " in str(kind.__doc__), f"{kind.__name__}.{name}"


def test_a_job_that_the_folder_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no orders\.py"):
        Props(job_folder=str(tmp_path), job="/job/orders.py:orders")
    (tmp_path / "orders.py").touch()
    assert Props(job_folder=str(tmp_path), job="/job/orders.py:orders").job == "/job/orders.py:orders"


CPUS = {
    "t3.medium": 2,
    "m6g.medium": 1,
    "m6i.large": 2,
    "m6i.xlarge": 4,
    "m7g.2xlarge": 8,
    "c7i-flex.large": 2,
    "m6i.24xlarge": 96,
}


@pytest.mark.parametrize(("kind", "cpus"), CPUS.items())
def test_cpus_follow_from_an_instance_types_size(kind: str, cpus: int) -> None:
    assert vcpus(kind) == cpus


def test_props_load_neither_node_nor_cdk() -> None:
    code = "import sys; from rowmill.cdk import Props; Props(); print('aws_cdk' in sys.modules, 'jsii' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_S, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_retentions_are_those_that_cloudwatch_has() -> None:
    from rowmill.cdk import logs  # noqa: PLC0415 - it loads Node

    assert tuple(logs.RETENTION) == RETENTIONS
