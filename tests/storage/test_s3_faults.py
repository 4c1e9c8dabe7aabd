"""S3 through a network that cuts, refuses and loses: what comes out is right, or says whose turn it is."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from rowmill.errors import ConfigurationError, InputError, RowmillError, StateError, TransientError
from rowmill.storage import open_storage
from rowmill.storage.s3 import reading
from rowmill.storage.s3.reading import fetch
from rowmill.testing.proxy import BUSY, Fault, HttpProxy, dice

MIB = 1024 * 1024
HANG_S = 120


@pytest.fixture
def between(s3, monkeypatch):
    with HttpProxy(s3.endpoint.removeprefix("http://")) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_bodies_that_are_cut_are_resumed_where_they_were_cut(s3, between):
    data = random_bytes(40 * MIB)
    s3.client.put_object(Bucket=s3.name, Key="big", Body=data)
    between.rule = dice(3, cut=0.6, most_bytes=9 * MIB)
    with open_storage(s3.url).open("big") as reader:
        assert b"".join(reader.read(at, at + 256 * 1024) for at in range(0, len(data), 256 * 1024)) == data
    ranges = [request for request in between.requests if "range" in request.headers]
    cut = sum(between.rule(request).cut_at is not None for request in ranges)
    assert cut > 3
    asked = sum(int(end) + 1 - int(start) for start, end in (one.headers["range"][6:].split("-") for one in ranges))
    assert asked < 3 * len(data)


def test_a_body_that_is_cut_before_every_byte_is_transient(s3, between):
    s3.client.put_object(Bucket=s3.name, Key="object", Body=b"x" * 1000)
    between.rule = lambda request: Fault(cut_at=0 if request.method == "GET" else None)
    with open_storage(s3.url).open("object") as reader, pytest.raises(TransientError, match="again and again"):
        reader.read(0, 10)


def test_a_change_between_two_reads_is_an_input_error(s3):
    storage = open_storage(s3.url)
    storage.put("object", random_bytes(20 * MIB))
    with storage.open("object") as reader:
        reader.read(0, 10)
        storage.put("object", random_bytes(20 * MIB, seed=2))
        with pytest.raises(InputError, match="changed while it was read") as raised:
            reader.read(9 * MIB, 9 * MIB + 10)
    assert raised.value.hint


def test_a_change_between_a_cut_and_its_resumption_is_an_input_error(s3, between):
    storage = open_storage(s3.url)
    storage.put("object", random_bytes(MIB))
    stat = storage.stat("object")

    def cut_and_change(request):
        if request.method != "GET":
            return Fault()
        s3.client.put_object(Bucket=s3.name, Key="object", Body=b"other" * MIB) if between.cut else None
        between.cut = True
        return Fault(cut_at=1000)

    between.cut = False
    between.rule = cut_and_change
    with pytest.raises(InputError):
        reading.fetch(s3.name, "object", 0, stat.bytes, "")


def test_busy_answers_are_waited_for_and_nothing_is_lost_or_doubled(s3, between):
    between.rule = dice(5, busy=0.2, broken=0.05, lost=0.1)
    storage = open_storage(f"{s3.url}/work")
    for number in range(12):
        assert storage.create(f"receipts/{number}", b"%d" % number) is True, number
        assert storage.create(f"receipts/{number}", b"%d" % number) is False
    with storage.writer("data") as out:
        out.write(b"abc")
    storage.move("data", "moved")
    assert storage.get("moved") == b"abc"
    assert list(storage.list("receipts")) == sorted(f"receipts/{number}" for number in range(12))
    storage.delete("receipts")
    assert list(storage.list("")) == ["moved"]


def test_a_create_whose_answer_was_lost_knows_its_own_object(s3, between):
    between.rule = lambda request: Fault(lost=request.method == "PUT" and request.number == 0)
    storage = open_storage(s3.url)
    assert storage.create("receipt", b"same bytes") is True
    assert [request.method for request in between.requests] == ["PUT", "PUT", "HEAD"]
    assert storage.create("receipt", b"same bytes") is False


def test_a_large_write_whose_answers_are_lost_appears_whole_and_once(s3, between):
    lost = set()

    def once_each(request):
        kind = (request.method, request.target.split("?")[-1][:12])
        first = request.method in ("PUT", "POST") and kind not in lost and "uploads" not in request.target
        lost.add(kind)
        return Fault(lost=first)

    between.rule = once_each
    data = random_bytes(20 * MIB)
    with open_storage(s3.url).writer("large") as out:
        for at in range(0, len(data), MIB):
            out.write(data[at : at + MIB])
    assert s3.client.get_object(Bucket=s3.name, Key="large")["Body"].read() == data
    assert s3.uploads() == []


@pytest.mark.parametrize("fault", [Fault(status=503, body=BUSY), Fault(status=500), Fault(lost=True)])
def test_a_store_that_stays_away_is_transient(between, fault, s3, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    between.rule = lambda _: fault
    storage = open_storage(s3.url)
    for call in (
        lambda: storage.put("object", b"x"),
        lambda: storage.get("object"),
        lambda: storage.create("object", b"x"),
        lambda: list(storage.list("")),
        lambda: storage.delete("object"),
    ):
        with pytest.raises(TransientError) as raised:
            call()
        assert raised.value.hint


def test_nobody_at_the_address_is_transient(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransientError, match="does not answer"):
        open_storage(s3.url).get("object")


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda storage: storage.stat("a"), "s3:GetObject"),
        (lambda storage: storage.put("a", b""), "s3:PutObject"),
        (lambda storage: storage.create("a", b""), "s3:PutObject"),
        (lambda storage: list(storage.list("a")), "s3:ListBucket"),
        (lambda storage: storage.delete("a"), "s3:DeleteObject"),
    ],
)
def test_what_is_forbidden_names_the_bucket_and_the_right(s3, between, call, right):
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    between.rule = lambda _: Fault(status=403, body=denied)
    with pytest.raises(ConfigurationError, match=s3.name) as raised:
        call(open_storage(s3.url))
    assert right in raised.value.hint


@pytest.mark.usefixtures("s3")
def test_a_missing_bucket_is_told_by_name():
    storage = open_storage("s3://no-such-bucket/prefix")
    for call in (lambda: storage.stat("a"), lambda: storage.get("a"), lambda: storage.put("a", b"")):
        with pytest.raises(ConfigurationError, match="no bucket no-such-bucket"):
            call()


def test_an_address_without_a_bucket_is_the_user_s_to_correct():
    with pytest.raises(ConfigurationError, match="no bucket"):
        open_storage("s3:///key")


def test_the_user_s_safeguards_go_with_every_call(s3, between, monkeypatch):
    monkeypatch.setenv("ROWMILL_S3_BUCKET_OWNER", "123456789012")
    monkeypatch.setenv("ROWMILL_S3_KMS_KEY", "arn:aws:kms:us-east-1:123456789012:key/k")
    storage = open_storage(s3.url)
    storage.put("object", b"x")
    storage.create("created", b"x")
    storage.get("object")
    with storage.writer("large") as out:
        out.write(b"x" * (9 * MIB))
    storage.move("object", "moved")
    list(storage.list(""))
    assert between.requests
    for request in between.requests:
        assert request.headers["x-amz-expected-bucket-owner"] == "123456789012"
        assert "rowmill/" in request.headers["user-agent"]
        writes = request.method == "PUT" and "partNumber" not in request.target
        if writes or request.target.endswith("?uploads"):
            assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
            assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"].endswith("key/k")
        if "x-amz-copy-source" in request.headers:
            assert request.headers["x-amz-source-expected-bucket-owner"] == "123456789012"


READS = """
import os, signal, sys, time
from rowmill.storage import open_storage

