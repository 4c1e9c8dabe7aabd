"""What the Lambda answers the state machine, and what it makes right in the tracker."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rowmill import api, wire
from rowmill.splitfile import handler
from rowmill.storage import open_storage

HANG_S = 60


def ask(made, **event):
    return handler({"run_id": made.run_id, "attempt": 1, **event}, None)


def members(server, made):
    with server.ask() as asked:
        return {one.partition(" ")[0] for one in asked.smembers(wire.todo_key(made.run_id))}


def test_partitions_without_a_receipt_are_listed_in_order(made):
    assert ask(made, fan_out="inline-map", most=4) == {"partitions": [0, 1, 2, 3]}
    made.done(2, 0)
    assert ask(made, fan_out="inline-map", most=4) == {"partitions": [1, 3]}
    made.done(1, 3)
    assert ask(made, fan_out="inline-map", most=4) == {"partitions": []}


def test_more_than_an_inline_map_takes_are_refused_with_a_way_out(made):
    refused = ask(made, fan_out="inline-map", most=3)["failure"]
    assert (refused["error"], refused["exit_code"]) == ("ConfigurationError", 2)
    assert "4 partitions" in refused["message"]
    assert "distributed-map" in refused["hint"]


def test_a_distributed_map_s_items_are_an_object_that_the_next_attempt_does_not_write_again(made):
    made.done(1)
    told = ask(made, fan_out="distributed-map")
    assert told["count"] == 3
    assert told["key"].endswith(wire.items_name(made.run_id, 1))
    place = open_storage(made.workspace)
    assert json.loads(place.get(wire.items_name(made.run_id, 1))) == [0, 2, 3]
    assert told["bucket"] == (made.workspace.split("/")[2] if made.workspace.startswith("s3://") else "")
    job = made.input.replace("in.csv", "job.py")
    assert api.split(job, made.input, workspace=made.workspace).next_attempt == 2


def test_the_first_row_that_an_attempt_failed_on_is_told(made):
    def keep(partition, attempt, **error):
        name = wire.failure_name(made.run_id, partition, f"{attempt}-x{partition}{error['exit_code']}")
        open_storage(made.workspace).create(name, json.dumps({"error": {"partition": partition, **error}}).encode())

    assert ask(made, ask="failure") == {}
    keep(0, 1, error="TransientError", exit_code=75)
    keep(3, 1, error="ProcessingError", exit_code=4, ordinal=10)
    keep(2, 1, error="ProcessingError", exit_code=4, ordinal=7)
    keep(1, 11, error="ProcessingError", exit_code=4, ordinal=4)
    told = ask(made, ask="failure")["failure"]
    assert (told["step"], told["error"], told["ordinal"]) == ("process", "ProcessingError", 7)


def test_the_tracker_s_set_is_made_right_where_it_differs(made, server, monkeypatch):
    made.done(0)
    key = wire.todo_key(made.run_id)
    with server.ask() as other:
        other.sadd(key, wire.location(made.input, 0, 3, 9), "00009 gone", wire.location(made.input, 1, 9, 15))
    monkeypatch.setenv("ROWMILL_TRACKER", server.url)
    ask(made, fan_out="inline-map", most=4)
    assert members(server, made) == {"00001", "00002", "00003"}
    with server.ask() as other:
        assert 0 < other.ttl(key) <= wire.TRACKER_LIFE_S
    made.done(1, 2, 3)
    ask(made, fan_out="inline-map", most=4)
    assert members(server, made) == set()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0?ssl_ca_certs=/nowhere"])
def test_a_tracker_that_is_away_costs_the_run_nothing(made, monkeypatch, capsys, url):
    monkeypatch.setenv("ROWMILL_TRACKER", url)
    assert ask(made, fan_out="inline-map", most=4) == {"partitions": [0, 1, 2, 3]}
    assert "the tracker was not told" in capsys.readouterr().err


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "nosuchrun"])
def test_a_run_that_is_not_there_is_told(made, run_id):
    refused = handler({"run_id": run_id, "attempt": 1, "fan_out": "inline-map", "most": 4}, None)["failure"]
    assert refused["error"] in ("ConfigurationError", "StateError")
    assert refused["hint"]
    assert made.run_id not in refused["message"]


def test_the_lambda_needs_nothing_but_names_and_the_standard_library():
    code = (
        "import sys; import rowmill.splitfile; "
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "('rowmill', 'msgspec', 'click', 'boto3', 'valkey', 'apsw')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_S, check=True)
    assert set(done.stdout.split()) == {
        "rowmill",
        "rowmill.splitfile",
        "rowmill.splitfile.handling",
        "rowmill.splitfile.places",
        "rowmill.splitfile.showing",
        "rowmill.wire",
    }
