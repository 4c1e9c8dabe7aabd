"""What the machine, its pods and its Lambda may do: what they need, on what they need it, and nothing else."""

from __future__ import annotations

import json

import kubernetes_validate
import pytest

from rowmill import wire
from rowmill.statemachine import permissions, rights

from .machines import SHAPES, machine

ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:orders"
EXECUTIONS = "arn:aws:states:eu-west-1:123456789012:execution:orders"


def allowed(shape: str) -> set[str]:
    return {action for one in permissions.of_machine(machine(shape), ARN, EXECUTIONS) for action in one.actions}


def test_a_machine_needs_of_aws_what_its_fan_out_asks() -> None:
    for shape in ("indexed-job-call", "indexed-job-sync", "sequential"):
        assert allowed(shape) == set()
    assert allowed("inline-map-call") == {"lambda:InvokeFunction"}
    assert allowed("distributed-map-sync") == {
        "lambda:InvokeFunction",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "states:RedriveExecution",
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_allowed_on_everything(shape: str) -> None:
    made = machine(shape)
    found = [*permissions.of_machine(made, ARN, EXECUTIONS), permissions.of_pods(EXECUTIONS)]
    for one in [*found, *permissions.of_split_file(made)]:
        assert one.resources
        for arn in one.resources:
            assert arn.startswith(("arn:aws:lambda:", "arn:aws:states:", "arn:aws:s3:::orders-work"))
        assert not any("*" in action for action in one.actions)
        assert json.dumps(one.statement())


@pytest.mark.parametrize("prefix", ["", "a", "a/b/"])
def test_rights_on_objects_are_those_of_names_that_are_used(prefix: str) -> None:
    made = machine("distributed-map-call", workspace_prefix=prefix)
    under = f"arn:aws:s3:::orders-work/{prefix.rstrip('/')}/".replace("work//", "work/")
    (items,) = [one for one in permissions.of_split_file(made) if "s3:PutObject" in one.actions]
    pattern = items.resources[0].removeprefix(under).split("*")
    name = wire.items_name("0123456789abcdef", 1)
    assert name.startswith(pattern[0])
    assert name.endswith(pattern[-1])


@pytest.mark.parametrize("waiter", ["call", "sync"])
def test_the_cluster_lets_the_machine_s_group_make_kubernetes_jobs_in_one_namespace(waiter: str) -> None:
    role, binding = rights.role("orders", waiter), rights.role_binding("orders")
    for version in ("1.33", "1.37"):
        kubernetes_validate.validate(role, version, strict=True)
        kubernetes_validate.validate(binding, version, strict=True)
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "rowmill:orders:state-machine"}
    ]
    verbs = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert set(verbs) == {"jobs", "pods"}
    assert verbs["pods"] == {"get", "list"}
    assert ("delete" in verbs["jobs"]) == (waiter == "sync")
