"""What is wrong is said at once, in plain words, with what to do: before anything is started."""

from __future__ import annotations

import pytest

from .kit import ends_well, refusing_aws

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:none"


@pytest.mark.parametrize("named", ["name", "arn"])
def test_a_machine_is_found_by_name_and_by_arn(named, deployed, run):
    machine = deployed(ends_well())
    twin = deployed(ends_well(), job=f"/job/{machine.job}", input_bucket=machine.bucket)
    assert run(machine).code == 2  # either could be meant
    assert run(machine, "--state-machine", getattr(twin, named)).code == 0
    assert (len(machine.executions()), len(twin.executions())) == (0, 1)


def test_machines_that_could_be_meant_are_named(deployed, run):
    machine = deployed(ends_well())
    twin = deployed(ends_well(), job=f"/job/{machine.job}", input_bucket=machine.bucket)
    told = run(machine).err
    assert machine.name in told
    assert twin.name in told
    assert "--state-machine" in told


@pytest.mark.parametrize(
    ("tags", "words", "both"),
    [
        ({"job": "/job/clicks.py"}, (), ("/job/clicks.py", "orders")),
        ({"job": "/job/orders.py:other"}, (), ("/job/orders.py:other", "orders")),
        ({"input_bucket": "elsewhere"}, (), ("elsewhere", "s3://in-")),
        ({"workspace": "s3://work/a"}, ("--workspace", "s3://work/b"), ("s3://work/a", "s3://work/b")),
        ({"table": "dynamodb://eu-west-1/A"}, ("--table", "none"), ("dynamodb://eu-west-1/A", "none")),
    ],
)
def test_a_machine_that_does_something_else_is_refused_and_both_are_said(tags, words, both, deployed, run):
    machine = deployed(ends_well(), **tags)
    ended = run(machine, "--state-machine", machine.name, *words)
    assert ended.code == 2
    assert all(said in ended.err for said in both)
    assert machine.executions() == []


@pytest.mark.parametrize(
    "words",
    [("--workspace", "s3://work/a/"), ("--table", "dynamodb://eu-west-1/A")],
)
def test_places_that_are_the_machine_s_own_may_be_said(words, deployed, run):
    machine = deployed(ends_well(), workspace="s3://work/a", table="dynamodb://eu-west-1/A")
    assert run(machine, "--detach", *words).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--output", "s3://out/x"),
        ("--workers", "3"),
        ("--image", "mine:1"),
        ("--tracker", "redis://t"),
        ("--memory", "2Gi"),
    ],
)
def test_what_is_decided_when_the_machine_is_deployed_is_no_option(words, deployed, run):
    machine = deployed(ends_well())
    ended = run(machine, *words)
    assert ended.code == 2
    assert f"{words[0]} is decided when the state machine is deployed" in ended.err
    assert machine.executions() == []


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("given", ["sales.csv", "s3://bucket", "s3://bucket/", "-"])
def test_an_input_that_is_no_object_is_refused(given, rowmill):
    ended = rowmill("run", "orders.py", given, "--on", "stepfunctions")
    assert ended.code == 2
    assert "s3://bucket/key" in ended.err


def test_a_password_in_a_parameter_is_refused_since_it_would_stand_in_the_history(deployed, run):
    machine = deployed(ends_well())
    ended = run(machine, "--param", "db=postgresql://me:hush@host/db")
    assert ended.code == 2
    assert "hush" not in ended.err
    assert machine.executions() == []


def test_a_machine_that_is_not_there_is_told_with_those_that_are(deployed, run):
    machine = deployed(ends_well())
    told = run(machine, "--state-machine", "mill").err
    assert "there is no state machine mill in us-east-1" in told
    assert "--state-machine" not in run(machine, "--state-machine", "mill").out
    assert run(machine, "--state-machine", ARN).code == 2
    assert run(machine, "--state-machine", "arn:aws:s3:::bucket").code == 2


def test_another_region_has_other_machines(deployed, run, monkeypatch):
    machine = deployed(ends_well())
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    ended = run(machine, "--state-machine", machine.name)
    assert ended.code == 2
    assert "in eu-west-1" in ended.err
    assert run(machine, "--state-machine", machine.arn, "--detach").code == 0  # an ARN says where it is


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("refusal", "code", "said"),
    [
        ("AccessDeniedException", 2, "this needs states:ListStateMachines"),
        ("ExpiredTokenException", 2, "credentials have expired"),
        ("UnrecognizedClientException", 2, "does not know these credentials"),
        ("InvalidSignatureException", 2, "does not know these credentials"),
        ("ExecutionLimitExceeded", 75, "too many executions"),
        ("SomethingNew", 2, "Step Functions refuse ListStateMachines"),
    ],
)
def test_what_aws_refuses_is_told_with_what_to_do(refusal, code, said, rowmill, monkeypatch):
    with refusing_aws(refusal) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        ended = rowmill("run", "orders.py", "s3://in/x.csv", "--on", "stepfunctions")
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("refusal", ["ThrottlingException", "InternalFailure"])
def test_what_passes_by_itself_is_exit_75(refusal, rowmill, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with refusing_aws(refusal, 500) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        ended = rowmill("run", "orders.py", "s3://in/x.csv", "--on", "stepfunctions")
    assert ended.code == 75
    assert "give the same command again later" in ended.err


@pytest.mark.usefixtures("aws")
def test_nobody_at_the_address_is_exit_75(rowmill, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert rowmill("run", "orders.py", "s3://in/x.csv", "--on", "stepfunctions").code == 75


@pytest.mark.usefixtures("aws")
def test_no_region_and_no_credentials_are_told(rowmill, monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    ended = rowmill("run", "orders.py", "s3://in/x.csv", "--on", "stepfunctions")
    assert (ended.code, "no AWS credentials" in ended.err) == (2, True)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    ended = rowmill("run", "orders.py", "s3://in/x.csv", "--on", "stepfunctions")
    assert (ended.code, "no region is named" in ended.err) == (2, True)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("arn", ["arn:aws:states:us-east-1:000000000000:execution:mill:gone", "arn:aws:x"])
def test_an_execution_that_is_gone_or_none_is_told(arn, rowmill):
    ended = rowmill("cancel", arn)
    assert ended.code in (2, 5)
    assert "execution" in ended.err
    assert "next:" in ended.err
