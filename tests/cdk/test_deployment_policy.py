"""The policy that CloudFormation may be given in place of an administrator's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reading import Template, of

POLICY = json.loads((Path(__file__).resolve().parents[2] / "infra" / "execution-policy.json").read_bytes())
SERVICES = {"efs": "elasticfilesystem", "stepfunctions": "states"}
MOST_CHARACTERS = 6_144  # what IAM takes, spaces not counted
TESTS_OWN = "AWS::SNS::Topic"


def statement(sid: str) -> dict[str, Any]:
    (found,) = [one for one in POLICY["Statement"] if one["Sid"] == sid]
    return dict(found)


def test_it_has_every_service_that_a_variant_uses_and_no_other(templates: dict[str, Template]) -> None:
    kinds = {one["Type"] for template in templates.values() for one in template["Resources"].values()} - {TESTS_OWN}
    used = {kind.split("::")[1].lower() for kind in kinds if kind.startswith("AWS::")}
    named = {action.partition(":")[0] for action in statement("Services")["Action"]} | {"iam", "ssm"}
    assert named - {"xray"} == {SERVICES.get(one, one) for one in used}


def test_it_attaches_just_the_managed_policies_that_variants_name(templates: dict[str, Template]) -> None:
    named = {
        arn.rpartition(":policy/")[2]
        for arn in statement("ManagedPoliciesOfTheStack")["Condition"]["ArnEquals"]["iam:PolicyARN"]
    }
    used = {
        name
        for template in templates.values()
        for role in of(template, "AWS::IAM::Role").values()
        for name in re.findall(r":iam::aws:policy/([\w/-]+)", json.dumps(role))
    }
    assert named == used
    assert "AdministratorAccess" not in named


def test_it_makes_roles_of_the_shipped_stack_only_and_is_not_too_long_for_iam() -> None:
    for sid in ("RolesOfTheStack", "ManagedPoliciesOfTheStack"):
        assert statement(sid)["Resource"] == "arn:aws:iam::*:role/RowmillOrders-*"
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= MOST_CHARACTERS
