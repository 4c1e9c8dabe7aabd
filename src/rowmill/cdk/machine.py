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

from rowmill.cdk import logs
from rowmill.statemachine import Machine, definition, permissions, rights

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk.aws_eks_v2 import ICluster
    from constructs import Construct

    from rowmill.cdk.props import JobProps

TOKEN = re.compile(r"\$\{Token\[[^\]]+\]\}")
WORD = re.compile(r"known-later-([0-9]+)z")


def state_machine(scope: Construct, asked: Machine, role: iam.Role, props: JobProps) -> sfn.StateMachine:
    """Return the state machine; its log has no input and no output of states."""
    name = logs.name_of_its_own(scope, 80)
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

    While it is made, plain words stand for the tokens: they have a `$`, which would be doubled for Kubernetes. Names of
    integrations get the partition that the stack is in.
    """
    tokens: list[str] = []
    text = json.dumps(definition(msgspec.convert(_in_words(msgspec.to_builtins(asked), tokens), Machine)))
    text = text.replace('"arn:aws:states:::', f'"arn:{cdk.Aws.PARTITION}:states:::')
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
    """Return the state machine's role, which only a state machine of this account takes."""
    ours = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}  # not on behalf of another account's machine
    return iam.Role(scope, "StateMachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com", conditions=ours))


def access(scope: Construct, cluster: ICluster, role: iam.Role, namespace: str) -> eks_resources.CfnAccessEntry:
    """Return what makes the role known to Kubernetes: by a group, which one Role in one namespace is bound to."""
    return eks_resources.CfnAccessEntry(
        scope,
        "StateMachineAccess",
        cluster_name=cluster.cluster_name,
        principal_arn=role.role_arn,
        type="STANDARD",
        kubernetes_groups=[rights.group(namespace)],
    )


def allow(scope: Construct, asked: Machine, made: sfn.StateMachine, role: iam.Role, pods: iam.Role) -> None:
    """Let the machine use what its definition names, and pods ask how its executions stand.

    The machine waits for its role's own policy; one that names the machine is apart from that.
    """
    stack = cdk.Stack.of(scope)
    executions = stack.format_arn(
        service="states",
        resource="execution",
        resource_name=made.state_machine_name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    needed = permissions.of_machine(asked, made.state_machine_arn, executions, cdk.Aws.PARTITION)
    if needed:
        iam.Policy(scope, "StateMachinePolicy", roles=[role], statements=[_statement(one) for one in needed])
    pods.add_to_policy(_statement(permissions.of_pods(executions)))


def allow_split_file(function: lambda_.Function, asked: Machine) -> None:
    """Let the Lambda read runs and write a Map's items, where the workspace is on S3."""
    if asked.workspace_bucket:
        for one in permissions.of_split_file(asked, cdk.Aws.PARTITION):
            function.add_to_role_policy(_statement(one))


def _statement(one: permissions.Allowed) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=sorted(one.actions), resources=list(one.resources))
