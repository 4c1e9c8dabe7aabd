"""Whole runs by the real state machine: pods of the local AWS's cluster, compared with the oracle."""

from __future__ import annotations

import json
from contextlib import closing

import boto3
import pytest

from rowmill import api
from rowmill.examples.orders import job
from rowmill.testing import expected

from . import deployed as real
from .kit import until

BUCKET = "whole-mill"


@pytest.fixture(scope="module")
def machine(rowmill_devcloud, tmp_path_factory):
    return real.deploy(rowmill_devcloud, tmp_path_factory.mktemp("out"), BUCKET)


@pytest.fixture
def put(aws, machine, tmp_path):
    """Give a function that puts new orders into the bucket."""
    del aws, machine
    with closing(boto3.client("s3")) as client:

        def put(rows, seed, spoil=lambda text: text):
            file = tmp_path / f"orders {seed}+.csv"
            api.generate(rows, str(file), seed=seed)
            file.write_text(spoil(file.read_text()))
            client.upload_file(str(file), BUCKET, f"in/{file.name}")
            return file, f"s3://{BUCKET}/in/{file.name}"

        yield put


def read(url):
    with closing(boto3.client("s3")) as client:
        return client.get_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"))["Body"].read()


def test_a_run_gives_what_the_oracle_gives_and_the_same_command_does_nothing(put, rowmill):
    file, url = put(1200, 1)
    words = ("run", real.JOB, url, "--on", "stepfunctions")
    first = rowmill(*words, "--json")
    assert first.code == 0, first.err
    report = json.loads(first.out)
    assert (report["schema"], report["status"], report["partitions"]) == ("rowmill.report/1", "succeeded", 3)
    assert read(f"{url}_Output") == expected(job, file).output
    again = rowmill(*words)
    assert again.code == 0
    assert f"run {report['run_id']} had done this on {report['end']}" in again.out
    shown = rowmill("status", report["run_id"], "--workspace", f"s3://{BUCKET}/work")
    assert "execution" in shown.out


def test_a_row_that_ends_the_run_ends_the_command_with_its_line_and_nothing_of_it_is_in_the_history(
    put, rowmill, states, machine
):
    _, url = put(40, 2, lambda text: text + "SECRET,too,short\n")
    ended = rowmill("run", real.JOB, url, "--on", "stepfunctions")
    assert ended.code == 3, ended.err
    assert "line 42, row 41" in ended.err
    (execution,) = [one for one in states.list_executions(stateMachineArn=machine)["executions"] if failed(one)]
    history = states.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)["events"]
    assert "SECRET" not in str(history)


def failed(execution):
    return execution["status"] == "FAILED"


def test_a_run_goes_on_after_its_execution_was_stopped(put, rowmill):
    file, url = put(1200, 3)
    words = ("run", real.JOB, url, "--on", "stepfunctions")
    arn = rowmill(*words, "--detach").out.split()[0]
    workspace = ("--workspace", f"s3://{BUCKET}/work")

    def going():
        runs = json.loads(rowmill("runs", "--json", *workspace).out)["runs"]
        return [one for one in runs if one["execution"] == arn]

    (run,) = until(going)
    assert (run["state"], run["execution_state"]) == ("running", "RUNNING")
    assert arn in rowmill("cancel", run["run_id"], *workspace).out
    ended = rowmill(*words)
    assert ended.code == 0, ended.err
    assert run["run_id"] in ended.out
    assert read(f"{url}_Output") == expected(job, file).output
