"""A file whose last row says what it holds is compared with it before anything is written."""

from __future__ import annotations

import gzip
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rowmill
from rowmill import ConfigurationError, Csv, InputError, Job, Skip, Table, Trailer, api
from rowmill.testing import expected

READS = Csv(skip_first=1, trailer=Trailer(rows=1, sums={"amount": 2}))
HEAD, TAIL = "HDR,20261124\nid,amount\n", "TRL,4,17.853\n"
BODY = "1,10.10\n2,0.003\n3,-2.25\n4,1e1\n"


def made(reads: Csv = READS) -> Job:
    job = Job("pay", reads=reads, writes=Csv(), totals=["amount"], table=Table("Pay"))

    @job.process
    def keep(row: dict) -> dict | Skip:
        return Skip("small") if row["id"] == "2" else row

    return job


@pytest.fixture
def paid(tmp_path):
    """Give what runs the job on a content."""

    def run(content: str | bytes, name: str = "in.csv", **options):
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        places = {"output": f"{tmp_path}/out", "workspace": f"{tmp_path}/work", "table": f"sqlite:///{tmp_path}/t.db"}
        return rowmill.run(made(), str(tmp_path / name), on="inline", **places, **options)

    return run


def test_header_and_trailer_are_no_rows_and_totals_are_exact(paid, tmp_path):
    report = paid(HEAD + BODY + TAIL, rows_per_partition=2)
    assert (tmp_path / "out").read_text() == "id,amount\n1,10.10\n3,-2.25\n4,1e1\n"
    assert report.input.rows == 4
    assert report.totals["amount"] == {"read": "17.853", "written": "17.85", "filtered": "0.003", "rejected": "0"}
    assert expected(made(), tmp_path / "in.csv").output == (tmp_path / "out").read_bytes()
    checks = {check.name: check.ok for check in api.verify(report.run_id, workspace=f"{tmp_path}/work").checks}
    assert set(checks.values()) == {True}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + BODY, "the last row is no trailer: its field 2, counted from 0, holds no number"),
        (HEAD + BODY[:-5] + "\n", "the last row is no trailer"),
        (HEAD, "the last row is no trailer"),
        ((HEAD + BODY + TAIL) * 2, "the trailer says 4 rows, and 11 were found"),
        (HEAD + BODY[8:] + TAIL, "the trailer says 4 rows, and 3 were found"),
        (HEAD + BODY.replace("10.10", "10.1001") + TAIL, "'amount' comes to 17.853, and 17.8531 was found"),
        (HEAD + BODY + "TRL,4.5,1\n", "the last row is no trailer"),
        (HEAD + BODY + "TRL,4,many\n", "the last row is no trailer"),
    ],
)
def test_a_file_that_is_not_what_its_trailer_says_is_refused_before_the_first_write(paid, tmp_path, content, said):
    with pytest.raises(InputError, match=said.replace(".", "[.]")):
        paid(content)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "work/runs").glob("*/receipts/*"))
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute("SELECT name FROM sqlite_master WHERE name LIKE '%Pay%'").fetchall() == []


@pytest.mark.parametrize("end", ["", "\n\n\r\n", "\r\n"])
def test_the_trailer_is_the_last_line_that_is_not_blank(paid, end):
    assert paid(HEAD + BODY + TAIL.rstrip() + end).input.rows == 4


def test_no_rows_and_a_trailer_that_says_so_are_well(paid):
    assert paid(HEAD + "TRL,0,0\n").counts.read == 0


def test_a_compressed_file_has_its_trailer_too(paid):
    assert paid(gzip.compress((HEAD + BODY + TAIL).encode()), "in.csv.gz").input.rows == 4
    with pytest.raises(InputError, match="3 were found"):
        paid(gzip.compress((HEAD + BODY[8:] + TAIL).encode()), "in.csv.gz", overwrite=True)


