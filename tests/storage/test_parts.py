"""How parts are planned: by numbers alone."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowmill.storage.s3.parts import LEAST_BYTES, MIB, MOST_BYTES, MOST_PARTS, part_bytes, plan

GIB, TIB = 1024 * MIB, 1024 * 1024 * MIB
lengths = st.one_of(
    st.integers(0, 12 * MIB),
    st.integers(0, 3),
    st.just(LEAST_BYTES),
    st.integers(0, 80 * MIB),
    st.integers(0, 30 * GIB),
)


@settings(deadline=None)
@given(st.lists(lengths, max_size=300))
@example([LEAST_BYTES - 1, 1])
@example([1, 2 * LEAST_BYTES - 1])
@example([1] * 3 + [5 * TIB - 3])
@example([64 * MIB] * 81_920)  # 5 TiB
@example([0, 0])
@example([MOST_BYTES + 1])
def test_parts_tile_the_pieces_in_order_within_the_limits(lengths):
    parts = plan(lengths)
    at = [(piece, 0) for piece, length in enumerate(lengths) if length]
    for one in (one for part in parts for one in part):
        piece, start = at[0]
        assert (one.piece, one.start) == (piece, start)
        assert one.end > one.start
        at[0:1] = [(piece, one.end)] if one.end < lengths[piece] else []
    assert at == []
    sizes = [sum(one.end - one.start for one in part) for part in parts]
    assert len(parts) <= MOST_PARTS
    assert all(size >= LEAST_BYTES for size in sizes[:-1])
    assert all(0 < size <= MOST_BYTES for size in sizes)


@given(st.lists(lengths, max_size=100))
def test_what_is_gathered_is_less_than_twice_the_least_part(lengths):
    least = max(LEAST_BYTES, -(-sum(lengths) // MOST_PARTS))
    for part in plan(lengths):
        if len(part) > 1:
            assert sum(one.end - one.start for one in part) < 2 * least


def test_parts_of_a_stream_hold_five_tebibytes():
    sizes = [part_bytes(number) for number in range(1, MOST_PARTS + 1)]
    assert sum(sizes) >= 5 * TIB
    assert all(LEAST_BYTES <= size <= MOST_BYTES for size in sizes)
    assert sizes[:100] == sorted(sizes[:100])
    assert sum(sizes[:1000]) >= 10 * GIB
    assert sizes[999] <= 16 * MIB
