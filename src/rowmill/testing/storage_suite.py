"""What every Storage must do. A check gets the URL of a place that is empty, or not there yet."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and small numbers are its material

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rowmill.errors import InputError, IntegrityError, RowmillError, StateError
from rowmill.storage import Piece, Storage, open_storage
from rowmill.testing.failing import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

NAMES = (
    "plain",
    "with space",
    'it\'s "quoted"',
    "a;rm -rf b",
    "line\nfeed",
    "été-行-🚀",
    "%41?x=1#y&z",
    "-dash",
    "folder/deep/er",
    "*?[a]",
)
CLAIMING = """
import sys
from rowmill.storage import open_storage
with open_storage(sys.argv[1]).claim(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Broken(Exception):  # noqa: N818 - what a suite raises in the middle of a write
    """Raised by a suite inside a block."""


def what_is_not_there_is_none(url: str) -> None:
    """Asking for what is not there is no error, but opening it is."""
    storage = open_storage(url)
    assert storage.stat("none") is None
    assert storage.get("no/such/object") is None
    assert list(storage.list("no/such/folder")) == []
    storage.delete("none")
    assert isinstance(failure_of(lambda: _entered(storage.open("none"))), InputError)


def create_writes_once(url: str) -> None:
    """The first create wins; a later one changes nothing and says so."""
    storage = open_storage(url)
    assert storage.create("a/receipt", b"first") is True
    before = storage.stat("a/receipt")
    assert storage.create("a/receipt", b"second") is False
    assert storage.get("a/receipt") == b"first"
    assert storage.stat("a/receipt") == before


def another_s_same_bytes_are_not_one_s_own(url: str) -> None:
    """Of two that create the same bytes, one is told that it did."""
    storage = open_storage(url)
    assert [storage.create("receipt", b"same") for _ in range(3)] == [True, False, False]


def one_of_many_creators_wins(url: str) -> None:
    """Of creators at the same moment exactly one is told that it did, and its bytes stay."""
    won: list[int] = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        storage = open_storage(url)
        start.wait()
        if storage.create("contested", b"%d" % number * 1000):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert open_storage(url).get("contested") == b"%d" % won[0] * 1000


def put_replaces_the_whole(url: str) -> None:
    """A shorter object leaves nothing of a longer one."""
    storage = open_storage(url)
    storage.put("object", b"a long first value")
    storage.put("object", b"short")
    assert storage.get("object") == b"short"
    storage.put("object", b"")
    assert storage.get("object") == b""


def a_writer_s_object_appears_whole(url: str) -> None:
    """Nothing is there before the block ends, and the whole is there after it."""
    storage = open_storage(url)
    with storage.writer("data/one") as out:
        out.write(b"first ")
        out.write(b"")
        assert storage.stat("data/one") is None
        assert list(storage.list("data")) == []
        out.write(b"second")
    assert storage.get("data/one") == b"first second"
    assert list(storage.list("data")) == ["data/one"]


def a_writer_whose_block_raises_leaves_what_was(url: str) -> None:
    """A broken block leaves no new object, and an old one as it was."""
    storage = open_storage(url)
    storage.put("old", b"old")

    def half(name: str, error: Exception) -> None:
        with storage.writer(name) as out:
            out.write(b"half")
            raise error

    for name in ("old", "new"):
        for error in (Broken(), OSError("of the caller's own")):
            assert failure_of(lambda: half(name, error)) is error  # noqa: B023 - called at once
    assert storage.get("old") == b"old"
    assert storage.get("new") is None
    assert list(storage.list("")) == ["old"]


def reads_are_by_range(url: str) -> None:
    """A range gives its bytes, fewer only at the end."""
    storage = open_storage(url)
    data = bytes(range(256)) * 4096
    storage.put("object", data)
    with storage.open("object") as reader:
        assert reader.read(0, len(data)) == data
        assert reader.read(1000, 1000) == b""
        assert reader.read(255, 258) == data[255:258]
        assert reader.read(len(data) - 3, len(data) + 100) == data[-3:]
        assert reader.read(len(data) + 5, len(data) + 9) == b""
        assert reader.stat == storage.stat("object")


def many_threads_read_one_open_object(url: str) -> None:
    """Each thread gets the bytes of its own ranges."""
    storage = open_storage(url)
    data = b"".join(b"%07d\n" % number for number in range(500_000))
    storage.put("object", data)
    wrong: list[int] = []

    def read(first: int) -> None:
        starts = range(first * 70_001, len(data), 8 * 70_001)
        wrong.extend(at for at in starts if reader.read(at, at + 70_001) != data[at : at + 70_001])

    with storage.open("object") as reader:
        threads = [threading.Thread(target=read, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def joined(storage: Storage, name: str, pieces: Sequence[Piece]) -> None:
    """Publish the pieces as one object."""
    with storage.joining(name, pieces):
        pass


def a_joined_object_is_out_of_sight_until_its_block_ends(url: str) -> None:
    """Inside the block the old object is there; an exception leaves it there."""
    storage = open_storage(url)
    storage.put("joined", b"old")
    with storage.joining("joined", [Piece(literal=b"new")]):
        assert storage.get("joined") == b"old"
    assert storage.get("joined") == b"new"
    with suppress(KeyError), storage.joining("joined", [Piece(literal=b"newer")]):
        raise KeyError
    assert storage.get("joined") == b"new"
    assert list(storage.list("")) == ["joined"]


def join_publishes_pieces_in_order(url: str) -> None:
    """Literal bytes and objects come out one after the other, empty ones too; an older object is replaced."""
    storage = open_storage(url)
    storage.put("out/joined", b"something much longer than what replaces it" * 10)
    storage.put("data/b", b"bb" * 100_000)
    storage.put("data/empty", b"")
    storage.put("data/a's; é", b"aa")
    names = ("data/b", "data/empty", "data/a's; é")
    joined(storage, "out/joined", [Piece(literal=b"head\n"), *(Piece(storage=storage, name=name) for name in names)])
    assert storage.get("out/joined") == b"head\n" + b"bb" * 100_000 + b"aa"
    joined(storage, "out/none", [])
    assert storage.get("out/none") == b""


def a_join_that_fails_leaves_what_was(url: str) -> None:
    """A missing piece is an error, and nothing of the joined object appears."""
    storage = open_storage(url)
    storage.put("old", b"old")
    storage.put("piece", b"piece")
    pieces = [Piece(storage=storage, name="piece"), Piece(storage=storage, name="missing")]
    for name in ("old", "new"):
        error = failure_of(lambda: joined(storage, name, pieces))  # noqa: B023 - called at once
        assert isinstance(error, RowmillError)
        assert error.hint
    assert storage.get("old") == b"old"
    assert storage.get("new") is None


def a_piece_that_changed_is_not_joined(url: str) -> None:
    """A piece of another version than was asked for is an error; one of that version is joined."""
    storage = open_storage(url)
    storage.put("piece", b"first")
    before = storage.stat("piece")
    assert before is not None
    pieces = [Piece(storage=storage, name="piece", version=before.version, bytes=before.bytes)]
    joined(storage, "joined", pieces)
    time.sleep(0.02)
    storage.put("piece", b"other")
    assert isinstance(failure_of(lambda: joined(storage, "joined", pieces)), IntegrityError)
    assert storage.get("joined") == b"first"


def names_are_only_names(url: str) -> None:
    """Spaces, quotes, line feeds, any script: a name is taken as it is, and listed as it is."""
    storage = open_storage(url)
    for name in NAMES:
        assert storage.create(f"names/{name}", name.encode()), name
    for name in NAMES:
        assert storage.get(f"names/{name}") == name.encode()
        with storage.open(f"names/{name}") as reader:
            assert reader.read(0, 1000) == name.encode()
    assert sorted(storage.list("names")) == sorted(f"names/{name}" for name in NAMES)
    joined(storage, "joined", [Piece(storage=storage, name=f"names/{name}") for name in NAMES])
    assert storage.get("joined") == "".join(NAMES).encode()
    for name in NAMES:
        storage.move(f"names/{name}", f"moved/{name}")
        storage.delete(f"moved/{name}")
    assert list(storage.list("moved")) == []


def a_name_may_be_as_long_as_the_place_allows(url: str) -> None:
    """What is put beside an object while it is written does not lengthen its name."""
    storage = open_storage(url)
    for name in ("n" * 250, "行" * 83):
        storage.put(name, b"put")
        assert storage.create(name, b"") is False
        joined(storage, name, [Piece(literal=b"joined")])
        assert storage.get(name) == b"joined"


def list_is_sorted_and_goes_deep(url: str) -> None:
    """All names under a folder come out sorted, those beside it do not; its own folders are told without what is in."""
    storage = open_storage(url)
    for name in ("b/2", "b/10", "b/1/x", "b/1/a", "b2/x", "a"):
        storage.put(name, b"")
    assert list(storage.list("b")) == ["b/1/a", "b/1/x", "b/10", "b/2"]
    assert sorted(storage.list("")) == ["a", "b/1/a", "b/1/x", "b/10", "b/2", "b2/x"]
    assert [list(storage.folders(name)) for name in ("", "b", "none")] == [["b", "b2"], ["1"], []]


def delete_takes_an_object_or_a_folder(url: str) -> None:
    """What is deleted is gone, with all that is in it, and again is no error."""
    storage = open_storage(url)
    for name in ("one", "folder/a", "folder/b/c", "folder2/d"):
        storage.put(name, b"")
    storage.delete("one")
    storage.delete("one")
    storage.delete("folder")
    assert list(storage.list("")) == ["folder2/d"]


def move_renames(url: str) -> None:
    """The object is under its new name only, and replaces what was there."""
    storage = open_storage(url)
    storage.put("from", b"moved")
    storage.put("deep/to", b"replaced")
    storage.move("from", "deep/to")
    assert storage.get("from") is None
    assert storage.get("deep/to") == b"moved"


def a_version_changes_when_the_object_does(url: str) -> None:
    """`stat` tells an object that was replaced, of the same length too; one that was not has the same version."""
    storage = open_storage(url)
    storage.put("object", b"one")
    first = storage.stat("object")
    time.sleep(0.02)  # a file system's clock may tick as seldom as a hundred times a second
    assert first is not None
    assert first.bytes == 3
    assert storage.stat("object") == first
    storage.put("object", b"two")
    second = storage.stat("object")
    assert second is not None
    assert second.version != first.version


def a_claim_is_held_by_one(url: str) -> None:
    """A second claim is refused with a hint, in this process and in another; another name is free."""
    storage = open_storage(url)
    with storage.claim("run/claim"):
        refusal = failure_of(lambda: _entered(storage.claim("run/claim")))
        assert isinstance(refusal, StateError)
        assert refusal.hint
        assert not _claims_elsewhere(url, "run/claim")
        _entered(storage.claim("other/claim"))
    _entered(storage.claim("run/claim"))
    assert _claims_elsewhere(url, "run/claim")


def a_claim_ends_with_its_holder(url: str) -> None:
    """A process that is killed holds nothing."""
    storage = open_storage(url)
    holder = _claimer(url, "run/claim")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert isinstance(failure_of(lambda: _entered(storage.claim("run/claim"))), StateError)
    finally:
        holder.kill()
        holder.communicate()
    _entered(storage.claim("run/claim"))


def looking_at_a_claim_leaves_it_as_it_is(url: str) -> None:
    """Whether it is held can be seen, and looking neither takes nor writes it."""
    storage = open_storage(url)
    assert storage.claimed("run/claim") is False
    assert list(storage.list("")) == []
    with storage.claim("run/claim") as claim:
        assert storage.claimed("run/claim") is True
        claim.check()
        assert not _claims_elsewhere(url, "run/claim")
    assert storage.claimed("run/claim") is False
    assert _claims_elsewhere(url, "run/claim")


def a_claim_ends_when_its_block_raises(url: str) -> None:
    """An error inside lets go."""
    storage = open_storage(url)

    def broken() -> None:
        with storage.claim("run/claim"):
            raise Broken

    assert isinstance(failure_of(broken), Broken)
    _entered(storage.claim("run/claim"))


def _entered(block: AbstractContextManager[object]) -> None:
    with block:
        pass


def _claimer(url: str, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CLAIMING, url, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _claims_elsewhere(url: str, name: str) -> bool:
    out, error = _claimer(url, name).communicate(b"")
    assert out or b"StateError" in error, error.decode()
    return out == b"held\n"


STORAGE: tuple[Callable[[str], None], ...] = (
    what_is_not_there_is_none,
    create_writes_once,
    another_s_same_bytes_are_not_one_s_own,
    one_of_many_creators_wins,
    put_replaces_the_whole,
    a_writer_s_object_appears_whole,
    a_writer_whose_block_raises_leaves_what_was,
    reads_are_by_range,
    many_threads_read_one_open_object,
    join_publishes_pieces_in_order,
    a_joined_object_is_out_of_sight_until_its_block_ends,
    a_join_that_fails_leaves_what_was,
    a_piece_that_changed_is_not_joined,
    names_are_only_names,
    a_name_may_be_as_long_as_the_place_allows,
    list_is_sorted_and_goes_deep,
    delete_takes_an_object_or_a_folder,
    move_renames,
    a_version_changes_when_the_object_does,
    a_claim_is_held_by_one,
    a_claim_ends_with_its_holder,
    looking_at_a_claim_leaves_it_as_it_is,
    a_claim_ends_when_its_block_raises,
)
