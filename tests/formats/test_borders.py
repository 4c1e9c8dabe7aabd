"""The functions of borders agree with a walk byte by byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from border_kit import TANGLE, found_plainly, read_by_csv
from hypothesis import given, settings
from hypothesis import strategies as st

from rowmill.formats import borders
from rowmill.formats.csv import Csv
from rowmill.formats.lines import Lines

RFC, NONE, LENIENT, LINES = Csv().rules, Csv(quoting="none").rules, Csv(quoting="lenient").rules, Lines().rules
PARITY = st.sampled_from([RFC, NONE, LINES])
DATA = TANGLE.map(str.encode)
often = settings(deadline=None, max_examples=150)


def plainly(data, rules):
    return found_plainly(data, quote=rules.quote, blank_rows=rules.blank_rows)


def before(data, start, low):
    return (b"\n" + data[start:low])[-2:]


@often
@given(DATA, PARITY, st.integers(1, 9), st.integers(0, 12))
def test_scanned_pieces_fold_to_what_a_walk_byte_by_byte_finds(data, rules, piece_bytes, start):
    start = min(start, len(data))
    body, cuts = data[start:], list(borders.pieces_of(0, len(data), piece_bytes))
    plain = plainly(body, rules)
    pieces = [
        borders.scan(data[low:high], rules, before=before(data, start, low), skip=min(max(0, start - low), high - low))
        for low, high in cuts
    ]
    marks, lone_cr = borders.fold(pieces)
    assert len(marks) == len(cuts) + 1
    for mark, at in zip(marks, [0, *(high for _, high in cuts)], strict=True):
        rows_at = max(0, at - start)
        assert mark.inside == plain.inside[rows_at]
        assert mark.rows == sum(end <= rows_at for end in plain.ends)
        assert mark.lines == data.count(b"\n", 0, at)
    if rules.lone_cr or not plain.lone:
        assert lone_cr is None
    else:
        first = (start + plain.lone[0]) // piece_bytes
        assert lone_cr in (first, first + 1)  # it shows only with the byte that follows


@often
@given(st.lists(st.sampled_from(["a,b\n", '"x\ny",b\r\n', '"a""b"\n', 'c,"",d\r\n', "\n", '"\r"\n']), max_size=30))
def test_pieces_with_many_quotes_count_as_a_walk_byte_by_byte_does(lines):
    data = "".join(lines).encode()
    marks, lone_cr = borders.fold([borders.scan(data, RFC, before=b"\n")])
    assert marks[-1] == borders.Mark(False, len(found_plainly(data).ends), data.count(b"\n"))
    assert lone_cr is None


@often
@given(DATA, PARITY, st.integers(1, 9))
def test_row_ends_of_every_piece_are_those_of_a_walk_byte_by_byte(data, rules, piece_bytes):
    plain = plainly(data, rules)
    for low, high in borders.pieces_of(0, len(data), piece_bytes):
        found = borders.row_ends(data[low:high], rules, inside=plain.inside[low], before=before(data, 0, low))
        assert [low + end for end in found] == [end for end in plain.ends if low < end <= high]


@often
@given(DATA, PARITY)
def test_a_last_row_without_line_feed_ends_with_the_data(data, rules):
    plain = plainly(data, rules)
    rest = data[plain.feeds[-1] if plain.feeds else 0 :]
    ended = plain.inside[-1] or not rest or (rest == b"\r" and not rules.blank_rows)
    assert borders.row_ends(data, rules, final=True) == plain.ends + [len(data)] * (not ended)
    if not plain.inside[-1]:
        assert borders.has_tail((b"\n" + data)[-2:], rules) == (not ended)


@often
@given(DATA, PARITY)
def test_the_last_row_end_is_the_last_line_feed_outside_quotes(data, rules):
    assert borders.last_row_end(data, rules) == max(plainly(data, rules).feeds, default=0)


@often
@given(TANGLE)
def test_lenient_row_ends_part_a_text_into_the_rows_of_csv_reader(text):
    ends = borders.row_ends(text.encode(), LENIENT, final=True)
    parts = [text[low:high] for low, high in pairwise([0, *ends])]
    assert [row for part in parts for row in read_by_csv(part)] == read_by_csv(text)
    assert all(len(read_by_csv(part)) == 1 for part in parts)


@often
@given(TANGLE, st.integers(0, 40))
def test_a_lenient_row_ends_before_the_input_does_only_if_no_byte_that_follows_could_change_it(text, at):
    beginning = text[:at].encode()
    sure = borders.row_ends(beginning, LENIENT)
    assert borders.row_ends(text.encode(), LENIENT, final=True)[: len(sure)] == sure
    assert borders.last_row_end(beginning, LENIENT) >= max(sure, default=0)


@often
@given(DATA, st.sampled_from([RFC, NONE, LENIENT]))
def test_row_spans_hold_the_rows_and_no_blank_line(data, rules):
    spans = borders.row_spans(data, rules)
    assert [end for _, end in spans] == borders.row_ends(data, rules, final=True)
    for start, end in spans:
        assert len(borders.row_ends(data[start:end], rules, final=True)) == 1
        assert not data[start:end].startswith((b"\n", b"\r\n"))
    gaps = [data[low:high] for low, high in pairwise([0, *(place for span in spans for place in span)])][::2]
    assert all(not gap.strip(b"\r\n") for gap in gaps)


@often
@given(DATA, DATA, st.sampled_from([RFC, NONE, LENIENT, LINES]))
def test_a_stub_stands_in_for_the_beginning_of_a_row(beginning, rest, rules):
    beginning = b"a" + beginning
    if borders.last_row_end(beginning, rules):
        return  # it holds a whole row
    stub = borders.stub_of(beginning, rules)
    assert len(stub) < 4
    for final in (False, True):
        true = borders.row_ends(beginning + rest, rules, final=final)
        stood_in = borders.row_ends(stub + rest, rules, final=final)
        assert [end - len(stub) for end in stood_in] == [end - len(beginning) for end in true]


@pytest.mark.parametrize(("start", "end", "pieces"), [(0, 0, []), (3, 9, [(3, 4), (4, 8), (8, 9)]), (4, 8, [(4, 8)])])
def test_pieces_meet_at_multiples_of_their_size(start, end, pieces):
    assert list(borders.pieces_of(start, end, 4)) == pieces
