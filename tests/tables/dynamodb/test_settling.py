"""Settling without transactions: what was kept, redone, interrupted, late or lost meanwhile."""

from __future__ import annotations

from zlib import crc32

import pytest

from rowmill.errors import ConfigurationError, InputError, IntegrityError, TransientError
from rowmill.storage import open_storage
from rowmill.tables import Settlement
from rowmill.tables.dynamodb import kept
from rowmill.testing.dynamodb_stub import Faults
from rowmill.testing.table_suite import notes, orders, save

FOLDER = "runs/run-1/table"


def opened(table, *args, **words):
    made = table(*args, **words)
    made.check(None)
    return made


def objects(workspace, folder=FOLDER):
    return [name.rpartition("/")[2] for name in workspace.list(folder)]


def test_of_two_attempts_the_later_one_s_object_is_left(table, workspace):
    one = opened(table)
    save(one, 0, orders(1, 2), "try-1")
    save(opened(table), 0, orders(1, 2, 3), "try-2")
    assert objects(workspace) == ["00000.3.try-2"]
    assert one.settle([0]) == Settlement(3, 0)


def test_a_doubled_key_fails_and_is_told_where(table):
    for number, (parts, where) in enumerate(((([1, 1], []), "within"), (([1, 2], [2]), "partition 1"))):
        one = opened(table, f"run-{number}", on_duplicate="fail")
        for index, ids in enumerate(parts):
            save(one, index, orders(*ids))
        with pytest.raises(InputError, match=where) as told:
            one.settle([0, 1], confirm=lambda: pytest.fail("nothing is to be confirmed"))
        assert told.value.hint
        assert one.settled() is None


def test_what_confirming_raises_comes_before_a_winner_is_written(table, stub):
    one = opened(table)
    save(one, 1, orders(1, note="last"))
    save(one, 0, orders(1, note="first"))
    puts = stub.counts.puts
    with pytest.raises(ZeroDivisionError):
        one.settle([0, 1], confirm=lambda: 1 / 0)
    assert (stub.counts.puts, one.settled()) == (puts, None)
    assert one.settle([0, 1]) == Settlement(1, 1)
    assert notes(one, 1) == ["last"]


def test_settling_that_was_interrupted_is_done_again(table, stub):
    one = opened(table)
    for part in (2, 1, 0):
        save(one, part, orders(*range(500), note=f"part {part}"))
    stub.faults = Faults(refuse="AccessDeniedException")
    with pytest.raises(Exception, match="AccessDenied"):
        one.settle([0, 1, 2])
    stub.faults = Faults(throttle=0.3, unprocessed=0.5, reset=0.2)
    again = opened(table)
    assert again.settled() is None
    assert again.settle([0, 1, 2]) == Settlement(500, 1000)
    assert {item["note"]["S"] for item in stub.items("Orders").values()} == {"part 2"}


def test_a_partition_that_is_gone_before_settling_is_no_result(table, workspace):
    one = opened(table)
    save(one, 0, orders(1))
    save(one, 1, orders(2))
    workspace.delete(f"{FOLDER}/00001.1.try-1")
    with pytest.raises(TransientError, match="partition 1"):
        one.settle([0, 1])
    assert one.settled() is None
    assert set(one.markers()) == {0}


def test_an_object_that_a_late_worker_replaces_while_the_run_settles_is_no_damage(table):
    one = opened(table)
    save(one, 1, orders(1, note="last"))
    save(one, 0, orders(1, note="first"))
    with pytest.raises(TransientError):
        one.settle([0, 1], confirm=lambda: save(opened(table), 1, orders(1, note="last"), "late"))
    assert one.settled() is None
    assert one.settle([0, 1]) == Settlement(1, 1)
    assert notes(one, 1) == ["last"]


def test_a_late_commit_leaves_what_is_settled(table):
    one = opened(table)
    stage = opened(table).stage(0, "late")
    stage.add(orders(1, 2))
    save(one, 0, orders(1, 2))
    settled = one.settle([0])
    stage.commit()
    assert one.settled() == settled
    assert one.settle([0]) == settled


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_a_live_table_that_lost_all_rows_is_noticed_and_written_anew(table, stub, settled, how):
    one = opened(table)
    for part in range(3):
        save(one, part, orders(part, part + 10))
    if settled:
        one.settle([0, 1, 2])
    stub.create("Orders", {"id": "S"})
    again = opened(table)
    if how == "deleted":
        again.close()
    assert again.settled() is None
    assert again.markers() == {}
    for part in (2, 0, 1):
        worker = opened(table)
        assert worker.settled() is None  # though there are rows of the first ones that were redone
        save(worker, part, orders(part, part + 10), "again")
    assert again.settle([0, 1, 2]) == Settlement(6, 0)
    assert again.count() == 6


def test_a_run_whose_rows_were_all_refused_is_settled_on_an_empty_table(table):
    one = opened(table)
    assert [refused.place for refused in save(one, 0, [{"note": "no key"}])] == [0]
    assert set(one.markers()) == {0}
    assert one.settle([0]) == Settlement(0, 0)
    assert one.settled() == Settlement(0, 0)


def test_discarding_leaves_nothing_of_the_run_in_the_workspace(table, workspace):
    one, other = opened(table), opened(table, "run-10")
    for run in (one, other):
        save(run, 0, orders(1))
        run.settle([0])
    one.discard()
    assert objects(workspace, "runs/run-1") == []
    assert other.settled() == Settlement(1, 0)


@pytest.mark.parametrize("at", [-1, -20, -40, 3])
def test_a_damaged_object_is_told(table, workspace, at):
    one = opened(table)
    save(one, 1, orders(1, 2, note="last"))
    save(one, 0, orders(1, 2, note="first"))
    for name in list(workspace.list(FOLDER)):
        data = bytearray(workspace.get(name))
        data[at] ^= 1
        workspace.put(name, bytes(data))
    with pytest.raises(IntegrityError):
        one.settle([0, 1])
    assert one.settled() is None


def test_winners_that_lie_side_by_side_are_read_together(tmp_path):
    storage = open_storage(str(tmp_path))
    data = bytes(range(256)) * 40_000
    storage.put("object", data)
    places = [kept.Place(at, 1_000, crc32(data[at : at + 1_000])) for at in range(0, len(data) - 1_000, 1_500)]
    assert list(kept.read_items(storage, "object", places)) == [data[at : at + 1_000] for at, _, _ in places]
    spans = list(kept.spans(places))
    assert [place for span in spans for place in span] == places
    assert len(spans) < 5
    far = [kept.Place(0, 10, 0), kept.Place(10 * kept.GAP_BYTES, 10, 0)]
    assert list(kept.spans(far)) == [far[:1], far[1:]]


def test_a_repair_is_refused_with_the_ways_out(table):
    with pytest.raises(ConfigurationError, match="cannot take the rows of a repair") as told:
        opened(table).of_repair(1)
    assert "waive" in told.value.hint
    assert "--fresh" in told.value.hint
