"""A termination message fits, reads, and keeps what matters most."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.errors import BY_NAME, RowmillError
from rowmill.model.termination import MOST_BYTES, error_message, read_message, step_message

TEXT = st.one_of(
    st.text(max_size=6000),
    st.sampled_from(["", "x" * 5000, "\x00" * 5000, "\N{GRINNING FACE}" * 5000, '"' * 5000, "\udcff" * 5000]),
)
PLACES = {"run_id": "0123456789abcdef", "partition": 3, "ordinal": 70, "line_no": 72}


def error(message: str, hint: str, url: str = "") -> dict[str, str | int]:
    return RowmillError(message, hint=hint, url=url).at(**PLACES).as_dict()


@given(message=TEXT, hint=TEXT, url=TEXT)
def test_a_message_always_fits_and_reads(message: str, hint: str, url: str) -> None:
    data = error_message(error(message, hint, url))
    assert len(data) <= MOST_BYTES
    read = read_message(data.decode())
    assert read is not None
    assert (read["error"], read["exit_code"]) == ("RowmillError", 1)


def test_the_hint_is_cut_first_then_the_message_and_the_place_last() -> None:
    def kept(message: int, hint: int, url: int = 0) -> tuple[int, int, bool]:
        read = read_message(error_message(error("m" * message, "h" * hint, "u" * url)).decode())
        assert read is not None
        assert {name: read.get(name) for name in PLACES} == PLACES
        return read["message"].count("m"), read["hint"].count("h"), "url" in read

    assert kept(1000, 1000, 10) == (1000, 1000, True)
    message, hint, url = kept(1000, 9000, 10)
    assert (message, url) == (1000, True)
    assert 2500 < hint < 3000
    message, hint, url = kept(9000, 9000, 10)
    assert (hint, url) == (0, True)
    assert 3500 < message < 4000
    assert kept(9000, 9000, 9000) == (0, 0, False)


@pytest.mark.parametrize("kind", BY_NAME.values(), ids=BY_NAME)
def test_an_error_comes_back_as_the_one_that_it_was(kind: type[RowmillError]) -> None:
    told = kind("what", hint="next", line_no=7, partition=0)
    read = read_message(error_message(told.as_dict()).decode())
    assert read is not None
    back = RowmillError.from_dict(read)
    assert (type(back), back.as_dict()) == (kind, told.as_dict())


@pytest.mark.parametrize("text", ["", "Killed", "[]", '{"schema": "other/1"}', '{"schema": "rowmill.step/1"'])
def test_text_that_is_not_ours_is_nothing(text: str) -> None:
    assert read_message(text) is None


def test_a_step_s_message_says_its_schema_first() -> None:
    data = step_message("split", {"run_id": "a", "rows": 7})
    assert msgspec.json.decode(data) == {"schema": "rowmill.step/1", "step": "split", "run_id": "a", "rows": 7}
    assert data.startswith(b'{"schema":')
