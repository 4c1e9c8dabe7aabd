"""A webhook is told how a run ended; whatever it does, the run's end is the same."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.cli.conftest import ECHO, Desk, desk, names

from rowmill import ConfigurationError, HeldError, InputError, RowmillError
from rowmill.runners.notifying import hook_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["desk"]
SECRET = "a secret"  # noqa: S105 - of this test


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@contextmanager
def hook(*answers: int) -> Iterator[tuple[str, list[Got]]]:
    """Answer with these statuses, the last one again and again; 0 hangs up."""
    got: list[Got] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(Got(self.path, dict(self.headers.items()), body))
            status = answers[min(len(got), len(answers)) - 1]
            if status:
                self.send_response(status)
                self.send_header("Location", "http://example.invalid/")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/T0KEN?channel=1", got
        server.shutdown()


def done() -> str:
    return "the report"


def failing(error: Exception) -> Any:
    def do() -> None:
        raise error

    return do


def test_the_hook_is_told_the_end_once_under_its_whole_path() -> None:
    with hook(200) as (url, got):
        assert told(url, "job.py", "in.csv", done, pytest.fail) == "the report"
    (one,) = got
    assert one.path == "/hooks/T0KEN?channel=1"
    assert {name: one.value[name] for name in ("schema", "event", "job", "input", "report", "error")} == {
        "schema": "rowmill.notify/1",
        "event": "done",
        "job": "job.py",
        "input": "in.csv",
        "report": "the report",
        "error": None,
    }


@pytest.mark.parametrize(
    ("error", "event"),
    [(InputError("bad", hint="mend it"), "failed"), (HeldError("held"), "held"), (KeyError("row"), "failed")],
)
def test_a_run_that_fails_is_told_and_its_error_stays_the_same(error: Exception, event: str) -> None:
    with hook(200) as (url, got), pytest.raises(type(error)) as raised:
        told(url, "job.py", "in.csv", failing(error), pytest.fail)
    assert raised.value is error
    assert got[0].value["event"] == event
    told_error = error.as_dict() if isinstance(error, RowmillError) else got[0].value["error"]
    assert got[0].value["error"] == told_error
    assert "row" not in got[0].value["error"]["message"]


@pytest.mark.parametrize(("answers", "tries"), [((503, 0, 429, 200), 4), ((500, 204), 2)])
def test_a_hook_that_is_busy_is_told_again(answers: tuple[int, ...], tries: int) -> None:
    with hook(*answers) as (url, got):
        told(url, "job.py", "in.csv", done, pytest.fail)
    assert len(got) == tries
    assert len({one.body for one in got}) == 1


@pytest.mark.parametrize(("answer", "tries"), [(500, 4), (0, 4), (404, 1), (302, 1)])
def test_a_hook_that_does_not_take_it_changes_only_a_note_that_shows_no_secret(answer: int, tries: int) -> None:
    notes: list[str] = []
    with hook(answer) as (url, got):
        assert told(url, "job.py", "in.csv", done, notes.append) == "the report"
    assert len(got) == tries
    (note,) = notes
    assert "was not told" in note
    assert "T0KEN" not in note


def test_what_is_sent_is_signed_with_the_secret_and_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with hook(200) as (url, got):
        told(url, "job.py", "in.csv", done, pytest.fail)
        monkeypatch.setenv("ROWMILL_NOTIFY_SECRET", SECRET)
        told(url, "job.py", "in.csv", done, pytest.fail)
    plain, signed = got
    assert "X-Rowmill-Signature" not in plain.headers
    text = f"{signed.headers['X-Rowmill-Timestamp']}.".encode() + signed.body
    digest = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert signed.headers["X-Rowmill-Signature"] == f"sha256={digest}"
    assert SECRET.encode() not in signed.body


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://127.0.0.1/", "https://", "hook", "https://a:b@example.com/", "http://127.0.0.1:x/"],
)
def test_a_url_that_may_not_be_told_is_refused_before_the_run(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        told(url, "job.py", "in.csv", pytest.fail, pytest.fail)
    assert "a:b" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "url", ["https://example.com/x", "http://localhost/", "http://127.0.0.1:8/", "http://[::1]:8/"]
)
def test_encrypted_ways_and_this_machine_may_be_told(url: str) -> None:
    assert hook_of(url).shown in url


def test_a_run_tells_its_report_without_rows_and_its_failure_with_its_exit_code(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(5))
    env = {"ROWMILL_NOTIFY_SECRET": SECRET}
    with hook(200) as (url, got):
        ended = desk("run", "job.py", "in.csv", "--notify", url, "--json", env=env)
        assert ended.code == 0, ended.err
        desk.write("bad.csv", "id,name\n1,private,more\n")
        assert desk("run", "job.py", "bad.csv", "--notify", url, env=env).code == 3
    first, second = got
    assert first.value["report"] == json.loads(ended.out)
    assert (second.value["event"], second.value["error"]["exit_code"]) == ("failed", 3)
    assert b"private" not in second.body
    assert b"name 1" not in first.body


def test_a_run_that_is_held_is_told_with_its_report_and_what_to_do(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "id,name\n1,a\n2,private,more\n")
    with hook(200) as (url, got):
        assert desk("run", "job.py", "in.csv", "--rejects", "hold", "--notify", url).code == 7
    (one,) = got
    assert (one.value["event"], one.value["report"]["held"], one.value["error"]["exit_code"]) == ("held", 1, 7)
    assert "rowmill repair" in one.value["error"]["hint"]
    assert b"private" not in one.body
