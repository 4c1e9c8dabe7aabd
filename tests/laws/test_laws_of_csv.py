"""Conservation, order and sameness for CSV: any file in any partitions gives what a plain loop gives."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from laws_kit import agrees, output_of, rejects_of, run

from rowmill import Csv, Job, Reject, Skip, Table

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CELLS = st.text(st.sampled_from('ab1 é,"\n\r;'), max_size=4)
KEYS = st.sampled_from(["k1", "k2", "k3", "k4", "skip", "refuse"])


def judged(on_duplicate: str = "last", **formats) -> Job:
    job = Job("judged", table=Table("Judged", key="key", on_duplicate=on_duplicate), **formats)

    @job.process
    def judge(row: dict, ctx) -> dict:
        if row["key"] == "skip":
            return Skip("by its key")
        if row["key"] == "refuse":
            raise Reject("by its key")
        return row | {"id": ctx.stable_id(), "line": str(ctx.line_no)}

    return job


def line_of(cells: list[str], *, end: str = "\n") -> str:
    """One row, each cell quoted that must be; the lone carriage return too."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + end


@st.composite
def files(draw) -> bytes:
    """A small CSV file: quoted line ends, ragged rows, bytes that are no text, blank lines, any line end or none."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + f"key,value{end}".encode()
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["row", "row", "row", "row", "ragged", "bytes", "blank"]))
        cells = [draw(KEYS), draw(CELLS)]
        if kind == "blank":
            data += end.encode()
        elif kind == "bytes":
            data += f"{cells[0]},".encode() + b"\xff\xc3" + end.encode()
        else:
            data += line_of(cells + [draw(CELLS)] * (kind == "ragged"), end=end).encode()
    return data.removesuffix(end.encode()) if draw(st.booleans()) and data.count(b"\n") > 1 else data


@SETTINGS
@given(files(), st.integers(1, 9), st.sampled_from(["last", "first"]))
@example(b"key,value\nk1,a\n\n\nk1,b\n", 1, "first")
@example(b"key,value\n", 1, "last")
@example(b"key,value\n\n\r\n", 1, "last")
def test_any_rfc_4180_file_in_any_partitions_gives_what_a_plain_loop_gives(data, rows_per_partition, on_duplicate):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(data)
        agrees(judged(on_duplicate), path, rows_per_partition=rows_per_partition)


@SETTINGS
@given(st.text(st.sampled_from('k1,"\n\r x'), max_size=40), st.integers(1, 5))
@example('a,"b\n"c,d\n"e', 1)
@example("k,1\r\r\rk,2\r\n\rk", 1)
@example('k"1,"2" 3\nk,"4', 2)
def test_lenient_reads_any_text_as_csv_reader_does(text, rows_per_partition):
    job = judged(reads=Csv(quoting="lenient"), writes=Csv())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(b"key,value\n" + text.encode())
        agrees(job, path, rows_per_partition=rows_per_partition)


@SETTINGS
@given(st.text(st.sampled_from('k1;"\n\r x'), max_size=40), st.integers(1, 5))
def test_without_quoting_quotes_are_data_as_in_a_plain_split(text, rows_per_partition):
    job = judged(reads=Csv(quoting="none", delimiter=";"), writes=Csv())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_bytes(b"key;value\n" + text.encode())
        agrees(job, path, rows_per_partition=rows_per_partition)


@SETTINGS
@given(st.lists(st.integers(0, 14), max_size=8), st.integers(1, 5), st.integers(0, 3))
@example([3, 3], 1, 3)
def test_a_row_is_too_long_by_its_own_bytes_whatever_stands_around_it(lengths, rows_per_partition, blank_lines):
    job = judged(reads=Csv(max_row_bytes=12))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.csv"
        path.write_text("key,value\n" + "".join("\n" * blank_lines + f"k1,{'x' * length}\n" for length in lengths))
        agrees(job, path, rows_per_partition=rows_per_partition)


MANY = (
    "key,value\n" + "".join(f'k{row % 40},"{row}\n, ""{row}"""\n' for row in range(300)) + "skip,1\nrefuse,2\nk1,2,3\n"
)


@pytest.mark.parametrize("rows_per_partition", [1, 7, 100, 303, 1000])
def test_the_output_does_not_depend_on_the_size_of_partitions(tmp_path, rows_per_partition):
    path = tmp_path / "in.csv"
    path.write_text(MANY)
    report = agrees(judged(), path, rows_per_partition=rows_per_partition)
    assert report.partitions == -(-303 // rows_per_partition)


def test_compressed_output_holds_the_same_bytes(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(MANY)
    agrees(judged(), path, output="out.gz", rows_per_partition=50)
    run(judged(), path, output="plain", rows_per_partition=75)
    assert output_of(tmp_path / "out.gz") == (tmp_path / "plain").read_bytes()
    assert rejects_of(tmp_path / "out.gz") == rejects_of(tmp_path / "plain")


@pytest.mark.parametrize(
    "form",
    [
        Csv(delimiter="\t", line_end="\r\n"),
        Csv(columns=["value", "key"], header=False),
        Csv(delimiter=";", quote="'", encoding="cp1252"),
        Csv(columns=["key"], quoting="none"),
        Csv(encoding="utf-8-sig", header=False),
    ],
    ids=["tabs and CRLF", "some columns, no header", "other quote and encoding", "no quotes", "utf-8-sig"],
)
def test_each_dialect_is_written_as_the_plain_writer_writes_it(tmp_path, form):
    path = tmp_path / "in.csv"
    path.write_bytes(MANY.encode() + "k9,é'\t;\r\n".encode())
    agrees(judged(writes=form), path, rows_per_partition=64)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (Csv(skip_first=2), b"about\nthis file\nkey,value\nk1,1\nk2,2,2\nk3,3\n"),
        (Csv(header=False, names=["key", "value"]), b"k1,1\r\nk2,2\r\n\r\nk3"),
        (Csv(names=["key", "value"]), b"A,B\nk1,1\nk2,2\n"),
        (Csv(encoding="utf-16"), 'key,value\nk1,é\nk2,"\n"\n'.encode("utf-16")),
        (Csv(encoding="utf-8-sig"), b"\xef\xbb\xbfkey,value\nk1,\xc3\xa9\nk2,\xff\n"),
        (Csv(encoding="cp1252"), "key,value\nk1,é\nk2,\x81\n".encode("latin-1")),
    ],
    ids=["skipped lines", "names without header", "other names", "utf-16", "utf-8-sig", "cp1252"],
)
def test_each_way_to_read_a_header_and_text_gives_the_plain_readers_rows(tmp_path, form, data):
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    agrees(judged(reads=form, writes=Csv()), path, rows_per_partition=1)