def test_a_row_without_a_number_is_a_reject_and_the_other_sums_hold(paid):
    report = paid(HEAD + BODY.replace("-2.25", "none") + TAIL, rejects="1")
    assert (report.counts.rejected, report.totals["amount"]["read"]) == (1, "20.103")


@pytest.mark.parametrize("verb", [("plan",), ("try",), ("check",)])
def test_no_verb_takes_the_trailer_for_a_row(tmp_path, verb):
    job = """
from rowmill import Csv, Job, Trailer

job = Job("pay", reads=Csv(trailer=Trailer(rows=1)))


@job.process
def keep(row: dict):
    assert row["id"] != "TRL"
    return row
"""
    (tmp_path / "job.py").write_text(job)
    (tmp_path / "in.csv").write_text("id,amount\n1,10\n2,20\nTRL,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "rowmill", *verb, "job.py", "in.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "AssertionError" in done.stdout + done.stderr, "TRL" in done.stdout) == (0, False, False)


def test_a_trailer_that_tells_nothing_and_one_that_is_written_are_refused():
    with pytest.raises(ConfigurationError, match="names the fields"):
        Trailer()
    with pytest.raises(ConfigurationError, match="an output has no trailer"):
        Job("pay", writes=READS)


def test_a_sum_of_a_column_that_is_not_there_is_told(tmp_path):
    (tmp_path / "in.csv").write_text(HEAD + BODY + TAIL)
    job = made(Csv(skip_first=1, trailer=Trailer(sums={"Amount": 2})))
    with pytest.raises(ConfigurationError, match="sums a column 'Amount', and the input has none"):
        rowmill.run(job, str(tmp_path / "in.csv"), workspace=f"{tmp_path}/work", table="none")


AMOUNTS = st.integers(-(10**40), 10**40)  # thousandths


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(AMOUNTS, max_size=12), size=st.integers(1, 5), last=st.booleans())
def test_rows_are_shared_out_as_without_a_trailer(tmp_path_factory, numbers, size, last):
    folder = tmp_path_factory.mktemp("shared")
    body = "".join(f"{number},{amount}e-3\n" for number, amount in enumerate(numbers))
    (folder / "plain.csv").write_text("id,amount\n" + body)
    (folder / "trailed.csv").write_text(f"id,amount\n{body}TRL,{len(numbers)},{sum(numbers)}e-3" + "\n" * last)
    plain = api.plan(made(Csv()), str(folder / "plain.csv"), rows_per_partition=size)
    job = made(Csv(trailer=Trailer(rows=1, sums={"amount": 2})))
    trailed = api.plan(job, str(folder / "trailed.csv"), rows_per_partition=size)
    assert trailed.partitions == plain.partitions


def test_a_row_that_the_table_refuses_counts_among_the_rejected_and_moves_when_it_is_repaired(tmp_path):
    (tmp_path / "in.csv").write_text("id,amount\n1,1.5\nx,2.25\n3,4\n")
    (tmp_path / "fix.csv").write_text('ordinal,row\n1,"2,2.5"\n')
    job = Job("typed", reads=Csv(), totals=["amount"], table=Table("Typed", key="id", types={"id": "INTEGER"}))
    job.process(lambda row: row)
    places = {"output": f"{tmp_path}/out", "workspace": f"{tmp_path}/work", "table": f"sqlite:///{tmp_path}/t.db"}
    report = rowmill.run(job, f"{tmp_path}/in.csv", on="inline", rejects="1", **places)
    assert report.totals["amount"] == {"read": "7.75", "written": "5.50", "filtered": "0", "rejected": "2.25"}
    again = api.repair(report.run_id, f"{tmp_path}/fix.csv", workspace=places["workspace"], job=job)
    told = {kind: Decimal(text) for kind, text in again.totals["amount"].items()}
    assert told == {"read": Decimal(8), "written": Decimal(8), "filtered": Decimal(0), "rejected": Decimal(0)}
