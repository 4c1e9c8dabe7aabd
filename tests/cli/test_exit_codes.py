"""Every mistake has its exit code, its place, its way out, and never a traceback."""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import subprocess

import pytest

from .conftest import CLI, ECHO, HANG_S, Desk, Ended, names

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2

FAILING = ECHO.replace(
    "return row",
    """if row["id"] == "1":
        raise ValueError("no good")
    return row""",
)


def refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert "error:" in ended.err.lower()
    for word in words:
        assert word in ended.err


def test_a_budget_that_is_none_is_exit_2_before_there_is_a_run(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    refused(desk("run", "job.py", "in.csv", "--rejects", "many"), 2, "'many' is not a budget")
    assert "no runs" in desk("runs").out


@pytest.mark.parametrize("verb", [("verify",), ("evidence", "e.zip"), ("report",)])
def test_a_run_that_is_not_there_is_told_as_such(desk: Desk, verb: tuple[str, ...]) -> None:
    refused(desk(verb[0], "0123", *verb[1:]), 5, f"there is no run 0123 in {desk.folder}/.rowmill")


def test_an_output_replaces_no_folder_and_no_pipe_and_is_not_standard_output(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    (desk.folder / "folder").mkdir()
    os.mkfifo(desk.folder / "pipe")
    for name, said in (("folder", "is not a file"), ("pipe", "is not a file"), ("-", "not on standard output")):
        refused(desk("run", "job.py", "in.csv", "--output", name, "--overwrite"), 2, said)
    assert (desk.folder / "pipe").is_fifo()
    refused(desk("run", "job.py", "pipe"), 3, "pipe is not a file")


def test_an_address_without_a_scheme_is_no_table(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    refused(desk("run", "job.py", "in.csv", "--table", "orders.db"), 2, "says no kind of database", "sqlite:///")


def test_a_missing_file_is_exit_3(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    refused(desk("run", "job.py", "none.csv"), 3, "none.csv does not exist", "next:")


def without_roots_rights() -> None:
    """Let even root meet a file's mode: the right to pass over it goes with the next program."""
    for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)


def as_nobody(desk: Desk, *words: str) -> Ended:
    done = subprocess.run(
        [*CLI, *words],
        cwd=desk.folder,
        preexec_fn=without_roots_rights,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_an_unreadable_file_is_exit_3(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3)).chmod(0)
    refused(as_nobody(desk, "run", "job.py", "in.csv"), 3, "Permission denied")


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("where", ["closed/out.csv", "closed/below/out.csv"])
def test_an_output_that_could_not_be_written_is_exit_2_before_a_row_is_done(desk: Desk, verb: str, where: str) -> None:
    desk.write("job.py", FAILING)
    desk.write("in.csv", names(3))
    (desk.folder / "closed").mkdir(mode=0o555)
    refused(as_nobody(desk, verb, "job.py", "in.csv", "--output", where), 2, "no output can be written", "--output")


def test_a_folder_as_input_is_exit_3(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    (desk.folder / "in.csv").mkdir()
    refused(desk("run", "job.py", "in.csv"), 3, "is not a file")


def test_an_empty_file_with_a_header_declared_is_exit_3(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "")
    refused(desk("run", "job.py", "in.csv"), 3, "header")


def test_a_header_alone_is_a_success_with_no_rows(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "id,name\n")
    done = desk("run", "job.py", "in.csv", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["counts"]["read"] == 0
    assert (desk.folder / "in.csv_Output").read_bytes() == b""


def test_doubled_header_names_are_exit_3(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "id,id\n1,2\n")
    refused(desk("run", "job.py", "in.csv"), 3, "line 1", "two columns alike")


def test_a_ragged_row_is_told_with_its_line_and_never_its_text(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "id,name\n1,a\n2,secret,more\n3,c\n")
    ended = desk("run", "job.py", "in.csv")
    refused(ended, 3, "line 3", "row 2", "--rejects")
    assert "secret" not in ended.err


def test_a_borne_reject_goes_into_the_rejects_file_with_line_and_raw_text(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", "id,name\n1,a\n2,secret,more\n3,c\n")
    ended = desk("run", "job.py", "in.csv", "--rejects", "1")
    assert ended.code == 0, ended.err
    reject = json.loads((desk.folder / "in.csv_Output_Rejects").read_text())
    assert (reject["line"], reject["ordinal"], reject["raw"]) == (3, 1, "2,secret,more")
    assert "3 rows in = 2 written + 0 filtered + 1 rejected; order checked" in ended.out
    assert "secret" not in ended.out + ended.err


def test_bad_encoding_is_a_reject_with_its_line(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", b"id,name\n1,a\n2,\xff\n")
    refused(desk("run", "job.py", "in.csv"), 3, "line 3")


def test_a_truncated_gzip_is_exit_3_with_the_offset(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    whole = gzip.compress(names(1000).encode())
    desk.write("in.csv.gz", whole[:-100])
    refused(desk("run", "job.py", "in.csv.gz"), 3, f"{len(whole) - 100:,}")


@pytest.mark.parametrize("job", ["none.py", "no.such.module", "job.py:other", "empty.py"])
def test_an_unknown_job_is_exit_2(desk: Desk, job: str) -> None:
    desk.write("job.py", ECHO)
    desk.write("empty.py", "")
    desk.write("in.csv", names(3))
    refused(desk("run", job, "in.csv"), 2, "next:")


@pytest.mark.parametrize(
    "options",
    [
        ["--wrokers", "2"],
        ["--workers", "0"],
        ["--workers", "two"],
        ["--on", "moon"],
        ["--rows-per-partition", "0"],
        ["--rows-per-partition", "many"],
        ["--param", "novalue"],
        ["--param", "a=1", "--param", "a=2"],
        ["--rejects", "most"],
        ["--rejects", "101%"],
        ["--continue", "--fresh"],
        ["--sequential", "--workers", "2"],
        ["--table", "nosuch://db"],
        ["--output", "nosuch://place/file"],
        ["--output", "in.csv"],
    ],
)
def test_a_bad_option_is_exit_2_and_writes_nothing(desk: Desk, options: list[str]) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    refused(desk("run", "job.py", "in.csv", *options), 2)
    assert not (desk.folder / "in.csv_Output").exists()
    assert not list(desk.folder.glob(".rowmill/runs/*/receipts/[0-9]*.json"))


def test_a_bad_variable_and_a_bad_settings_file_are_exit_2(desk: Desk) -> None:
    refused(desk("config", "show", env={"ROWMILL_WROKERS": "2"}), 2, "did you mean ROWMILL_WORKERS?")
    refused(desk("config", "show", env={"ROWMILL_WORKERS": "two"}), 2, "environment")
    desk.write("rowmill.toml", "workers = ")
    refused(desk("config", "show"), 2, "rowmill.toml")


def test_an_unwritable_output_is_exit_2(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    desk.write("file", "")
    refused(desk("run", "job.py", "in.csv", "--output", "file/out.csv"), 2, "file/out.csv")


def test_an_unwritable_workspace_is_exit_2(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    desk.write("file", "")
    refused(desk("run", "job.py", "in.csv", "--workspace", "file/work"), 2, "file/work")


def test_an_unwritable_table_is_exit_2(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    desk.write("file", "")
    refused(desk("run", "job.py", "in.csv", "--table", "sqlite:///file/rows.db"), 2, "there is no folder")


@pytest.mark.parametrize(
    "code", ["import nosuchmodule\n", "\n\n1 / 0\n", "\ndef broken(:\n", "import sys\nsys.exit()\n"]
)
def test_code_that_fails_on_import_is_exit_4_with_the_users_own_line(desk: Desk, code: str) -> None:
    desk.write("job.py", code)
    desk.write("in.csv", names(3))
    ended = desk("run", "job.py", "in.csv")
    refused(ended, 4)
    if "exit" not in code:
        last = len(code.splitlines())
        assert f"line {last}" in ended.err


@pytest.mark.parametrize("on", ["inline", "processes"])
def test_a_function_that_fails_is_exit_4_with_row_line_and_code_line(desk: Desk, on: str) -> None:
    desk.write("job.py", FAILING)
    desk.write("in.csv", 'id,name\n0,"two\nlines"\n1,b\n')
    code_line = next(n for n, line in enumerate(FAILING.splitlines(), 1) if "raise" in line)
    refused(desk("run", "job.py", "in.csv", "--on", on), 4, "line 4, row 2", "ValueError: no good", f"line {code_line}")


def test_what_ends_workers_that_started_before_the_input_was_split_is_told_as_ever(desk: Desk) -> None:
    desk.write("job.py", FAILING)
    wide = "x" * 1024
    desk.write("in.csv", "id,name\n" + "".join(f"{number},{wide}\n" for number in range(9000)))
    refused(desk("run", "job.py", "in.csv", "--on", "processes", "--workers", "2"), 4, "line 3, row 2", "no good")


def test_a_bare_none_is_exit_4_that_says_so(desk: Desk) -> None:
    desk.write("job.py", ECHO.replace("return row", "pass"))
    desk.write("in.csv", names(3))
    refused(desk("run", "job.py", "in.csv"), 4, "line 2, row 1", "returned None", "Skip(reason)")


def test_a_function_that_ends_the_process_is_exit_4(desk: Desk) -> None:
    desk.write("job.py", ECHO.replace("return row", "raise SystemExit(0)"))
    desk.write("in.csv", names(3))
    refused(desk("run", "job.py", "in.csv", "--on", "inline"), 4, "exit(0)")


def test_code_that_changed_under_an_unfinished_run_is_exit_5_until_the_user_chooses(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(30) + "30,ragged,row\n")
    run = ("run", "job.py", "in.csv", "--rows-per-partition", "10", "--workers", "1")
    assert desk(*run).code == 3
    desk.write("job.py", ECHO + "# changed\n")
    refused(desk(*run, "--rejects", "1"), 5, "--continue", "--fresh")
    kept = desk(*run, "--rejects", "1", "--continue", "--json")
    assert kept.code == 0, kept.err
    assert len(json.loads(kept.out)["code_digests"]) == 2


def test_an_output_that_exists_is_exit_5_until_it_may_be_replaced(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    desk.write("in.csv_Output", "precious")
    refused(desk("run", "job.py", "in.csv"), 5, "in.csv_Output exists", "--overwrite")
    assert (desk.folder / "in.csv_Output").read_text() == "precious"
    assert desk("run", "job.py", "in.csv", "--overwrite").code == 0
    assert (desk.folder / "in.csv_Output").read_text().startswith("0,name 0\n")


def test_an_unknown_run_is_exit_5(desk: Desk) -> None:
    for command in ("status", "verify", "process", "merge"):
        refused(desk(command, "0123456789abcdef"), 5, "there is no run 0123456789abcdef")


def test_a_partition_that_is_not_there_is_exit_2(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    run = json.loads(desk("split", "job.py", "in.csv", "--json").out)["run_id"]
    refused(desk("process", run, "--partition", "7"), 2, "partition 7")
    refused(desk("merge", run), 5, "not processed")


def test_a_file_name_that_is_no_text_is_exit_2_that_says_so(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("bad\udcff.csv", names(3))
    refused(desk("run", "job.py", "bad\udcff.csv"), 2, "not UTF-8", "rename the file")


def test_a_password_in_a_url_is_exit_2_and_is_not_repeated(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    ended = desk("run", "job.py", "in.csv", "--output", "s3://user:hunter2@bucket/out")
    refused(ended, 2, "password")
    assert "hunter2" not in ended.err
