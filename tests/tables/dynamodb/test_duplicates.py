"""Keys that occur in several partitions are found, in bounded memory."""

from __future__ import annotations

import io
import os
import tracemalloc
from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.storage import open_storage
from rowmill.tables.dynamodb import kept
from rowmill.tables.dynamodb.duplicates import Winner, gathered, winners
from rowmill.tables.dynamodb.kept import RECORD, Place, hash_of

PARTITIONS = st.lists(st.sets(st.integers(0, 60), max_size=40), max_size=6)


def index_of(keys, partition):
    places = {hash_of(b"%d" % key): Place(key * 10 + partition, 7) for key in keys}
    return b"".join(RECORD.pack(key, *places[key]) for key in sorted(places))


def found(partitions, *, last, range_keys):
    with TemporaryFile() as file:
        indexes = [[index_of(keys, number)] for number, keys in enumerate(partitions)]
        return list(winners(file, gathered(indexes, file), last=last, range_keys=range_keys))


def expected(partitions, *, last):
    told = []
    for key in set().union(*partitions):
        at = [number for number, keys in enumerate(partitions) if key in keys]
        if len(at) > 1:
            winner = at[-1 if last else 0]
            told.append(Winner(winner, Place(key * 10 + winner, 7), len(at) - 1))
    return told


@given(PARTITIONS, st.booleans(), st.integers(1, 50))
def test_each_doubled_key_has_one_winner_whatever_the_ranges(partitions, last, range_keys):
    told = found(partitions, last=last, range_keys=range_keys)
    assert sorted(told) == sorted(expected(partitions, last=last))


def test_two_million_keys_take_bounded_memory():
    partitions, keys_of_each, doubled = 40, 50_000, 1_000
    shared = [os.urandom(16) for _ in range(doubled)]
    with TemporaryFile() as file:

        def index(number):
            hashes = sorted([os.urandom(16) for _ in range(keys_of_each - doubled)] + shared)
            yield b"".join(RECORD.pack(key, number, 1) for key in hashes)

        spans = gathered((index(number) for number in range(partitions)), file)
        tracemalloc.start()
        told = list(winners(file, spans, last=True, range_keys=100_000))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(told) == doubled
    assert {winner.partition for winner in told} == {partitions - 1}
    assert sum(winner.losers for winner in told) == doubled * (partitions - 1)
    assert peak_bytes < 100_000 * 200 + partitions * 64 * 1024


def test_a_partition_s_object_gives_back_its_items_and_its_index(tmp_path):
    storage = open_storage(str(tmp_path))
    items, places = io.BytesIO(), {}
    for number in range(50_000):
        item = b'{"id":{"S":"%d"}}' % number
        places[hash_of(b"%d" % number)] = Place(items.tell(), len(item))
        items.write(item)
    name = kept.name_of("runs/1/table", 3, "try-1.of.many", 50_123)
    kept.write(storage, name, items, places)
    assert list(kept.kept_of(storage, "runs/1/table")) == [kept.Kept(name, 3, "try-1.of.many", 50_123)]
    index = b"".join(kept.read_index(storage, name))
    assert {key: Place(*place) for key, *place in RECORD.iter_unpack(index)} == places
    assert list(kept.read_items(storage, name, [places[hash_of(b"7")], places[hash_of(b"49999")]])) == [
        b'{"id":{"S":"7"}}',
        b'{"id":{"S":"49999"}}',
    ]


@pytest.mark.parametrize("length", [0, 10, 40])
def test_an_object_that_is_cut_short_is_told(tmp_path, length):
    storage = open_storage(str(tmp_path))
    items = io.BytesIO()
    items.write(b"item")
    kept.write(storage, "table/whole", items, {b"k" * 16: Place(0, 4)})
    storage.put("table/cut", storage.get("table/whole")[:length])
    with pytest.raises(kept.IntegrityError):
        list(kept.read_index(storage, "table/cut"))
