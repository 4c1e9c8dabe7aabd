"""Split: what it counts, where it cuts, what it refuses."""

from __future__ import annotations

import hashlib
import itertools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rowmill
from rowmill import Csv, Job, Lines
from rowmill.errors import InputError
from rowmill.model.identity import BLOCK_BYTES, PIECE_BYTES
from rowmill.steps.reading import chunks
from rowmill.steps.split import Extent, plan, range_digest, read_body, read_head, share


class Bytes(NamedTuple):
    data: bytes

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


class Jagged(NamedTuple):
    """Rows that are not held: one of a million `x` before and after a short one."""

    rows: int

    def read(self, start: int, end: int) -> bytes:
        return bytes(10 if at % 1_000_003 in {1_000_000, 1_000_002} else 120 for at in range(start, end))


def job(reads=None) -> Job:
    made = Job("split", reads=reads or Csv(), table=None)
    made.process(lambda row: row)
    return made


def planned(tmp_path, data: bytes, reads=None, **options):
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    return rowmill.plan(job(reads), str(path), **options)


def run(tmp_path, data: bytes, reads=None, **options):
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    options = {"on": "inline", "workspace": str(tmp_path / "work"), "output": str(tmp_path / "out"), **options}
    return rowmill.run(job(reads), str(path), **options)


def numbers(count: int) -> bytes:
    return b"n,square\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(count))


def test_a_header_alone_is_an_input_without_rows(tmp_path):
    manifest = planned(tmp_path, b"a,b\n")
    assert (manifest.columns, manifest.rows, manifest.partitions) == (("a", "b"), 0, ())


@pytest.mark.parametrize(("data", "words"), [(b"", "no header"), (b"a,a\n1,2\n", "alike")])
def test_an_input_without_a_good_header_is_an_input_error(tmp_path, data, words):
    with pytest.raises(InputError, match=words) as caught:
        planned(tmp_path, data)
    assert caught.value.exit_code == 3


def test_no_bytes_are_no_rows_where_no_header_is_declared(tmp_path):
    assert planned(tmp_path, b"", Csv(header=False)).rows == planned(tmp_path, b"", Lines()).rows == 0


def test_real_pieces_and_blocks_tile_the_input_with_the_digests_of_their_bytes(tmp_path):
    data = numbers(700_000)
    assert len(data) > BLOCK_BYTES + PIECE_BYTES
    manifest = planned(tmp_path, data, rows_per_partition=99_991, workers=2)
    assert [part.rows for part in manifest.partitions] == [99_991] * 7 + [700_000 - 7 * 99_991]
    assert [part.start for part in manifest.partitions[1:]] == [part.end for part in manifest.partitions[:-1]]
    for part in manifest.partitions:
        body = data[part.start : part.end]
        assert body.startswith(b"%d," % part.first_ordinal)
        assert part.first_line == part.first_ordinal + 2
        assert part.digest == digest_in_pieces(data, part.start, part.end)
    blocks = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
    digests = [bytes.fromhex(digest_in_pieces(block, 0, len(block))) for block in blocks]
    assert manifest.input.digest == hashlib.sha256(b"".join(digests)).hexdigest()


def digest_in_pieces(data: bytes, start: int, end: int) -> str:
    cuts = sorted({start, end, *range(-(-start // PIECE_BYTES) * PIECE_BYTES, end, PIECE_BYTES)})
    pieces = (hashlib.sha256(data[low:high]).digest() for low, high in itertools.pairwise(cuts))
    return hashlib.sha256(b"".join(pieces)).hexdigest()


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(1, 9), st.data())
def test_a_ranges_digest_is_that_of_its_pieces_wherever_it_is_cut(data, piece_bytes, draw):
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    digests = [hashlib.sha256(data[at : at + piece_bytes]).digest() for at in range(0, len(data), piece_bytes)]
    extent = Extent(Csv(), Bytes(data), 0, len(data), piece_bytes, piece_bytes)
    cuts = sorted({start, end, *(at for at in range(0, len(data), piece_bytes) if start < at < end)})
    pieces = [hashlib.sha256(data[low:high]).digest() for low, high in itertools.pairwise(cuts)]
    assert range_digest(extent, start, end, digests) == hashlib.sha256(b"".join(pieces)).hexdigest()


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 12), st.integers(1, 6))
def test_a_plan_ends_a_partition_at_so_many_rows_or_sooner_where_its_pieces_are_full(rows, per_partition, most):
    before = [0, *itertools.accumulate(rows)]
    ends = plan(before, before[-1], per_partition, most)
    assert ends == sorted(set(ends))
    assert (ends[-1:] or [0]) == [before[-1]]
    for start, end in itertools.pairwise([0, *ends]):
        assert end - start <= per_partition
        first, last = ends_in(before, start + 1), ends_in(before, end)
        assert last - first < most or end == start + 1
        if end - start < per_partition and end < before[-1]:
            assert ends_in(before, end + 1) - first >= most


def ends_in(before: list[int], row: int) -> int:
    return next(piece for piece in range(len(before)) if before[piece + 1] >= row)


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["a,b", "1,2", '3,"4', "5,6"], 3, "not closed"),
        (["a,b", "1,2", "", '"3', "", '",4', "", '5,x"', "6,7"], 8, "illegal place"),
        (["a,b", "1,2", "3\r4,5", "6,7"], 3, "carriage return"),
        (["a,b", '"1\r",2', '"3"\r4,5', "6,7"], 3, "carriage return"),
        (["a,b", "1,2", '3,x"y"', '4,"5'], 3, "illegal place"),
        (["a,b", "1,2", '3,x"y"', "4\r5,6"], 3, "illegal place"),
        (["a,b", "", "", '"'], 4, "not closed"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_split_refuses_text_that_breaks_rfc_4180_with_its_first_line(tmp_path, lines, line, words, line_end):
    with pytest.raises(InputError, match=words) as caught:
        planned(tmp_path, line_end.join([*lines, ""]).encode())
    assert caught.value.context["line_no"] == line
    assert "lenient" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("lines", "line", "ordinal"), [(["a,b", "1,2", "", '3,x"y"', "4,5"], 4, 1), (["a,b", '"1\n",2', '"3"x,4'], 4, 1)]
)
def test_process_refuses_a_quote_at_an_illegal_place_that_split_did_not_see(tmp_path, lines, line, ordinal):
    data = "\n".join([*lines, ""]).encode()
    assert planned(tmp_path, data).rows
    with pytest.raises(InputError, match="illegal place") as caught:
        run(tmp_path, data)
    assert caught.value.context["line_no"] == line
    assert caught.value.context["ordinal"] == ordinal
    assert "lenient" in caught.value.hint


