"""The code for gs:// and az:// on a server that there is here, S3; with Google and Azure it is untested."""

from __future__ import annotations

import os

import pytest
from obstore.store import S3Store

from rowmill.errors import ConfigurationError, InputError, IntegrityError, StateError
from rowmill.storage import Piece
from rowmill.storage.claims import Beats
from rowmill.storage.clouds import Cloud

MIB = 1024 * 1024


@pytest.fixture
def cloud(s3, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    store = S3Store(
        s3.name,
        endpoint=s3.endpoint,
        region="us-east-1",
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )
    return Cloud("gs://bucket/work", store, Beats(0.1, 1.0))


def test_objects_are_written_read_listed_and_removed(cloud):
    assert cloud.url == "gs://bucket/work"
    assert (cloud.stat("a"), cloud.get("a"), list(cloud.list("x"))) == (None, None, [])
    assert [cloud.create("x/a", b"same") for _ in range(2)] == [True, False]
    cloud.put("x/b c;é%20", b"second")
    cloud.put("x2/d", b"")
    assert list(cloud.list("x")) == ["x/a", "x/b c;é%20"]
    cloud.move("x/a", "y/a")
    assert (cloud.get("x/a"), cloud.get("y/a")) == (None, b"same")
    cloud.delete("x")
    cloud.delete("none")
    assert list(cloud.list("")) == ["x2/d", "y/a"]


def test_what_is_read_is_one_version(cloud):
    data = os.urandom(12 * MIB)
    with cloud.writer("big") as out:
        out.write(data[: 5 * MIB])
        assert cloud.stat("big") is None
        out.write(data[5 * MIB :])
    with cloud.open("big") as reader:
        assert reader.stat == cloud.stat("big")
        assert reader.read(MIB - 1, 4 * MIB) == data[MIB - 1 : 4 * MIB]
        cloud.put("big", b"other" * MIB)
        with pytest.raises(InputError, match="changed"):
            reader.read(11 * MIB, 12 * MIB)
    with pytest.raises(InputError, match="does not exist"), cloud.open("none"):
        pass


def test_pieces_are_joined_out_of_sight(cloud):
    cloud.put("piece", b"piece")
    stat = cloud.stat("piece")
    pieces = [Piece(literal=b"head "), Piece(storage=cloud, name="piece", version=stat.version)]
    with cloud.joining("out", pieces):
        assert cloud.stat("out") is None
    assert cloud.get("out") == b"head piece"
    cloud.put("piece", b"other")
    with pytest.raises(IntegrityError), cloud.joining("out", pieces):
        pass


def test_a_claim_is_held_by_one(cloud):
    with cloud.claim("claim") as claim:
        claim.check()
        assert cloud.claimed("claim")
        with pytest.raises(StateError), cloud.claim("claim"):
            pass
    assert not cloud.claimed("claim")


@pytest.mark.parametrize("name", ["a//b", "../a", "a/.", "a\nb", "trail/"])
def test_a_key_that_the_library_would_change_is_refused(cloud, name):
    with pytest.raises(ConfigurationError, match="cannot be used"):
        cloud.put(name, b"")
