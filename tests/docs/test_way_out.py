"""What a message says to do next helps, given as the very next command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_kit import Desk

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
from rowmill import Csv, Job

job = Job("inches", reads=Csv({}), rows_per_partition={})


@job.process
def keep(row):
    return row
"""
ROWS = 'id,size\n0,plain\n1,5" pipe\n2,7" pipe\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "inches.csv").write_text(ROWS)
    return Desk(tmp_path)


def test_after_a_warning_about_quotes_the_same_command_reads_the_file_by_the_other_rules(desk: Desk) -> None:
    (desk.folder / "job.py").write_text(JOB.format("", 100))
    assert desk.shell("rowmill run job.py inches.csv").code == 3
    (desk.folder / "job.py").write_text(JOB.format("quoting='none'", 100))
    ended = desk.shell("rowmill run job.py inches.csv")
    assert ended.code == 0, ended.shown
    assert (desk.folder / "inches.csv_Output").read_text().count("\n") == 4


def test_partitions_read_by_other_rules_are_never_mixed_with_new_ones(desk: Desk) -> None:
    (desk.folder / "job.py").write_text(JOB.format("", 1))
    assert desk.shell("rowmill run job.py inches.csv --on inline").code == 3
    (desk.folder / "job.py").write_text(JOB.format("quoting='none'", 1))
    for option in ("", "--continue"):
        ended = desk.shell(f"rowmill run job.py inches.csv --on inline {option}")
        assert ended.code == 5, ended.shown
        assert "--fresh" in ended.shown
    assert desk.shell("rowmill run job.py inches.csv --on inline --fresh").code == 0


def test_standard_input_can_be_done_anew(desk: Desk) -> None:
    (desk.folder / "job.py").write_text(JOB.format("quoting='none'", 100))
    for option in ("", "--fresh"):
        ended = desk.shell(f"cat inches.csv | rowmill run job.py - --output out.csv {option}")
        assert ended.code == 0, ended.shown
