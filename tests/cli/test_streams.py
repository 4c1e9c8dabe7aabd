"""stdin, stdout, stderr, names, colours: what goes where."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
from pathlib import Path

import msgspec
import pytest

from rowmill.cli.progress import lines
from rowmill.tracker import View

from .conftest import CLI, ECHO, HANG_S, SLOW, Desk, names

NOISY = ECHO.replace(
    "return row",
    'print("noise from print"); import subprocess; subprocess.run(["echo", "noise from a program"]); return row',
)


@pytest.mark.parametrize("on", ["inline", "processes"])
def test_stdout_carries_one_json_object_whatever_the_users_code_prints(desk: Desk, on: str) -> None:
    desk.write("job.py", 'print("noise on import")\n' + NOISY)
    desk.write("in.csv", names(2))
    done = desk("run", "job.py", "in.csv", "--on", on, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["schema"] == "rowmill.report/1"
    for noise in ("noise on import", "noise from print", "noise from a program"):
        assert noise in done.err


def test_stdin_is_an_input_that_needs_an_output(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    refused = desk("run", "job.py", "-", stdin=names(3).encode())
    assert (refused.code, refused.out) == (2, "")
    assert "--output" in refused.err
    done = desk("run", "job.py", "-", "--output", "out.csv", stdin=names(3).encode())
    assert done.code == 0, done.err
    assert (desk.folder / "out.csv").read_text() == "0,name 0\n1,name 1\n2,name 2\n"
    again = desk("run", "job.py", "-", "--output", "out.csv", "--json", stdin=names(3).encode())
    assert json.loads(again.out)["status"] == "repeated"


@pytest.mark.parametrize(
    "name",
    ["a b.csv", 'it\'s "quoted".csv', "a;touch PWNED;.csv", "two\nlines.csv", "größe-数.csv", "-x.csv", "$(id).csv"],
)
def test_any_file_name_is_just_a_name(desk: Desk, name: str) -> None:
    desk.write("job.py", ECHO)
    desk.write(name, names(3))
    done = desk("run", "job.py", "--", name)
    assert done.code == 0, done.err
    assert (desk.folder / f"{name}_Output").read_text().startswith("0,name 0\n")
    assert not (desk.folder / "PWNED").exists()


def test_a_name_cannot_write_lines_or_control_codes_into_messages(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    refused = desk("run", "job.py", "no\nsuch\x1b[31mfile.csv")
    assert refused.code == 3
    assert "\x1b" not in refused.err
    assert "no\\nsuch\\x1b[31mfile.csv does not exist" in refused.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["runs"], ["completion", "bash"], ["config", "show"]]
)
def test_a_closed_pipe_ends_a_command_quietly(desk: Desk, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with desk.start(*arguments, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate()
    assert err == b""
    assert process.returncode == 141


def test_an_answer_that_finds_no_room_is_exit_75_and_no_bug(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    with Path("/dev/full").open("wb") as full, desk.start("run", "job.py", "in.csv", stdout=full) as process:
        told = process.stderr.read().decode()
        assert process.wait(HANG_S) == 75
    assert told.startswith("error: a disk is full")
    assert "bug" not in told
    assert "Exception ignored" not in told
    assert desk("run", "job.py", "in.csv", "--json").code == 0


def test_a_run_whose_reader_went_away_still_ends_well(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    reading, writing = os.pipe()
    os.close(reading)
    with desk.start("run", "job.py", "in.csv", stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")
    assert json.loads(desk("status", "--json").out)["state"] == "succeeded"


def test_colour_is_for_terminals_unless_the_user_says_otherwise(desk: Desk) -> None:
    command = ("run", "none.py", "none.csv")
    assert "\x1b" not in desk(*command).err
    assert "\x1b[" in desk(*command, env={"FORCE_COLOR": "1"}).err
    assert "\x1b" not in desk(*command, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).err
    assert "\x1b[" in on_terminal(desk, *command, TERM="xterm")
    assert "\x1b" not in on_terminal(desk, *command, TERM="dumb")
    assert "\x1b" not in on_terminal(desk, *command, TERM="xterm", NO_COLOR="1")


def test_help_is_as_wide_as_columns_says(desk: Desk) -> None:
    def widest(columns: str) -> int:
        return max(map(len, desk("run", "--help", env={"COLUMNS": columns}).out.splitlines()))

    assert widest("60") <= 60 < widest("100") <= 100


def on_terminal(desk: Desk, *arguments: str, **env: str) -> str:
    """Run with a terminal as standard error; return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CLI, *arguments],
        cwd=desk.folder,
        env={**desk.env, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:
        pass  # the terminal's other end is closed
    os.close(ours)
    process.wait()
    return shown.decode()


def test_a_terminal_shows_a_bar(desk: Desk) -> None:
    desk.write("job.py", SLOW)
    desk.write("in.csv", names(60))
    shown = on_terminal(desk, "run", "job.py", "in.csv", TERM="xterm", COLUMNS="200", PAUSE_S="0.03")
    assert "━" in shown
    for word in ("/60 rows", "rows/s", "ETA", "/6 partitions", "0 rejects"):
        assert word in shown


@pytest.mark.parametrize(
    ("options", "env"),
    [(["--quiet"], {}), (["--no-progress"], {}), ([], {"CI": "true"}), ([], {"TERM": "dumb"})],
)
def test_no_bar_where_it_is_not_wanted(desk: Desk, options: list[str], env: dict[str, str]) -> None:
    desk.write("job.py", SLOW)
    desk.write("in.csv", names(40))
    shown = on_terminal(desk, "run", "job.py", "in.csv", *options, **{"TERM": "xterm", "PAUSE_S": "0.03", **env})
    assert shown == ""


def test_progress_without_a_terminal_is_json_lines() -> None:
    out = io.StringIO()
    watch, never = lines(out, every_s=0), lines(out, every_s=3600)
    watch(View("process", rows=10, rows_done=4))
    never(View("process"))
    watch(View("process", rows=10, rows_done=10))
    told = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    assert [(line["schema"], line["rows_done"]) for line in told] == [
        ("rowmill.progress/1", 4),
        ("rowmill.progress/1", 10),
    ]


def test_a_short_run_says_nothing_on_stderr(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    done = desk("run", "job.py", "in.csv")
    assert (done.code, done.err) == (0, "")


def test_an_unexpected_error_is_exit_1_with_a_traceback_only_on_demand(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(3))
    desk.write(
        "sitecustomize.py",
        "import rowmill.api\ndef boom(*_, **__): raise RuntimeError('secret row')\nrowmill.api.run = boom\n",
    )
    path = {"PYTHONPATH": str(desk.folder)}
    told = desk("run", "job.py", "in.csv", env=path)
    assert (told.code, told.out) == (1, "")
    assert "this is a bug" in told.err
    assert "Traceback" not in told.err
    assert "secret" not in told.err
    for arguments in (["run", "job.py", "in.csv", "-v"], ["-v", "run", "job.py", "in.csv"]):
        assert "Traceback" in desk(*arguments, env=path).err
