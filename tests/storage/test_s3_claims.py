"""Claims on S3: one holds, the dead are followed at once on their own machine, and after a while from elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from rowmill.errors import StateError
from rowmill.storage.claims import Beats, Record, born, machine
from rowmill.storage.s3 import S3

QUICK = Beats(every_s=0.1, dead_s=1.0)
HOLDS = """
import sys
from rowmill.storage.s3 import S3
with S3(sys.argv[1]).claim("run/claim") as claim:
    print("held", flush=True)
    sys.stdin.readline()
    claim.check()
    print("still held", flush=True)
"""


@pytest.fixture
def place(s3):
    return S3(s3.url, QUICK)


def elsewhere(**fields) -> Record:
    return Record(**{"host": "far", "machine": "far boot", "pid": 7, "born": "1", "token": "t", **fields})


def put(place, number, record):
    place.put(f"run/claim/{number}", msgspec.json.encode(record))


def taken(place):
    with place.claim("run/claim") as claim:
        claim.check()
        return claim.number


def holder(s3):
    return subprocess.Popen([sys.executable, "-c", HOLDS, s3.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_released_claim_is_followed_at_once_by_the_next_number(place):
    assert [taken(place), taken(place), taken(place)] == [1, 2, 3]
    assert place.claimed("run/claim") is False


def test_a_claim_from_elsewhere_whose_beat_changes_holds(place):
    put(place, 4, elsewhere())
    ended = threading.Event()

    def beat():
        number = 0
        while not ended.wait(0.1):
            put(place, 4, elsewhere(beat=(number := number + 1)))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(StateError, match="process 7 on far"):
            taken(place)
        assert place.claimed("run/claim") is True
    finally:
        ended.set()
        thread.join()


def test_a_claim_from_elsewhere_whose_beat_stands_still_is_taken_over(place):
    put(place, 4, elsewhere())
    assert taken(place) == 5


def test_a_claim_of_a_dead_process_of_this_machine_is_taken_over_at_once(s3):
    put(S3(s3.url), 2, elsewhere(machine=machine(), pid=2**22 + 1, born="5"))
    assert S3(s3.url).claimed("run/claim") is False
    assert taken(S3(s3.url)) == 3  # with 30 s of patience it would hang


def test_a_pid_that_came_again_is_another_process(s3):
    put(S3(s3.url), 2, elsewhere(machine=machine(), pid=os.getpid(), born="5"))
    assert taken(S3(s3.url)) == 3
    put(S3(s3.url), 4, elsewhere(machine=machine(), pid=os.getpid(), born=born(os.getpid())))
    with pytest.raises(StateError):
        taken(S3(s3.url))


def test_where_the_machine_cannot_be_told_nobody_is_taken_for_dead(place):
    put(place, 1, elsewhere(machine="", pid=2**22 + 1))
    begun = time.monotonic()
    assert taken(place) == 2
    assert time.monotonic() - begun > QUICK.dead_s / 2


def test_an_owner_that_was_taken_over_finds_out_by_asking(place):
    with place.claim("run/claim") as claim:
        claim.check()
        put(place, 2, elsewhere())
        with pytest.raises(StateError, match="taken over by process 7 on far"):
            claim.check()


def test_an_owner_whose_number_another_wrote_finds_out_by_asking(s3):
    place = S3(s3.url)
    with place.claim("run/claim") as claim:
        put(place, 1, elsewhere())
        with pytest.raises(StateError):
            claim.check()
    assert b'"far"' in place.get("run/claim/1")  # what is another's is not released


def test_a_stopped_owner_is_taken_over_by_another_machine_and_does_not_publish(s3):
    with holder(s3) as process:
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        record = msgspec.json.decode(S3(s3.url).get("run/claim/1"), type=Record)
        # as it looks from another machine
        put(S3(s3.url), 1, msgspec.structs.replace(record, machine="far boot"))
        with S3(s3.url, QUICK).claim("run/claim") as claim:
            assert claim.number == 2
            process.send_signal(signal.SIGCONT)
            out, _ = process.communicate(b"\n", timeout=60)
            assert out == b""
            assert process.returncode == 1
            claim.check()


def test_of_many_that_take_over_at_once_one_holds(place):
    put(place, 1, elsewhere())
    held, refused, start, done = [], [], threading.Barrier(6), threading.Event()

    def contend():
        start.wait()
        try:
            with place.claim("run/claim") as claim:
                held.append(claim.number)
                done.wait(60)
        except StateError:
            refused.append(1)
        if len(refused) == 5:
            done.set()

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert (held, len(refused)) == ([2], 5)


def test_looking_writes_nothing(s3, place):
    assert place.claimed("run/claim") is False
    assert s3.all_keys() == []


def test_what_is_no_claim_is_followed(place):
    place.put("run/claim/3", b"no claim")
    assert taken(place) == 4


def test_who_follows_a_dead_owner_aborts_its_uploads_and_no_others(place, s3):
    taken(place)
    for key in (place.key("run/data/0-a"), place.key("run/data/1-b"), place.key("runner/data/0-a")):
        s3.client.create_multipart_upload(Bucket=s3.name, Key=key)
    taken(place)
    assert s3.uploads() == ["runner/data/0-a"]
