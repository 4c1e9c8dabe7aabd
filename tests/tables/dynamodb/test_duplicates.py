"""Keys that occur in several partitions are found, in bounded memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from tempfile import TemporaryFile
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.storage import open_storage
from rowmill.tables.dynamodb import kept
from rowmill.tables.dynamodb.duplicates import Winner, gathered, winners
from rowmill.tables.dynamodb.kept import RECORD, Place, hash_of
from rowmill.tables.dynamodb.winners import by_place, chosen

PARTITIONS = st.lists(st.sets(st.integers(0, 60), max_size=40), max_size=6)


# In a process of its own, since a process's peak never falls.
TWO_MILLION = """
import json, os, resource
from collections import Counter
from tempfile import TemporaryFile
from rowmill.tables.dynamodb.duplicates import gathered, winners
from rowmill.tables.dynamodb.kept import RECORD
from rowmill.tables.dynamodb.winners import by_place, chosen

def indexes():
    for pair in range(20):
        shared = [os.urandom(16) for _ in range(25_000)]
        for _ in range(2):
            own = [os.urandom(16) for _ in range(25_000)]
            yield b"".join(RECORD.pack(key, place, 1, 0) for place, key in enumerate(sorted(own + shared)))

def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

with TemporaryFile() as file, TemporaryFile() as places:
    spans = gathered(indexes(), file)
    before_kb = peak_kb()
    made = chosen(winners(file, spans, last=True, range_keys=100_000), places, lot_winners=50_000)
    told = Counter(partition for partition, _ in by_place(places, made.lots))
    print(json.dumps([file.tell(), made.losers, told, peak_kb() - before_kb]))
"""


def index_of(keys, partition):
    places = {hash_of(b"%d" % key): Place(key * 10 + partition, 7, key) for key in keys}
    return b"".join(RECORD.pack(key, *places[key]) for key in sorted(places))


def found(partitions, *, last, range_keys):
    with TemporaryFile() as file:
        indexes = [index_of(keys, number) for number, keys in enumerate(partitions)]
        return list(winners(file, gathered(indexes, file), last=last, range_keys=range_keys))


def expected(partitions, *, last):
    told = []
    for key in set().union(*partitions):
        at = [number for number, keys in enumerate(partitions) if key in keys]
        if len(at) > 1:
            winner = at[-1 if last else 0]
            told.append(Winner(winner, Place(key * 10 + winner, 7, key), len(at) - 1))
    return told


@given(PARTITIONS, st.booleans(), st.integers(1, 50))
def test_each_doubled_key_has_one_winner_whatever_the_ranges(partitions, last, range_keys):
    told = found(partitions, last=last, range_keys=range_keys)
    assert sorted(told) == sorted(expected(partitions, last=last))


@given(PARTITIONS, st.booleans(), st.integers(1, 9))
def test_winners_come_in_the_order_of_their_places_whatever_the_lots(partitions, last, lot_winners):
    told = expected(partitions, last=last)
    with TemporaryFile() as file:
        made = chosen(iter(told), file, lot_winners=lot_winners)
        assert made.losers == sum(winner.losers for winner in told)
        assert list(by_place(file, made.lots)) == sorted((winner.partition, winner.place) for winner in told)


def test_two_million_keys_take_bounded_memory():
    """Half of them occur in two partitions: the worst there is, with 500,000 winners."""
    done = subprocess.run([sys.executable, "-c", TWO_MILLION], capture_output=True, text=True, check=True)
    file_bytes, losers, told, grown_kb = json.loads(done.stdout)
    assert file_bytes == 2_000_000 * RECORD.size
    assert losers == 500_000
    assert told == {str(partition): 25_000 for partition in range(1, 40, 2)}
    assert grown_kb < 60_000  # all keys at once take four times as much


def test_a_partition_s_object_gives_back_its_items_and_its_index(tmp_path):
    storage = open_storage(str(tmp_path))
    items, places = io.BytesIO(), {}
    for number in range(50_000):
        item = b'{"id":{"S":"%d"}}' % number
        places[hash_of(b"%d" % number)] = Place(items.tell(), len(item), crc32(item))
        items.write(item)
    name = kept.name_of("runs/1/table", 3, "try-1.of.many", 50_123)
    kept.write(storage, name, items, places)
    assert list(kept.kept_of(storage, "runs/1/table")) == [kept.Kept(name, 3, "try-1.of.many", 50_123)]
    index = kept.read_index(storage, name)
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
    kept.write(storage, "table/whole", items, {b"k" * 16: Place(0, 4, 0)})
    storage.put("table/cut", storage.get("table/whole")[:length])
    with pytest.raises(kept.IntegrityError):
        kept.read_index(storage, "table/cut")
