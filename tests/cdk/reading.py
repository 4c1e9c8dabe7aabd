"""A template as a reader sees it: resources by type, references as `<Name>` or `<Name.Attribute>`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL = [
    "article",
    "scaling",
    "auto",
    "lean",
    "inline",
    "distributed",
    "sequential",
    "rendered",
    "given",
    "indexed-sync",
    "inline-call",
    "distributed-sync",
    "given-things",
    "two",
    "split",
    "job",  # the second stack of `split`
]
WITH_CLUSTER = [name for name in ALL if name not in {"given", "job", "indexed-sync", "inline-call", "distributed-sync"}]
WITH_JOB = [name for name in ALL if name not in {"split", "two"}]
Template = dict[str, Any]
Properties = dict[str, Any]


def of(template: Template, kind: str) -> dict[str, Properties]:
    """Return the properties of each resource of a type, by its name."""
    return {
        name: plain(one.get("Properties", {})) for name, one in template["Resources"].items() if one["Type"] == kind
    }


def only(template: Template, kind: str) -> Properties:
    """Return the properties of the one resource of a type."""
    (found,) = of(template, kind).values()
    return found


def plain(value: Any) -> Any:
    """Return a value with its references as text."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    (name, *others) = value or [""]
    read = REFERENCES.get(name)
    if read is not None and not others:
        return read(value[name])
    return {name: plain(one) for name, one in value.items()}


REFERENCES = {
    "Fn::Join": lambda given: given[0].join(str(plain(part)) for part in given[1]),
    "Ref": lambda given: f"<{given}>",
    "Fn::GetAtt": lambda given: f"<{'.'.join(given)}>",
    "Fn::Select": lambda given: f"{plain(given[1])}[{given[0]}]",
    "Fn::Split": lambda given: f"{plain(given[1])}/{given[0]}",
    "Fn::Sub": lambda given: given,
}


def statements(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each statement of the roles' policies with the policy's name."""
    for name, policy in of(template, "AWS::IAM::Policy").items():
        for one in policy["PolicyDocument"]["Statement"]:
            yield name, one
    for name, role in of(template, "AWS::IAM::Role").items():
        for policy in role.get("Policies", ()):
            for one in policy["PolicyDocument"]["Statement"]:
                yield name, one


def listed(value: Any) -> list[str]:
    """Return one or many as a list."""
    return value if isinstance(value, list) else [value]


def definition(template: Template) -> dict[str, Any]:
    """Return the state machine's definition."""
    found: dict[str, Any] = json.loads(only(template, "AWS::StepFunctions::StateMachine")["DefinitionString"])
    return found


def manifests(template: Template) -> list[dict[str, Any]]:
    """Return the Kubernetes objects that the handler applies."""
    found = of(template, "Custom::AWSCDK-EKS-KubernetesResource").values()
    return [one for resource in found for one in json.loads(resource["Manifest"])]


def container(machine: dict[str, Any]) -> dict[str, Any]:
    """Return the container that Split starts."""
    arguments = machine["States"]["Split"]["Arguments"]
    job = arguments["RequestBody"] if "RequestBody" in arguments else arguments["Job"]
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found
