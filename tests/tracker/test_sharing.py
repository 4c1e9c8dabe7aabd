"""Several processes that tell one server what each does of a run."""

from __future__ import annotations

from contextlib import closing

from rowmill.tracker import View, open_shared, read_view, rebuild

from .test_valkey import TODO, members, server, until

__all__ = ["server"]  # a fixture

BEGUN = View("process", rows=100, rows_done=40, partitions=5, partitions_done=2)


def begun(server):
    rebuild(server.url, "run-1", BEGUN, list(TODO.values()))


def told(server):
    view = read_view(server.url, "run-1")
    return view.rows_done, view.partitions_done, view.rejected, view.failures


def test_what_each_process_does_adds_up(server):
    begun(server)
    with (
        closing(open_shared(server.url, "run-1", TODO)) as one,
        closing(open_shared(server.url, "run-1", TODO)) as other,
    ):
        one.rows(0, 20, 1)
        other.rows(1, 15, 2)
        other.rows(4, 5, 0)
        one.done(0)
        until(lambda: told(server) == (80, 3, 3, 0))
        assert members(server) == {TODO[1], TODO[4]}
        other.done(1)
        other.done(4)
    assert (told(server), members(server)) == ((80, 5, 3, 0), set())


def test_rows_of_a_process_that_died_are_not_counted_twice(server):
    begun(server)
    dead = open_shared(server.url, "run-1", TODO)
    dead.rows(0, 12, 0)
    dead.close()
    assert told(server)[0] == 52
    with closing(open_shared(server.url, "run-1", TODO)) as heir:
        heir.rows(0, 3, 0)
        heir.rows(0, 17, 0)
        heir.done(0)
    assert told(server)[:2] == (60, 3)


def test_what_a_lost_attempt_told_is_taken_back(server):
    begun(server)
    with closing(open_shared(server.url, "run-1", TODO)) as one:
        one.rows(0, 12, 0)
        until(lambda: told(server)[0] == 52)
        one.lost(0)
        until(lambda: told(server) == (40, 2, 0, 1))
        one.rows(0, 20, 0)
        one.done(0)
    assert told(server) == (60, 3, 0, 1)


def test_a_server_that_is_away_for_a_while_is_told_later(server):
    begun(server)
    with closing(open_shared(server.url, "run-1", TODO)) as one:
        server.kill()
        one.rows(0, 20, 0)
        one.done(0)
        server.start()
        begun(server)
        until(lambda: told(server) == (60, 3, 0, 0))
        assert members(server) == {TODO[1], TODO[4]}