@pytest.mark.parametrize("quoting", ["lenient", "none"])
def test_what_rfc_4180_refuses_is_read_where_the_user_says_how(tmp_path, quoting):
    report = run(tmp_path, b'a,b\n1,x"y"\n2,5"\n', Csv(quoting=quoting))
    assert report.counts.written == 2


def test_the_first_suspicious_line_is_found_behind_a_row_that_is_too_long(tmp_path):
    long = b'"' + b"x\n" * 40_000 + b'",2\n'
    data = b"a,b\n" + long + b"1,2\n" * 70_000 + b"3\r4,5\n" + b"1,2\n" * 70_000
    with pytest.raises(InputError, match="carriage return") as caught:
        planned(tmp_path, data, Csv(max_row_bytes=1000))
    assert caught.value.context == {"line_no": data.count(b"\n", 0, data.index(b"3\r")) + 1, "ordinal": 70_001}


def test_a_quote_that_is_never_closed_is_found_though_the_rest_is_too_long_for_a_row(tmp_path):
    data = b"a,b\n" + b"1,2\n" * 10 + b'"3,4\n' + b"1,2\n" * 200_000
    with pytest.raises(InputError, match="not closed") as caught:
        planned(tmp_path, data, Csv(max_row_bytes=1000))
    assert caught.value.context == {"line_no": 12, "ordinal": 10}


def test_a_header_that_does_not_end_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no header ends within") as caught:
        planned(tmp_path, b"x" * 3_000_000, Csv(max_row_bytes=100_000))
    assert caught.value.context == {"line_no": 1}


def test_a_long_header_is_read_in_growing_steps(tmp_path):
    names = [f"column {place}" for place in range(50_000)]
    assert planned(tmp_path, (",".join(names) + "\n").encode()).columns == tuple(names)


@pytest.mark.parametrize("quoting", ["rfc4180", "lenient", "none"])
def test_a_row_that_is_too_long_is_never_held(quoting):
    size = 3 * 1_000_003
    reads = Csv(header=False, quoting=quoting, max_row_bytes=2000)
    reader = Jagged(3)
    extent = Extent(reads, reader, 0, size)
    body = read_body(extent, workers=1)
    parts = share(extent, body, 4)
    assert (body.rows, [part.rows for part in parts]) == (6, [4, 2])
    found = [
        (chunk.offset, chunk.first_line, chunk.oversized, len(chunk.data))
        for part in parts
        for chunk in chunks(reads, reader, part.start, part.end, first_line=part.first_line, expect_digest=part.digest)
    ]
    rows = [(k * 1_000_003, 2 * k + 1, True, 1024) for k in range(3)]
    between = [(k * 1_000_003 + 1_000_001, 2 * k + 2, False, 2) for k in range(3)]
    assert found == sorted(rows + between)


def test_a_changed_input_is_told_when_a_partition_is_read(tmp_path):
    data = numbers(1000)
    part = planned(tmp_path, data).partitions[0]
    for changed in (data.replace(b"500,", b"501,"), data[:-100]):
        with pytest.raises(InputError, match="changed"):
            list(
                chunks(
                    Csv(), Bytes(changed), part.start, part.end, first_line=part.first_line, expect_digest=part.digest
                )
            )


def test_an_input_that_shrinks_while_it_is_split_is_told():
    data = numbers(1000)
    extent = Extent(Csv(), Bytes(data), 9, len(data), 64, 128)
    body = read_body(extent, workers=1)
    with pytest.raises(InputError, match="changed"):
        share(extent._replace(reader=Bytes(data[:5000])), body, 100)


def test_the_head_is_read_from_no_more_bytes_than_there_are():
    assert read_head(Csv(), Bytes(b"a\n"), 2).columns == ("a",)
