"""Joining on S3: the right bytes, by copies where they are long enough, nothing half, nothing left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import pytest

from rowmill.errors import IntegrityError
from rowmill.storage import Piece, open_storage, place_of
from rowmill.testing.proxy import Fault, HttpProxy

MIB = 1024 * 1024


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def kept(storage, sizes) -> tuple[list[Piece], bytes]:
    datas = [random_bytes(size, seed) for seed, size in enumerate(sizes)]
    for number, data in enumerate(datas):
        storage.put(f"data/{number:05d}", data)
    return [Piece(storage=storage, name=f"data/{number:05d}") for number in range(len(sizes))], b"".join(datas)


SIZES = [
    [6 * MIB, 7 * MIB, 20],
    [1000] * 50,
    [20, 12 * MIB, 0, 3, 11 * MIB, 5 * MIB - 1],
    [5 * MIB],
    [5 * MIB, 1],
    [3 * MIB] * 4,
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("source", ["same bucket", "files"])
def test_the_whole_is_the_pieces_in_order(s3, tmp_path, sizes, source):
    pieces, data = kept(open_storage(f"{s3.url}/work" if source == "same bucket" else str(tmp_path)), sizes)
    with open_storage(s3.url).joining("out", [Piece(literal=b"head\n"), *pieces]):
        assert open_storage(s3.url).stat("out") is None
    assert s3.client.get_object(Bucket=s3.name, Key="out")["Body"].read() == b"head\n" + data
    assert s3.uploads() == []


def test_pieces_of_another_bucket_are_copied_by_the_store(s3, monkeypatch):
    s3.client.create_bucket(Bucket=f"{s3.name}-other")
    pieces, data = kept(open_storage(f"s3://{s3.name}-other/a folder/é"), [7 * MIB, 9 * MIB])
    with HttpProxy(s3.endpoint.removeprefix("http://")) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with open_storage(s3.url).joining("out", pieces):
            pass
        assert sum("x-amz-copy-source" in request.headers for request in proxy.requests) == 2
        assert sum(len(request.body) for request in proxy.requests) < MIB
    assert open_storage(s3.url).get("out") == data


def test_objects_of_s3_are_joined_into_a_file(s3, tmp_path):
    pieces, data = kept(open_storage(s3.url), [MIB, 20, 3 * MIB])
    with open_storage(str(tmp_path)).joining("out", pieces):
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == data


@pytest.mark.parametrize("size", [100, 6 * MIB])
@pytest.mark.parametrize("target", ["s3", "files"])
@pytest.mark.parametrize("source", ["s3", "files"])
def test_a_piece_of_another_version_than_was_verified_is_never_joined(s3, tmp_path, size, source, target):
    places = {"s3": open_storage(s3.url), "files": open_storage(str(tmp_path))}
    storage = places[source]
    storage.put("piece", random_bytes(size))
    stat = storage.stat("piece")
    storage.put("piece", random_bytes(size, 2))
    os.utime(tmp_path / "piece", ns=(1, 1)) if source == "files" else None
    for known in (size, None):
        piece = Piece(storage=storage, name="piece", version=stat.version, bytes=known)
        with pytest.raises(IntegrityError, match="changed") as raised, places[target].joining("out", [piece] * 2):
            pass
        assert raised.value.hint
    assert places[target].stat("out") is None
    assert s3.uploads() == []


def test_an_error_inside_leaves_no_object_and_no_upload(s3):
    storage = open_storage(s3.url)
    pieces, _ = kept(storage, [6 * MIB, 6 * MIB])

    def broken():
        with storage.joining("out", pieces):
            assert s3.uploads() == ["out"]
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert storage.stat("out") is None
    assert s3.uploads() == []


DIES = """
import os, signal, sys
from rowmill.storage import Piece, open_storage
storage = open_storage(sys.argv[1])
with storage.joining("out", [Piece(storage=storage, name=f"data/{n:05d}") for n in range(2)]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_dead_process_left_of_the_same_key_is_aborted_and_nothing_else(s3):
    storage = open_storage(s3.url)
    pieces, data = kept(storage, [6 * MIB, 6 * MIB])
    s3.client.create_multipart_upload(Bucket=s3.name, Key="out_Rejects")
    done = subprocess.run([sys.executable, "-c", DIES, s3.url], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert sorted(s3.uploads()) == ["out", "out_Rejects"]
    with storage.joining("out", pieces):
        assert sorted(s3.uploads()) == ["out", "out_Rejects"]
    assert s3.uploads() == ["out_Rejects"]
    assert storage.get("out") == data


def test_an_upload_that_another_took_away_is_told(s3):
    storage = open_storage(s3.url)
    pieces, _ = kept(storage, [6 * MIB, 6 * MIB])
    first, second = storage.joining("out", pieces), storage.joining("out", pieces)
    with pytest.raises(IntegrityError, match="taken away"), first, second:
        pass
    assert storage.stat("out") is not None


def test_a_completion_whose_answer_was_lost_is_known_as_ours(s3, monkeypatch):
    pieces, data = kept(open_storage(s3.url), [6 * MIB, 6 * MIB])
    lost = []

    def rule(request):
        is_end = request.method == "POST" and "uploadId" in request.target
        lost.extend([1] * is_end)
        return Fault(lost=is_end and len(lost) == 1)

    with HttpProxy(s3.endpoint.removeprefix("http://"), rule) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with open_storage(s3.url).joining("out", pieces):
            pass
    assert len(lost) == 2
    assert open_storage(s3.url).get("out") == data


def test_without_the_right_to_list_uploads_a_join_goes_on(s3, monkeypatch):
    pieces, data = kept(open_storage(s3.url), [100])
    denied = Fault(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")

    def rule(request):
        return denied if request.method == "GET" and "uploads" in request.target else Fault()

    with HttpProxy(s3.endpoint.removeprefix("http://"), rule) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with open_storage(s3.url).joining("out", pieces):
            pass
        open_storage(s3.url).delete("data")
    assert open_storage(s3.url).get("out") == data


def test_a_writer_s_large_object_is_sent_in_parts_and_aborted_by_an_error(s3):
    storage = open_storage(s3.url)
    data = random_bytes(30 * MIB)

    def broken():
        with storage.writer("large") as out:
            out.write(data)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert (s3.all_keys(), s3.uploads()) == ([], [])
    with storage.writer("large") as out:
        for at in range(0, len(data), 256 * 1024):
            out.write(data[at : at + 256 * 1024])
        assert s3.all_keys() == []
    assert storage.get("large") == data
    assert s3.client.head_object(Bucket=s3.name, Key="large")["ETag"].endswith('-4"')


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://b/in/sales.csv", ("s3://b", "in/sales.csv")),
        ("s3://b//lead", ("s3://b", "/lead")),
        ("s3://b/a/../b?x=1#y%20z//", ("s3://b", "a/../b?x=1#y%20z//")),
        ("s3://b", ("s3://b", "")),
        ("/a/b?c", ("/a", "b?c")),
        ("/b", ("/", "b")),
    ],
)
def test_a_url_is_parted_without_a_change(url, place):
    assert place_of(url) == place


ODD = [
    "/lead",
    "trail/",
    "a//b",
    "../up",
    "a/../b",
    "./a",
    "a/.",
    "%2F",
    "a+b c",
    "\t\r",
    "a\\b",
    "<&>\"'",
    "#",
    "?",
    ";",
]


@pytest.mark.parametrize("key", ODD)
def test_every_key_is_taken_as_it_is(s3, key):
    folder, name = place_of(f"{s3.url}/{key}")
    storage = open_storage(folder)
    assert storage.create(name, b"x" * 10)
    assert s3.all_keys() == [key]
    assert list(storage.list("")) == [key]
    with storage.open(name) as reader:
        assert reader.read(0, 100) == b"x" * 10
    with storage.joining(f"{name}_Output", [Piece(storage=storage, name=name)]):
        pass
    storage.move(name, f"moved {name}")
    assert storage.get(f"moved {name}") == storage.get(f"{name}_Output") == b"x" * 10
    storage.delete(f"moved {name}")
    storage.delete(f"{name}_Output")
    assert s3.all_keys() == []


def test_deleting_a_folder_takes_every_page_of_it_and_its_unfinished_uploads(s3):
    storage = open_storage(f"{s3.url}/work")
    for number in range(1005):
        s3.client.put_object(Bucket=s3.name, Key=f"work/run/{number}" + "\x02" * (number == 3))
    s3.client.put_object(Bucket=s3.name, Key="work/run2/x")
    s3.client.create_multipart_upload(Bucket=s3.name, Key="work/run/data")
    assert len(list(storage.list("run"))) == 1005
    storage.delete("run")
    assert (s3.all_keys(), s3.uploads()) == (["work/run2/x"], [])
