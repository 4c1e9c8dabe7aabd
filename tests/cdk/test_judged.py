"""What others' tools say of all variants: every finding has been looked at, and a new one fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from reading import ALL

HERE = Path(__file__).resolve().parent
HANG_S = 280


class Reviewed(NamedTuple):
    rule: str
    where: str
    why: str


MANAGED, WILD = r"AwsSolutions-IAM4\[.*", r"AwsSolutions-IAM5\[Resource::"
PODS = r".*Pods/DefaultPolicy"
REVIEWED = (
    # What EKS and Lambda are documented to need, as AWS' own managed policies.
    Reviewed(rf"{MANAGED}AmazonEKS\w+\]", r".*Cluster/Role", "EKS' own role"),
    Reviewed(rf"{MANAGED}AmazonE\w+\]", r".*Cluster/(Nodegroup\w+/NodeGroup|ClusternodePool)Role", "nodes' own role"),
    Reviewed(rf"{MANAGED}AmazonEFSCSIDriverPolicy\]", r".*FileSystem/DriverRole", "the driver's own role"),
    Reviewed(MANAGED, r".*KubectlProvider/.*", "CDK's handler"),
    Reviewed(rf"{MANAGED}AWSLambda\w+\]", r".*(SplitFile|BucketNotificationsHandler\w+)/.*", "logs, and the VPC"),
    # Wildcards: under a prefix of one bucket, of one state machine or cluster; or AWS has nothing narrower.
    Reviewed(rf"{WILD}.*/\*(_Output(_Rejects|_Repairs)?)?\]", PODS, "under a prefix"),
    Reviewed(rf"{WILD}.*:execution:<\w+\.Name>:\*\]", PODS, "executions of one machine"),
    Reviewed(rf"{WILD}\*\]", r".*Autoscaler/DefaultPolicy", "it looks at all, and scales by the cluster's tag"),
    Reviewed(rf"{WILD}.*:nodegroup/<\w+>/\*\]", r".*Autoscaler/DefaultPolicy", "of one cluster"),
    Reviewed(rf"{WILD}\*\]", r".*StateMachineRole/DefaultPolicy", "log delivery and X-Ray"),
    Reviewed(rf"{WILD}.*\*.*\]", r".*StateMachinePolicy", "runs of one workspace; its own executions"),
    Reviewed(rf"{WILD}.*\*.*\]", r".*SplitFile/ServiceRole/DefaultPolicy", "runs; X-Ray; through one access point"),
    Reviewed(rf"{WILD}.*\*\]", r".*(KubectlProvider|BucketNotificationsHandler).*", "CDK's handlers"),
    Reviewed("AwsSolutions-L1", r".*KubectlProvider/Handler", "CDK chooses its handler's runtime"),
    Reviewed("AwsSolutions-SQS3", r".*NotStarted", "it is the dead-letter queue"),
    Reviewed("AwsSolutions-S1", r".*(InputBucket|Workspace|TrailLogs)", "the user gives access_logs_bucket, or not"),
    Reviewed(r".*ipv4IgnoreEgressRule", ".*Clients", "CDK allows what is allowed: the Lambda reaches EFS"),
    Reviewed(r".*clusterMustManuallyTagSubnet", ".*Cluster", "for load balancers, which runs do not have"),
    Reviewed("W9053", "two", "CDK's condition, once for each handler"),
    # What the tests give, not the constructs.
    Reviewed("AwsSolutions-(S1|S10|DDB3|SNS3)", "(Bucket|Mine|Topic)", "given things of the test's own"),
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the assembly with all flags on, and what was found in it."""
    folder = tmp_path_factory.mktemp("judged")
    env = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    command = [sys.executable, "checked.py", str(folder)]
    done = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def found_in(report: Path) -> set[tuple[str, str]]:
    """Return rule and place of each finding, without the variant and the resource's own level."""
    plugins = json.loads(report.read_bytes())["pluginReports"]
    assert {one["pluginName"] for one in plugins} >= {"AwsSolutions", "CloudFormation Validate"}
    return {
        (one["ruleName"], re.sub(r"^[^/]+/|/Resource$", "", construct["constructPath"]))
        for plugin in plugins
        for one in plugin["violations"]
        for construct in one["violatingConstructs"]
    }


def test_every_finding_of_cdk_nag_and_the_validator_was_reviewed_and_each_review_is_needed(judged: Path) -> None:
    findings = found_in(judged / "validation-report.json")
    by_finding = {
        (rule, where): [one for one in REVIEWED if re.fullmatch(one.rule, rule) and re.fullmatch(one.where, where)]
        for rule, where in findings
    }
    assert not sorted(finding for finding, reviews in by_finding.items() if not reviews)
    used = {one for reviews in by_finding.values() for one in reviews}
    assert not [one for one in REVIEWED if one not in used]


def test_with_every_recommended_flag_on_the_same_stacks_come_out(judged: Path) -> None:
    assert {file.name.partition(".")[0] for file in judged.glob("*.template.json")} == set(ALL)
    machine = next(
        one
        for one in json.loads((judged / "distributed.template.json").read_bytes())["Resources"].values()
        if one["Type"] == "AWS::StepFunctions::StateMachine"
    )
    assert "ResultWriter" in json.dumps(machine)


@pytest.mark.parametrize("name", ["article", "distributed"])
def test_cfn_lint_has_nothing_to_say_but_that_cdk_is_wordy(judged: Path, name: str) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).parent / "cfn-lint",
            "-r",
            "eu-west-1",
            "-i",
            "W3005",
            "-t",
            judged / f"{name}.template.json",
        ],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_handlers_that_flags_bring_log_into_a_group_of_ours_too(judged: Path) -> None:
    for file in judged.glob("*.template.json"):
        for name, one in json.loads(file.read_bytes())["Resources"].items():
            assert one["Type"] != "AWS::Lambda::Function" or "LoggingConfig" in one["Properties"], (file.name, name)
