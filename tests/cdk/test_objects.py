"""Kubernetes' objects of the constructs: valid by Kubernetes' own schemas, and with few rights."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from rowmill.cdk import objects
from rowmill.cdk.checks import VERSIONS

VOLUME = objects.Volume("fs-0123456789abcdef0", "fsap-0123456789abcdef0")
OF_JOB = objects.job_objects("orders", "sync", VOLUME)
AUTOSCALER = objects.autoscaler("mill", "eu-west-1", "1.36")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", [*OF_JOB, *AUTOSCALER], ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_objects_have_the_fields_of_kubernetes_own_schema_and_no_other(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_a_namespace_takes_only_pods_that_could_harm_nobody() -> None:
    labels = OF_JOB[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_objects_come_in_the_order_in_which_they_need_each_other() -> None:
    kinds = [one["kind"] for one in OF_JOB]
    assert kinds[:2] == ["Namespace", "ServiceAccount"]
    assert kinds.index("Role") < kinds.index("RoleBinding")
    assert kinds.index("PersistentVolume") < kinds.index("PersistentVolumeClaim")


def test_what_belongs_to_a_job_is_in_its_namespace_and_nothing_of_it_rules_the_cluster() -> None:
    assert not [one for one in OF_JOB if one["kind"].startswith("Cluster")]
    for one in OF_JOB:
        assert one["metadata"].get("namespace", "orders") == "orders"


def test_without_a_file_system_there_is_no_volume() -> None:
    kinds = {one["kind"] for one in objects.job_objects("orders", "call", None)}
    assert kinds == {"Namespace", "ServiceAccount", "Role", "RoleBinding"}


def test_the_pods_account_has_no_token() -> None:
    assert OF_JOB[1]["automountServiceAccountToken"] is False


def test_the_autoscaler_is_one_pod_without_root_that_sees_no_secrets() -> None:
    (deployment,) = [one for one in AUTOSCALER if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    rules = [rule for one in AUTOSCALER for rule in one.get("rules", ())]
    assert not [rule for rule in rules if {"*", "secrets"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}]


def test_a_pool_of_nodes_has_an_end_and_goes_when_it_is_empty() -> None:
    pool = objects.node_pool(objects.AutoNodes(("m6i.large",), "x86_64", "spot", 20))
    assert pool["apiVersion"] == "karpenter.sh/v1"
    assert pool["spec"]["limits"] == {"cpu": "20"}
    assert pool["spec"]["disruption"]["consolidationPolicy"] == "WhenEmptyOrUnderutilized"
    wanted = {one["key"]: one["values"] for one in pool["spec"]["template"]["spec"]["requirements"]}
    assert wanted["karpenter.sh/capacity-type"] == ["spot"]