class Seen(BaseException): pass

def seen(*_):
    print("seen", flush=True)
    raise Seen

signal.signal(signal.SIGTERM, seen)
if sys.argv[2] == "SIGINT":
    signal.signal(signal.SIGINT, seen)
with open_storage(sys.argv[1]).open("object") as reader:
    reader.read(0, 9 << 20)
    print("reading", flush=True)
    try:
        reader.read(9 << 20, 40 << 20)
    except Seen:
        print("left", flush=True)
        sys.exit(7)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_is_seen_while_a_read_hangs_and_the_process_ends(s3, between, name):
    s3.client.put_object(Bucket=s3.name, Key="object", Body=bytes(40 * MIB))
    hung = threading.Event()

    def hang(request):
        late = request.headers.get("range", "").startswith("bytes=0-") or request.method != "GET"
        if not late and int(request.headers["range"][6:].split("-")[0]) >= 8 * MIB:
            hung.set()
            return Fault(after_s=50)
        return Fault()

    between.rule = hang
    command = [sys.executable, "-c", READS.replace("9 << 20", "8 << 20"), s3.url, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as reading_process:
        assert reading_process.stdout.readline() == b"reading\n"
        assert hung.wait(HANG_S)
        time.sleep(0.2)
        begun = time.monotonic()
        reading_process.send_signal(getattr(signal, name))
        assert reading_process.stdout.readline() == b"seen\n"
        assert reading_process.stdout.readline() == b"left\n"
        assert reading_process.wait(HANG_S) == 7
        assert time.monotonic() - begun < 15  # not the 50 s of the read


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_threads_that_read_neighbouring_blocks_fetch_little_twice(s3, between, threads):
    data = random_bytes(70 * MIB)
    s3.client.put_object(Bucket=s3.name, Key="big", Body=data)
    blocks = iter(range(0, len(data), 8 * MIB))
    lock, wrong = threading.Lock(), []

    def take(reader):
        while True:
            with lock:
                block = next(blocks, None)
            if block is None:
                return
            for at in range(block, min(block + 8 * MIB, len(data)), 256 * 1024):
                low = max(0, at - 2)
                if reader.read(low, at + 256 * 1024) != data[low : at + 256 * 1024]:
                    wrong.append(at)

    with open_storage(s3.url).open("big") as reader:
        crowd = [threading.Thread(target=take, args=(reader,)) for _ in range(threads)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join(HANG_S)
    assert not wrong
    spans = [one.headers["range"][6:].split("-") for one in between.requests if "range" in one.headers]
    assert sum(int(end) + 1 - int(start) for start, end in spans) < 1.5 * len(data)


def test_a_small_range_fetches_little_around_it(s3, between):
    s3.client.put_object(Bucket=s3.name, Key="big", Body=bytes(60 * MIB))
    with open_storage(s3.url).open("big") as reader:
        for at in range(20 * MIB, 21 * MIB + MIB // 2, 256 * 1024):
            reader.read(at, at + 256 * 1024)
    time.sleep(0.3)  # for what might be read ahead
    spans = [one.headers["range"][6:].split("-") for one in between.requests if "range" in one.headers]
    assert sum(int(end) + 1 - int(start) for start, end in spans) <= 2 * MIB


def test_errors_are_ours_in_every_case(s3, between):
    """Whatever the store answers, what comes out is a RowmillError with a hint."""
    storage = open_storage(s3.url)
    for status in (301, 400, 405, 409, 411, 416):
        between.rule = lambda _, status=status: Fault(status=status, body=b"<Error><Code>Odd</Code></Error>")
        with pytest.raises(RowmillError) as raised:
            storage.put("object", b"x")
        assert raised.value.hint
        assert not isinstance(raised.value, StateError)


def test_a_create_amid_others_waits_until_the_store_can_tell(s3, between):
    conflict = Fault(status=409, body=b"<Error><Code>ConditionalRequestConflict</Code></Error>")
    between.rule = lambda request: conflict if request.method == "PUT" and request.number < 3 else Fault()
    assert open_storage(s3.url).create("receipt", b"mine") is True
    assert open_storage(s3.url).get("receipt") == b"mine"


MEASURES = """
import resource, sys
from rowmill.storage import open_storage
with open_storage(sys.argv[1]).open("big") as reader:
    reader.read(0, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in range(0, reader.stat.bytes, 256 * 1024):
        reader.read(at, at + 256 * 1024)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_reading_a_large_object_needs_memory_for_a_few_blocks(s3):
    with open_storage(s3.url).writer("big") as out:
        for _ in range(20):
            out.write(bytes(10 * MIB))
    done = subprocess.run([sys.executable, "-c", MEASURES, s3.url], capture_output=True, check=True, timeout=HANG_S)
    assert int(done.stdout) < 80 * 1024, done.stdout


def test_a_refusal_whose_body_is_cut_is_asked_again(s3, between):
    """What S3 says against a read may be cut as well as what it gives."""
    s3.client.put_object(Bucket=s3.name, Key="object", Body=b"x")
    asked = []

    def rule(request):
        asked.append(request)
        return Fault(cut_at=9 if len(asked) <= 2 else None)

    between.rule = rule
    with pytest.raises(InputError):
        fetch(s3.name, "object", 0, 1, '"another version"')
    assert len(asked) == 3


def test_a_refusal_whose_body_is_always_cut_is_transient(s3, between):
    s3.client.put_object(Bucket=s3.name, Key="object", Body=b"x")
    between.rule = lambda _: Fault(cut_at=9)
    with pytest.raises(TransientError):
        fetch(s3.name, "object", 0, 1, '"another version"')
