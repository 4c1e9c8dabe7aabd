"""What pages are made of: values in, markup out."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_kit import OPEN_WORD, SECRET, a_receipt, a_reject, a_run

from rowmill.model.rates import Span, rates, rows_done_at
from rowmill.runners import seeing
from rowmill.runners.seeing import HIDDEN, look, shown
from rowmill.storage import open_storage
from rowmill.web import access, cells, drawing, metrics, wording
from rowmill.web.markup import joined, tag

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = st.integers(0, 1_000_000).map(lambda ms: ms / 1000)  # as receipts tell them
SPANS = st.lists(
    st.builds(lambda a, b, rows: Span(min(a, b), max(a, b), rows), MOMENTS, MOMENTS, st.integers(0, 10_000)), min_size=1
)


def test_text_never_becomes_markup() -> None:
    assert tag("p", "<script>", title='"x" & y') == '<p title="&quot;x&quot; &amp; y">&lt;script&gt;</p>'
    assert joined(["a<", tag("br"), None, 3]) == "a&lt;<br>3"


def test_attributes_that_are_not_are_left_out() -> None:
    assert tag("input", class_="a", aria_label="b", required=True, value=None, hidden=False) == (
        '<input class="a" aria-label="b" required>'
    )


@given(SPANS)
@settings(deadline=None, max_examples=60)
def test_the_pace_over_time_adds_up_to_the_rows_that_were_done(spans: list[Span]) -> None:
    total = sum(span.rows for span in spans)
    found = rates(spans, total, points=10)
    if not found:
        assert max(span.end_s for span in spans) <= min(span.start_s for span in spans)
        return
    begin, end = min(span.start_s for span in spans), max(span.end_s for span in spans)
    at_once = sum(span.rows for span in spans if span.start_s == span.end_s == begin)  # before the first moment
    summed = sum(one.rows_per_second for one in found) * (end - begin) / 10
    assert summed == pytest.approx(total - at_once, rel=1e-6, abs=1e-3)


@given(SPANS, st.lists(MOMENTS, min_size=1).map(sorted))
@settings(deadline=None, max_examples=60)
def test_rows_done_never_become_fewer(spans: list[Span], moments: list[float]) -> None:
    done = rows_done_at(spans, moments)
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(done))


def test_time_left_is_the_rows_that_are_left_at_the_last_pace() -> None:
    found = rates([Span(0, 10, 100)], 200)
    assert found[-1].rows_per_second == pytest.approx(10)
    assert found[-1].left_s == pytest.approx(10)


@given(st.text("wnxd01234", min_size=1, max_size=3000))
@settings(deadline=None, max_examples=40)
def test_a_grid_has_one_square_for_each_partition(letters: str) -> None:
    drawn = drawing.grid(letters, "all")
    columns = drawing.columns_for(len(letters))
    found = {}
    for letter, path in re.findall(r'class="cell (\w)" d="([^"]+)"', drawn):
        for x, y, count in re.findall(r"M(\d+) (\d+)h(\d+)", path):
            for place in range(int(count)):
                at = int(y) * columns + int(x) + place
                assert at not in found
                found[at] = letter
    assert found == dict(enumerate(letters))


def test_a_grid_of_ten_thousand_has_few_elements() -> None:
    drawn = drawing.grid("01234" * 2000, "all")
    assert drawn.count("<path") == 5
    assert len(drawn) < 100_000


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0014, "1.4 ms"), (0.25, "250 ms"), (3.21, "3.2 s"), (59.7, "1 min"), (90, "1 min 30 s"), (7260, "2 h 1 min")],
)
def test_a_time_is_said_in_two_units_at_most(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


def test_a_look_reads_no_receipt_twice_and_tells_states_by_names(tmp_path: Path) -> None:
    run_id = a_run(tmp_path, 300, range(200), failed=[250])
    place = open_storage(str(tmp_path / ".rowmill"))
    first = look(place, run_id, read_for_s=0)
    assert len(first.receipts) == seeing.SLICE
    assert len(first.done) == 200
    states = cells.letters(first)
    assert (states.count(cells.DONE), states.count(cells.WAITING), states[250]) == (
        200 - seeing.SLICE,
        99,
        cells.FAILED,
    )
    name = next(iter(first.receipts))
    (tmp_path / ".rowmill" / name).write_text("what was read is not read again")
    whole = look(place, run_id, first, read_for_s=1e9)
    assert len(whole.receipts) == 200
    assert whole.receipts[name] is first.receipts[name]
    assert whole.manifest is first.manifest


def test_a_run_begun_anew_is_looked_at_anew(tmp_path: Path) -> None:
    run_id = a_run(tmp_path, 3, range(3))
    place = open_storage(str(tmp_path / ".rowmill"))
    before = look(place, run_id)
    manifest = tmp_path / ".rowmill" / "runs" / run_id / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    after = look(place, run_id, before)
    name = next(iter(before.receipts))
    assert after.receipts[name] is not before.receipts[name]


def test_partitions_are_shaded_by_the_median_time() -> None:
    assert [cells.timed(seconds, 10) for seconds in (5, 8, 12.5, 20, 21)] == list(cells.TIMES)


@pytest.mark.parametrize(
    ("raw", "cut"),
    [(f"7,{SECRET},{OPEN_WORD}", False), (f"7,{SECRET}", False), (f'7,"{SECRET},x', False), (f"7,{SECRET},x", True)],
)
def test_a_sensitive_column_is_masked_and_a_row_that_does_not_read_is_hidden(
    tmp_path: Path, raw: str, *, cut: bool
) -> None:
    seen = look(open_storage(str(tmp_path / ".rowmill")), a_run(tmp_path, 1, [0]))
    told = shown(seen, 0, a_reject(raw, truncated=cut))
    assert SECRET not in str(told._replace(reject=None))
    assert told.text == HIDDEN
    if OPEN_WORD in raw:
        assert told.cells == {"id": "7", "card": HIDDEN, "town": OPEN_WORD}
    else:
        assert told.cells is None


def test_metrics_escape_what_users_named() -> None:
    told = metrics.exposition([("rowmill_run_rows", {"job": 'a"b\\c\nd'}, 3)])
    assert told.splitlines()[-1] == 'rowmill_run_rows{job="a\\"b\\\\c\\nd"} 3'


def test_cookie_and_form_key_tell_neither_the_token_nor_each_other() -> None:
    token = access.new_token()
    assert len({token, access.cookie_of(token), access.form_key_of(token), access.cookie_of(token + "x")}) == 4
    assert len(token) >= 32


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", 1), ("::1", 1), ("localhost", 1), ("0.0.0.0", 0), ("a.b", 0)])  # noqa: S104
def test_only_addresses_of_this_machine_are_loopback(host: str, here: int) -> None:
    assert access.is_loopback(host) == bool(here)


def test_receipts_without_times_give_no_pace() -> None:
    old = a_receipt("a" * 16, 3)
    assert rates([Span(1, 1, old.counts.read)], 10) == []
