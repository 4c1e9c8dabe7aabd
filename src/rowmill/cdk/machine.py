"""The state machine: `rowmill.statemachine`'s definition in AWS CDK's resource, and whom it may ask what."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import msgspec
from aws_cdk import aws_eks as eks_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn

from rowmill.cdk import logs, objects
from rowmill.cdk.interim import Machine, definition

if TYPE_CHECKING:
    from aws_cdk.aws_eks_v2 import ICluster
    from constructs import Construct

    from rowmill.cdk.props import JobProps

TOKEN = re.compile(r"\$\{Token\[[^\]]+\]\}")
WORD = re.compile(r"known-later-([0-9]+)z")


def state_machine(scope: Construct, asked: Machine, role: iam.Role, props: JobProps) -> sfn.StateMachine:
    """Return the state machine; its log has no input and no output of states."""
    name = cdk.Names.unique_resource_name(scope, max_length=100, separator="-")
    return sfn.StateMachine(
        scope,
        "StateMachine",
        definition_body=sfn.DefinitionBody.from_string(definition_text(asked)),
        role=role,
        state_machine_type=sfn.StateMachineType.STANDARD,
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=logs.group(scope, "StateMachineLogs", props, name=f"/aws/vendedlogs/states/{name}"),
            level=sfn.LogLevel.ALL,
            include_execution_data=False,
        ),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )


def definition_text(asked: Machine) -> str:
    """Return the definition as JSON, with CDK's tokens where only the deployed stack knows.

    While it is made, plain words stand for the tokens: they have a `$`, which would be doubled for Kubernetes.
    """
    tokens: list[str] = []
    text = json.dumps(definition(msgspec.convert(_in_words(msgspec.to_builtins(asked), tokens), Machine)))
    return WORD.sub(lambda found: tokens[int(found[1])], text)


def _in_words(value: Any, tokens: list[str]) -> Any:
    """Return a value with words in the place of tokens, which are added to the list."""
    if isinstance(value, dict):
        return {name: _in_words(one, tokens) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_words(one, tokens) for one in value]
    return TOKEN.sub(lambda found: _word(found[0], tokens), value) if isinstance(value, str) else value


def _word(token: str, tokens: list[str]) -> str:
    if token not in tokens:
        tokens.append(token)
    return f"known-later-{tokens.index(token)}z"


def machine_role(scope: Construct) -> iam.Role:
    """Return the state machine's role."""
    return iam.Role(scope, "StateMachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))


def access(scope: Construct, cluster: ICluster, role: iam.Role, namespace: str) -> eks_resources.CfnAccessEntry:
    """Return what makes the role known to Kubernetes: by a group, which one Role in one namespace is bound to."""
    return eks_resources.CfnAccessEntry(
        scope,
        "StateMachineAccess",
        cluster_name=cluster.cluster_name,
        principal_arn=role.role_arn,
        type="STANDARD",
        kubernetes_groups=[objects.machine_group(namespace)],
    )
