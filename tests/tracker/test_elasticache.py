"""What AWS' cache is asked: by a user with few commands, on a server in cluster mode, as ElastiCache Serverless is."""

from __future__ import annotations

from contextlib import closing

import pytest

from rowmill.cdk.platforms import ACCESS
from rowmill.splitfile.showing import show
from rowmill.tracker import View, open_pace, open_shared, open_tracker, ping, read_view, rebuild
from rowmill.tracker.pace import LocalPace
from rowmill.tracker.valkey import event_key
from rowmill.wire import location, todo_key

from .test_valkey import TODO, Server, until

SLOTS = 16_384
ADMIN = {"username": "admin", "password": "only-here"}
BEGUN = View("process", rows=100, rows_done=40, partitions=5, partitions_done=2)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path, "--cluster-enabled", "yes")
    with made.ask() as asked:
        asked.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        until(lambda: "cluster_state:ok" in asked.execute_command("CLUSTER", "INFO"))
        asked.execute_command("ACL", "SETUSER", "admin", "on", ">only-here", "~*", "&*", "+@all")
        asked.execute_command("ACL", "SETUSER", "default", "reset", "nopass", *ACCESS.split())
    yield made
    made.kill()


def members(server):
    with server.ask(**ADMIN) as asked:
        return set(asked.smembers(todo_key("run-1")))


def shown(server):
    return read_view(server.url, "run-1") or View("")


def test_a_coordinator_shows_what_is_to_do_and_which_run_an_event_asked_for(server, monkeypatch):
    monkeypatch.setenv("ROWMILL_EVENT_ID", "event-7")
    ping(server.url)
    with closing(open_tracker(server.url, "run-1")) as tracker:
        tracker.begin("process", rows=100, partitions=5, rows_done=40, todo=TODO)
        until(lambda: members(server) == set(TODO.values()))
        tracker.rows(0, 7, 2)
        tracker.done(1)
        until(lambda: members(server) == {TODO[0], TODO[4]})
        until(lambda: shown(server).rejected == 2)
        assert not tracker.view().away
    with server.ask(**ADMIN) as asked:
        assert asked.get(event_key("event-7")) == "run-1"


def test_pods_add_what_each_of_them_does(server):
    rebuild(server.url, "run-1", BEGUN, list(TODO.values()))
    with (
        closing(open_shared(server.url, "run-1", TODO)) as one,
        closing(open_shared(server.url, "run-1", TODO)) as other,
    ):
        one.rows(0, 20, 1)
        other.rows(1, 15, 2)
        one.done(0)
        other.lost(1)
        until(lambda: shown(server).rows_done == 60)
        until(lambda: members(server) == {TODO[1], TODO[4]})


def test_they_share_the_rate(server):
    pace = open_pace(server.url, "run-1", 10, 4)
    waits_s = [pace.reserve(10) for _ in range(4)]
    assert waits_s[-1] > LocalPace(10).reserve(10)  # an own part would be another figure
    with server.ask(**ADMIN) as asked:
        assert [key for key in asked.keys("*") if key.endswith(":pace")]


def test_the_lambda_makes_the_set_right(server, monkeypatch):
    monkeypatch.setenv("ROWMILL_TRACKER", server.url)
    rebuild(server.url, "run-1", BEGUN, ["00009 in#90-99"])
    parts = [{"index": index, "start": index * 10, "end": index * 10 + 10} for index in (1, 2)]
    show("run-1", {"input": {"url": "in"}}, parts)
    assert members(server) == {location("in", index, index * 10, index * 10 + 10) for index in (1, 2)}


def test_no_key_of_others_is_seen_and_nothing_is_flushed(server):
    with server.ask() as asked:
        for words in (("GET", "theirs"), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(Exception, match=r"(?i)no permissions"):
                asked.execute_command(*words)
