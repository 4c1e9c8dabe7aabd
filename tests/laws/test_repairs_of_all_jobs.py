"""Repairs do for every kind of function and format what they do for a plain one."""

from __future__ import annotations

import csv
import gzip
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from laws_kit import output_of, run

from rowmill import Csv, Exec, FixedWidth, HeldError, Job, Jsonl, Lines, Reject, TransientError, api
from rowmill.runners.opening import open_run
from rowmill.steps.verify import verify
from rowmill.storage import open_storage
from rowmill.testing import expected

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "id,n\n1,5\n2,x\n3,7\n4,y\n"
FIXES = {1: "2,6", 3: "4,8"}
RIGHT = "id,n\n1,5\n2,6\n3,7\n4,8\n"


class Row(msgspec.Struct):
    id: int
    n: int


def whole(row: dict) -> dict:
    if not row["n"].isdecimal():
        raise Reject("no number")
    return row | {"double": int(row["n"]) * 2}


def typed(row: Row) -> dict:
    return {"id": row.id, "double": row.n * 2}


async def waiting(row: dict) -> dict:
    if row["n"] == "x" and row.setdefault("tries", 0) == 0:
        row["tries"] = 1
        raise TransientError("again")
    row.pop("tries", None)
    return whole(row)


def together(rows: list[dict]) -> list:
    def one(row: dict) -> object:
        try:
            return whole(row)
        except Reject as refused:
            return refused

    return [one(row) for row in rows]


def repaired(job: Job, folder: Path, text: str, fixes: dict[int, str], output: str = "out") -> None:
    """Hold a run, and repair all that it holds."""
    (folder / "in.csv").write_text(text)
    with pytest.raises(HeldError):
        run(job, folder / "in.csv", output=output, rejects="hold", rows_per_partition=3)
    with (folder / "fix.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ordinal", "row"), *fixes.items()])
    run_id = next((folder / "work/runs").iterdir()).name
    report = api.repair(run_id, str(folder / "fix.csv"), workspace=str(folder / "work"), job=job)
    assert (report.counts.rejected, report.counts.written) == (0, 4)


@pytest.mark.parametrize("function", [whole, typed, waiting])
def test_functions_of_every_kind_are_given_repaired_rows(tmp_path, function):
    job = Job("kinds", tries=3)
    job.process(function)
    repaired(job, tmp_path, TEXT, FIXES)
    (tmp_path / "in.csv").write_text(RIGHT)
    assert output_of(tmp_path / "out") == expected(job, tmp_path / "in.csv").output


def test_a_function_of_a_chunk_is_given_repaired_rows_together(tmp_path):
    job, sizes = Job("chunks"), []

    @job.process_chunk
    def chunk(rows: list[dict]) -> list:
        sizes.append(len(rows))
        return together(rows)

    repaired(job, tmp_path, "id,n\n1,x\n2,y\n3,7\n4,8\n", {0: "1,5", 1: "2,6"})
    assert sizes[-1] == 2
    assert output_of(tmp_path / "out") == b"id,n,double\n1,5,10\n2,6,12\n3,7,14\n4,8,16\n"


def test_ids_and_dice_of_a_repaired_row_are_those_of_its_place(tmp_path):
    job = Job("ids")

    @job.process
    def stamped(row: dict, ctx) -> dict:
        return whole(row) | {"uuid": ctx.stable_id(), "line": ctx.line_no, "dice": ctx.random.random()}

    repaired(job, tmp_path, TEXT, FIXES)
    run_id = next((tmp_path / "work/runs").iterdir()).name

    place = open_storage(str(tmp_path / "work"))
    made = open_run(place, run_id, job=job)
    assert verify(place, run_id, made, digests=True, table=False, replay=True).ok


def test_a_program_is_given_repaired_rows_alone(tmp_path):
    code = (
        "import sys; data = open(sys.argv[1]).read(); open('seen', 'a').write(data + '--');"
        "open(sys.argv[2], 'w').write(data.replace(',', ';'))"
    )
    program = Exec(["env", "-C", str(tmp_path), sys.executable, "-c", code, "{input}", "{output}"])
    job = Job("program", process=program, writes=Csv(delimiter=";", header=False, columns=["id", "n"]))
    repaired(job, tmp_path, "id,n\n1,5\n2\n3,7\n4\n", FIXES)
    assert output_of(tmp_path / "out") == b"1;5\n2;6\n3;7\n4;8\n"
    assert (tmp_path / "seen").read_text().endswith("--2,6\n--4,8\n--")


@pytest.mark.parametrize(
    ("reads", "good", "bad"),
    [
        (Jsonl(), ['{"n":5}', '{"n":7}'], ["{", "[1"]),
        (FixedWidth(fields={"a": 2, "n": 3}), ["ab 55", "cd 77"], ["abc", "toolong"]),
        (Lines(max_row_bytes=8), ["one", ""], ["much too long", "and this one"]),
        (Csv(quoting="none", header=False, names=["a", "n"]), ['"a,5', 'b",7'], ["a", "a,b,c"]),
        (Csv(quoting="lenient", header=False, names=["a", "n"]), ['a"a,5', '"b\nb",7'], ["a", "a,b,c"]),
        (Csv(encoding="utf-16", header=False, names=["a", "n"]), ["ä,5", "ö,7"], ["ä", "ö"]),
        (Csv(line_end="\r\n", header=False, names=["a", "n"]), ["a,5", "b,7"], ["a", "b"]),
    ],
)
def test_rows_of_every_format_are_repaired(tmp_path, reads, good, bad):
    job = Job("formats", reads=reads)
    job.process(lambda row: row)
    mixed = [good[0], bad[0], good[1], bad[1]]
    (tmp_path / "in.csv").write_text("\n".join([*mixed, ""]), reads.encoding, newline="")
    with pytest.raises(HeldError):
        run(job, tmp_path / "in.csv", rejects="hold", rows_per_partition=3)
    with (tmp_path / "fix.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ordinal", "row"), (1, good[1]), (3, good[0])])
    run_id = next((tmp_path / "work/runs").iterdir()).name
    report = api.repair(run_id, str(tmp_path / "fix.csv"), workspace=str(tmp_path / "work"), job=job)
    assert (report.counts.rejected, report.counts.written) == (0, 4)
    right = [good[0], good[1], good[1], good[0]]
    (tmp_path / "in.csv").write_text("\n".join([*right, ""]), reads.encoding, newline="")
    assert output_of(tmp_path / "out") == expected(job, tmp_path / "in.csv").output


def test_an_output_that_is_compressed_grows_by_members(tmp_path):
    job = Job("compressed")
    job.process(whole)
    repaired(job, tmp_path, TEXT, FIXES, "out.gz")
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()).count(b"\n") == 5


def test_a_character_that_the_input_cannot_hold_is_told(tmp_path):
    job = Job("latin", reads=Csv(encoding="latin-1"))
    job.process(whole)
    with pytest.raises(Exception, match="a character that latin-1 does not have"):
        repaired(job, tmp_path, TEXT, {1: "2,€"})
