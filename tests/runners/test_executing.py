"""Whose execution a run is: asked of Step Functions by HTTP, told by the workspace."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rowmill import api
from rowmill.errors import ConfigurationError, InputError, TransientError
from rowmill.runners.executing import status_of
from rowmill.runners.sharing import Begun, Duplicate

MACHINE = "arn:aws:states:eu-west-1:123456789012:execution:orders"
FIRST, SECOND = f"{MACHINE}:first", f"{MACHINE}:second"
JOB = """
from rowmill import Csv, Job

job = Job("echo", reads=Csv(), writes=Csv(header=False))


@job.process
def echo(row):
    return row
"""


class StepFunctions(ThreadingHTTPServer):
    """Answers DescribeExecution as it is told."""

    status, body = 200, {"status": "RUNNING"}
    asked: list[str]


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(given["executionArn"])
        body = json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = StepFunctions(("127.0.0.1", 0), Answer)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def steps(monkeypatch):
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_MAX_ATTEMPTS", "1")):
        monkeypatch.setenv(name, value)
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", f"http://127.0.0.1:{server.server_address[1]}")
        yield server


@pytest.fixture
def begin(tmp_path):
    """Give the first step of a run, as its pod takes it."""
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.csv").write_text("id\n1\n2\n")

    def begin(execution, **more):
        files = str(tmp_path / "job.py"), str(tmp_path / "in.csv")
        return api.split(*files, workspace=str(tmp_path / "work"), execution=execution, **more)

    return begin


def end(begun, tmp_path):
    api.process(begun.manifest.run_id, workspace=str(tmp_path / "work"))
    return api.merge(begun.manifest.run_id, workspace=str(tmp_path / "work"))


def test_the_first_execution_has_the_run_and_nobody_is_asked(begin, steps, tmp_path):
    assert isinstance(begin(FIRST), Begun)
    assert isinstance(begin(FIRST), Begun)
    assert not steps.asked
    assert len(list(tmp_path.glob("work/runs/*/executions/*.json"))) == 1


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "PENDING_REDRIVE"])
def test_another_is_a_duplicate_while_the_first_lives_or_has_done_it(begin, steps, status):
    run_id = begin(FIRST).manifest.run_id
    steps.body = {"status": status}
    assert begin(SECOND) == Duplicate(run_id, FIRST)
    assert steps.asked == [FIRST]


def test_who_splits_has_the_run_before_it_has_read_the_file_so_that_twins_of_a_large_one_do_not_wait(
    begin, steps, tmp_path
):
    (tmp_path / "in.csv").write_text('id\n1\n"2\n')
    with pytest.raises(InputError):  # at the end of the file
        begin(FIRST)
    assert begin(SECOND).of == FIRST
    steps.body = {"status": "FAILED"}
    with pytest.raises(InputError):
        begin(SECOND)


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_dead_execution_is_taken_over_and_is_a_duplicate_when_it_comes_back(begin, steps, status):
    run_id = begin(FIRST).manifest.run_id
    steps.body = {"status": status}
    assert isinstance(begin(SECOND), Begun)
    steps.body = {"status": "RUNNING"}
    assert begin(FIRST) == Duplicate(run_id, SECOND)


def test_an_execution_that_nobody_knows_any_more_is_taken_over(begin, steps):
    begin(FIRST)
    steps.status, steps.body = 400, {"__type": "com.amazonaws.swf#ExecutionDoesNotExist"}
    assert isinstance(begin(SECOND), Begun)


def test_a_finished_run_is_a_duplicate_with_its_report(begin, steps, tmp_path):
    report = end(begin(FIRST), tmp_path)
    steps.body = {"status": "FAILED"}  # it published, and was stopped before it could say so
    twin = begin(SECOND)
    assert isinstance(twin, Duplicate)
    assert (twin.run_id, twin.of) == (report.run_id, FIRST)
    assert twin.report is not None
    steps.body = {"status": "SUCCEEDED"}
    assert begin(SECOND).report.output == report.output


def test_what_came_of_a_file_that_another_has_replaced_is_not_published_over_the_other_s(begin, steps, tmp_path):
    older = begin(FIRST).manifest.run_id
    api.process(older, workspace=str(tmp_path / "work"))
    (tmp_path / "in.csv").write_text("id\n3\n4\n5\n")
    steps.body = {"status": "RUNNING"}
    newer = end(begin(SECOND), tmp_path)
    with pytest.raises(InputError, match="changed"):
        api.merge(older, workspace=str(tmp_path / "work"))
    assert (tmp_path / "in.csv_Output").read_text() == "3\n4\n5\n"
    assert newer.counts.written == 3


def test_what_came_of_a_file_that_is_gone_is_published(begin, tmp_path):
    run_id = begin(FIRST).manifest.run_id
    api.process(run_id, workspace=str(tmp_path / "work"))
    (tmp_path / "in.csv").unlink()
    assert api.merge(run_id, workspace=str(tmp_path / "work")).counts.written == 2


def test_a_run_that_ended_well_without_an_execution_is_a_duplicate_too(begin, steps, tmp_path):
    end(begin(""), tmp_path)
    twin = begin(FIRST)
    assert (twin.of, twin.report.counts.written) == ("", 2)
    assert not steps.asked


def test_fresh_begins_anew_once_for_an_execution(begin, steps, tmp_path):
    end(begin(FIRST), tmp_path)
    steps.body = {"status": "SUCCEEDED"}
    begun = begin(SECOND, fresh=True)
    assert begun.unfinished == [0]
    api.process(begun.manifest.run_id, workspace=str(tmp_path / "work"))
    assert begin(SECOND, fresh=True).unfinished == []


def test_fresh_does_not_disturb_an_execution_that_runs(begin, steps):
    run_id = begin(FIRST).manifest.run_id
    steps.body = {"status": "RUNNING"}
    assert begin(SECOND, fresh=True) == Duplicate(run_id, FIRST)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"__type": "AccessDeniedException", "message": "no"}, ConfigurationError),
        (403, {"__type": "UnrecognizedClientException", "message": "no"}, ConfigurationError),
        (400, {"__type": "ThrottlingException"}, TransientError),
        (500, {"__type": "InternalFailure"}, TransientError),
    ],
)
def test_who_may_not_ask_or_gets_no_answer_is_told(steps, status, body, kind):
    steps.status, steps.body = status, body
    with pytest.raises(kind) as told:
        status_of(FIRST)
    assert told.value.hint
    assert type(told.value) is kind


def test_without_credentials_it_is_the_settings_that_are_wrong(steps, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name, value in (("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(ConfigurationError, match="cannot be asked"):
        status_of(FIRST)
    assert not steps.asked


@pytest.mark.parametrize("given", ["first", "", "arn:aws:states:x", "a:b:c:d:e:f:g:h"])
def test_what_is_no_arn_is_refused(given):
    with pytest.raises(ConfigurationError, match="ARN"):
        status_of(given)
