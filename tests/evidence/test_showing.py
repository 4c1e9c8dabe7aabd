"""What became of a row is told from what the run kept, for every row, and without its sensitive columns."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from tests.evidence.conftest import JOB, ROWS, Made, is_filtered, is_rejected, line_of, lines, made

from rowmill import ConfigurationError, InputError, ProcessingError, api

if TYPE_CHECKING:
    from pathlib import Path

FAILS = JOB.replace("i = int", "assert row['id'] != 'k40'\n    i = int")


def test_every_row_s_outcome_and_place_in_the_output_are_told(finished: Made) -> None:
    output = (finished.folder / "in.csv_Output").read_bytes()
    written = 0
    for i in range(ROWS):
        (one,) = api.show(finished.run, ordinal=i, workspace=finished.workspace)
        assert (one.ordinal, one.line, one.partition) == (i, line_of(i), i // 30)
        expected = "filtered" if is_filtered(i) else "rejected" if is_rejected(i) else "written"
        assert one.outcome == expected
        if expected != "written":
            assert one.reason == ("three of seven" if is_filtered(i) else "ends in five")
            assert (one.output_row, one.output_text, one.table) == (None, None, None)
            continue
        written += 1
        assert (one.output_row, one.output_holds, one.reason) == (written, True, "")
        assert output[one.output_byte :].startswith(f"k{i},secret-{i},{2 * i}\n".encode())
        assert one.table == {"id": f"k{i}", "card": "(sensitive)", "twice": str(2 * i)}
    assert written == finished.report.counts.written


@pytest.mark.parametrize("compressed", [False, True])
def test_a_row_is_found_by_each_line_that_it_spans_whether_the_input_can_be_sought_or_not(
    finished: Made, tmp_path: Path, *, compressed: bool
) -> None:
    run = finished
    if compressed:
        data = gzip.compress(("\n".join(lines()) + "\n").encode())
        run = made(tmp_path, name="in.csv.gz", data=data, output=str(tmp_path / "out.csv.gz"))
    for line, ordinal in ((2, 0), (3, 0), (4, 1), (line_of(32), 32), (line_of(32) + 1, 32), (line_of(99), 99)):
        (one,) = api.show(run.run, line=line, workspace=run.workspace)
        assert (one.ordinal, one.line) == (ordinal, line_of(ordinal))
        assert one.output_text == f"k{ordinal},(sensitive),{2 * ordinal}"


def test_a_row_is_found_by_its_key(finished: Made) -> None:
    (one,) = api.show(finished.run, key=["k77"], workspace=finished.workspace)
    assert (one.ordinal, one.outcome) == (77, "written")


def test_all_rows_of_a_key_are_told(tmp_path: Path) -> None:
    run = made(tmp_path, data=b"id,card,n,note\na,c,0,x\nb,c,1,x\na,c,2,x\n")
    found = api.show(run.run, key=["a"], workspace=run.workspace)
    assert [one.ordinal for one in found] == [0, 2]
    assert [one.table for one in found] == [{"id": "a", "card": "(sensitive)", "twice": "4"}] * 2


def test_no_view_of_a_row_has_a_sensitive_value(finished: Made) -> None:
    for i in (0, 3, 5):
        shown = repr(api.show(finished.run, ordinal=i, workspace=finished.workspace))
        assert f"k{i}" in shown
        assert "secret" not in shown


@pytest.mark.parametrize("which", [{"line": 1}, {"line": 1000}, {"ordinal": ROWS}, {"key": ["none"]}])
def test_a_row_that_is_not_there_is_an_input_error(finished: Made, which: dict[str, object]) -> None:
    with pytest.raises(InputError):
        api.show(finished.run, **which, workspace=finished.workspace)


@pytest.mark.parametrize("which", [{}, {"line": 2, "ordinal": 0}, {"key": ["a", "b"]}])
def test_which_row_must_be_said_once(finished: Made, which: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        api.show(finished.run, **which, workspace=finished.workspace)


def test_an_input_that_was_moved_is_read_where_it_is_and_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path)
    moved = (tmp_path / "in.csv").rename(tmp_path / "moved.csv")
    with pytest.raises(InputError) as refused:
        api.show(run.run, ordinal=8, workspace=run.workspace)
    assert "--input" in refused.value.hint
    (one,) = api.show(run.run, ordinal=8, input=str(moved), workspace=run.workspace)
    assert one.read["id"] == "k8"
    moved.write_bytes(moved.read_bytes().replace(b"note 9", b"NOTE 9"))
    with pytest.raises(InputError, match="changed"):
        api.show(run.run, ordinal=8, input=str(moved), workspace=run.workspace)


def test_an_output_that_no_longer_has_the_row_is_told(tmp_path: Path) -> None:
    run = made(tmp_path)
    output = tmp_path / "in.csv_Output"
    output.write_bytes(output.read_bytes().replace(b"k8,secret-8,16", b"k8,secret-8,17"))
    (one,) = api.show(run.run, ordinal=8, workspace=run.workspace)
    assert (one.output_holds, one.output_text) == (False, "k8,(sensitive),16")


def test_rows_of_a_run_that_failed_are_told_as_far_as_it_came(tmp_path: Path) -> None:
    with pytest.raises(ProcessingError):
        made(tmp_path, job=FAILS)
    (status,) = api.runs(workspace=str(tmp_path / "w"))
    words = {"workspace": str(tmp_path / "w")}
    told = {i: api.show(status.run_id, ordinal=i, **words)[0] for i in (8, 40, 41)}
    assert [one.outcome for one in told.values()] == ["written", "failed", "not processed yet"]
    assert "AssertionError" in told[40].reason
    assert told[8].table_note == "the table does not hold the run's rows yet"
