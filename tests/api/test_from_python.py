"""The front door as a script, a notebook and a library meet it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rowmill
from rowmill import Csv, Job, Jsonl, Lines, Reject, Skip, Table
from rowmill.steps.reading import CHUNK_BYTES

if TYPE_CHECKING:
    from rowmill.model.report import Report


def csv_of(path: Path, rows: int) -> Path:
    path.write_text("id,n\n" + "".join(f"k{i},{i}\n" for i in range(rows)))
    return path


def python(folder: Path, code: str, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(textwrap.dedent(code))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ROWMILL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "script.py", *args],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_script_needs_no_main_guard_and_runs_its_end_once(tmp_path):
    csv_of(tmp_path / "in.csv", 5000)
    done = python(
        tmp_path,
        """
        from rowmill import Csv, Job, run
        print("begin")
        job = Job("double", reads=Csv(), rows_per_partition=1000)
        @job.process
        def double(row: dict) -> dict:
            return row | {"twice": int(row["n"]) * 2}
        report = run(job, "in.csv", on="processes", workers=2)
        print("end", report.counts.written)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begin\nend 5000\n"
    assert (tmp_path / "in.csv_Output").read_text().splitlines()[:2] == ["id,n,twice", "k0,0,0"]


def test_a_job_without_a_file_runs_inline_and_says_what_to_do_for_processes(tmp_path):
    csv_of(tmp_path / "in.csv", 3)
    code = (
        "from rowmill import *\nimport rowmill\njob = Job('note')\njob.process(lambda row: row)\n"
        "print(rowmill.run(job, 'in.csv').counts.written)\n"
        "try:\n    rowmill.run(job, 'in.csv', on='processes', fresh=True)\n"
        "except ConfigurationError as error:\n    print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "3"
    assert "put the job into a file" in done.stdout


def run_inline(job: Job, tmp_path: Path, name: str = "in.csv", **how: object) -> Report:
    return rowmill.run(job, str(tmp_path / name), workspace=str(tmp_path / "w"), on="inline", **how)


def test_a_finished_run_is_told_and_writes_nothing(tmp_path):
    csv_of(tmp_path / "in.csv", 10)
    job = Job("same")
    job.process(lambda row: row)
    first = run_inline(job, tmp_path)
    before = (tmp_path / "in.csv_Output").stat().st_mtime_ns
    again = run_inline(job, tmp_path)
    assert (first.status, again.status, again.run_id) == ("succeeded", "repeated", first.run_id)
    assert (tmp_path / "in.csv_Output").stat().st_mtime_ns == before


def test_the_same_content_under_another_name_is_told_with_the_earlier_run(tmp_path):
    csv_of(tmp_path / "in.csv", 10)
    csv_of(tmp_path / "copy.csv", 10)
    job = Job("same")
    job.process(lambda row: row)
    first = run_inline(job, tmp_path)
    with pytest.raises(rowmill.StateError, match=first.run_id):
        run_inline(job, tmp_path, "copy.csv")
    assert not (tmp_path / "copy.csv_Output").exists()
    assert run_inline(job, tmp_path, "copy.csv", fresh=True).counts.written == 10


def test_stable_ids_are_the_same_on_any_path_table_and_partition_size(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    job = Job("ids", table=Table("T", key="id"))
    job.process(lambda row, ctx: row | {"uid": ctx.stable_id(), "other": ctx.stable_id("other")})
    outputs = []
    for name, size in (("a", 3), ("b", 7)):
        csv_of(tmp_path / name / "in.csv", 20)
        folder = tmp_path / name
        run_inline(job, folder, rows_per_partition=size, table=f"sqlite:///{folder}/{name}.db")
        outputs.append((folder / "in.csv_Output").read_text())
    assert outputs[0] == outputs[1]
    uids = [line.split(",")[2:] for line in outputs[0].splitlines()[1:]]
    assert len({uid for pair in uids for uid in pair}) == 40


def test_now_random_params_and_setup_repeat_on_a_retry(tmp_path):
    csv_of(tmp_path / "in.csv", 5)
    job = Job("context", writes=Jsonl())
    ended = []

    @job.setup
    def open_things(params):
        yield {"offset": int(params["offset"])}
        ended.append(True)

    @job.process
    def look(row, ctx):
        throws = [ctx.random.random(), ctx.random.random()]
        assert throws[0] != throws[1]
        return {"now": ctx.now.isoformat(), "dice": throws, "sum": ctx.setup["offset"] + int(row["n"])}

    run_inline(job, tmp_path, params={"offset": "5"})
    first = (tmp_path / "in.csv_Output").read_bytes()
    (tmp_path / "in.csv_Output").unlink()
    for receipt in (tmp_path / "w").rglob("receipts/*.json"):
        receipt.unlink()
    run_inline(job, tmp_path, params={"offset": "5"})
    assert (tmp_path / "in.csv_Output").read_bytes() == first
    assert ended == [True, True]


def test_skipped_rows_are_counted_by_reason_and_rejects_go_into_their_file(tmp_path):
    csv_of(tmp_path / "in.csv", 10)
    job = Job("sort", rejects="50%")

    @job.process
    def sort(row):
        if int(row["n"]) % 3 == 0:
            return Skip("by three")
        if row["n"] == "7":
            raise Reject("seven is not wanted")
        return row

    report = run_inline(job, tmp_path)
    assert (report.counts.written, report.counts.filtered, report.counts.rejected) == (5, {"by three": 4}, 1)
    assert report.rejects is not None
    assert '"ordinal":7,"line":9' in Path(report.rejects).read_text()
    assert '"raw":"k7,7"' in Path(report.rejects).read_text()


def test_a_bare_none_is_an_error_that_says_what_to_return(tmp_path):
    csv_of(tmp_path / "in.csv", 3)
    job = Job("none")
    job.process(lambda row: None if row["n"] == "1" else row)
    with pytest.raises(rowmill.ProcessingError, match="returned None") as error:
        run_inline(job, tmp_path)
    assert error.value.context["line_no"] == 3
    assert "Skip(reason)" in error.value.hint


def test_an_exception_names_the_users_line_and_hides_the_rows_values(tmp_path):
    (tmp_path / "in.csv").write_text("id,n\na,1\nb,secret-value\n")
    job = Job("fails")

    @job.process
    def parse(row):
        return {"n": int(row["n"])}

    with pytest.raises(rowmill.ProcessingError) as error:
        run_inline(job, tmp_path)
    assert "ValueError" in error.value.message
    assert "test_from_python.py" in error.value.message
    assert "secret-value" not in error.value.message
    assert error.value.context["line_no"] == 3


def test_an_exception_becomes_a_reject_if_the_job_says_so(tmp_path):
    csv_of(tmp_path / "in.csv", 4)
    job = Job("bears", on_error="reject", rejects="1")
    job.process(lambda row: {"n": 1 // (int(row["n"]) - 2)})
    assert run_inline(job, tmp_path).counts.rejected == 1


def test_a_transient_error_is_tried_again_and_then_ends_the_run_with_75(tmp_path):
    csv_of(tmp_path / "in.csv", 3)
    tries = []
    job = Job("flaky", tries=3)

    @job.process
    def flaky(row):
        tries.append(row["id"])
        if len(tries) < 3 or row["n"] == "2":
            raise rowmill.TransientError("busy")
        return row

    with pytest.raises(rowmill.TransientError) as error:
        run_inline(job, tmp_path)
    assert error.value.exit_code == 75
    assert tries == ["k0", "k0", "k0", "k1", "k2", "k2", "k2"]


def test_async_functions_keep_order_with_many_rows_in_flight_on_one_loop(tmp_path):
    csv_of(tmp_path / "in.csv", 600)
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            import asyncio
            from rowmill import Job
            job = Job("async", concurrency=50, rows_per_partition=250)
            high = [0, 0]
            @job.setup
            async def client():
                return asyncio.get_running_loop()
            @job.process
            async def call(row, ctx):
                assert asyncio.get_running_loop() is ctx.setup
                high[0] += 1
                high[1] = max(high)
                await asyncio.sleep(0.001 * (int(row["n"]) % 3))
                high[0] -= 1
                return row
            """
        )
    )
    report = rowmill.run(f"{tmp_path}/job.py", str(tmp_path / "in.csv"), workspace=str(tmp_path / "w"), on="inline")
    assert report.counts.written == 600
    assert (tmp_path / "in.csv_Output").read_text() == (tmp_path / "in.csv").read_text()
    assert sys.modules["rowmill_job_job"].high[1] == 50


def test_a_chunk_function_returns_one_result_per_row_and_its_poison_row_is_found(tmp_path):
    csv_of(tmp_path / "in.csv", 100)
    job = Job("chunks", on_error="reject", rejects="1", rows_per_partition=40)

    @job.process_chunk
    def together(rows, ctxs):
        assert len(rows) == len(ctxs)
        if any(row["n"] == "63" for row in rows):
            raise KeyError("poison")
        return [row | {"line": ctx.line_no} for row, ctx in zip(rows, ctxs, strict=True)]

    report = run_inline(job, tmp_path)
    assert (report.counts.written, report.counts.rejected) == (99, 1)
    assert '"ordinal":63' in Path(report.rejects).read_text()
    assert (tmp_path / "in.csv_Output").read_text().splitlines()[-1] == "k99,99,101"


def test_a_chunk_function_with_a_wrong_number_of_results_is_told(tmp_path):
    csv_of(tmp_path / "in.csv", 10)
    job = Job("short")
    job.process_chunk(lambda rows: rows[:-1])
    with pytest.raises(rowmill.ProcessingError, match="given 10 rows and returned 9 results"):
        run_inline(job, tmp_path)


def test_a_program_in_any_language_gives_line_k_for_row_k(tmp_path):
    csv_of(tmp_path / "in.csv", 50)
    program = tmp_path / "legacy"
    program.write_text('#!/bin/sh\ntr a-z A-Z < "$1" > "$2"\n')
    program.chmod(0o755)
    job = Job(
        "legacy",
        writes=Csv(columns=["ID", "N"], header=False),
        process=rowmill.Exec([str(program), "{input}", "{output}"]),
        rows_per_partition=20,
    )
    report = run_inline(job, tmp_path)
    assert report.counts.written == 50
    assert (tmp_path / "in.csv_Output").read_text().splitlines()[0] == "K0,0"


def test_a_program_may_have_a_partition_of_many_chunks(tmp_path):
    csv_of(tmp_path / "in.csv", 20_000)
    program = tmp_path / "legacy"
    program.write_text('#!/bin/sh\ntr a-z A-Z < "$1" > "$2"\n')
    program.chmod(0o755)
    job = Job(
        "legacy",
        writes=Csv(columns=["ID", "N"], header=False),
        process=rowmill.Exec([str(program), "{input}", "{output}"]),
        rows_per_partition=20_000,
    )
    assert (tmp_path / "in.csv").stat().st_size > 4 * CHUNK_BYTES
    assert run_inline(job, tmp_path).counts.written == 20_000
    _, *rows = (tmp_path / "in.csv").read_text().upper().splitlines()
    assert (tmp_path / "in.csv_Output").read_text().splitlines() == rows


@pytest.mark.parametrize(
    ("script", "kind"),
    [("exit 3", "ProcessingError"), ("head -n 5 $1 > $2", "ProcessingError"), ("exit 75", "TransientError")],
)
def test_a_program_that_fails_or_miscounts_ends_the_run(tmp_path, script, kind):
    csv_of(tmp_path / "in.csv", 50)
    program = tmp_path / "legacy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    job = Job("legacy", writes=Lines(), process=rowmill.Exec([str(program), "{input}", "{output}"]))
    with pytest.raises(getattr(rowmill, kind)):
        run_inline(job, tmp_path)


def test_totals_are_exact_decimals_by_outcome(tmp_path):
    (tmp_path / "in.csv").write_text("id,amount\na,0.10\nb,0.20\nc,1e3\nd,x\ne,NaN\n")
    job = Job("money", totals=["amount"], rejects="2")
    job.process(lambda row: Skip("c") if row["id"] == "c" else row)
    report = run_inline(job, tmp_path)
    assert report.totals["amount"] == {"read": "1000.30", "written": "0.30", "filtered": "1000", "rejected": "0"}
    assert report.counts.rejected == 2


def test_public_names_are_those_of_all():
    for name in rowmill.__all__:
        assert getattr(rowmill, name) is not None


def test_what_follows_the_set_ups_yield_runs_in_every_worker_before_the_run_ends(tmp_path):
    csv_of(tmp_path / "in.csv", 4000)
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib
            from rowmill import Job
            job = Job("ends", rows_per_partition=1000)
            @job.setup
            def things():
                yield None
                pathlib.Path(__file__).with_name(f"ended-{os.getpid()}").touch()
            @job.process
            def same(row):
                return row
            """
        )
    )
    rowmill.run(
        f"{tmp_path}/job.py", str(tmp_path / "in.csv"), workspace=str(tmp_path / "w"), on="processes", workers=2
    )
    assert len(list(tmp_path.glob("ended-*"))) == 2


def test_what_nobody_foresaw_in_a_worker_does_not_show_a_row(tmp_path):
    csv_of(tmp_path / "in.csv", 2000)
    (tmp_path / "job.py").write_text(
        textwrap.dedent(
            """
            from rowmill import Job
            class Odd(dict):
                def keys(self):
                    raise RuntimeError("k7 is shown")
                __iter__ = __len__ = __getitem__ = lambda self, *_: self.keys()
            job = Job("odd", rows_per_partition=1000)
            @job.process
            def odd(row):
                return Odd(row)
            """
        )
    )
    with pytest.raises(rowmill.RowmillError) as error:
        rowmill.run(
            f"{tmp_path}/job.py", str(tmp_path / "in.csv"), workspace=str(tmp_path / "w"), on="processes", workers=2
        )
    assert "RuntimeError" in error.value.message
    assert "k7" not in str(error.value.as_dict())
