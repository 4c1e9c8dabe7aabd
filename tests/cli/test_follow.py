"""A run is looked at, followed and steered from another terminal."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from .conftest import ECHO, SLOW, Desk, ended, names

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

BAD = ECHO.replace("return row", 'assert row["id"] != "13"\n    return row')


def live(desk: Desk, until: Callable[..., None]) -> tuple[subprocess.Popen[bytes], str]:
    """Start a run that stands still at its second partition while there is a file `hold`; return it and its id."""
    desk.write("job.py", SLOW)
    desk.write("in.csv", names(40))
    desk.write("hold", "")
    process = desk.start("run", "job.py", "in.csv", "--on", "inline")
    until(lambda: list(desk.folder.glob(".rowmill/runs/*/receipts/*.json")) or process.poll() is not None)
    return process, next(desk.folder.glob(".rowmill/runs/*")).name


def test_a_follower_ends_with_the_run_s_report_and_exit_code(desk: Desk, until) -> None:
    process, run = live(desk, until)
    with process, desk.start("follow", run, "--json") as follower:
        assert follower.poll() is None
        (desk.folder / "hold").unlink()
        told = ended(follower)
        assert ended(process).code == 0
    assert told.code == 0, told.err
    assert json.loads(told.out)["run_id"] == run
    assert json.loads(told.out)["status"] == "succeeded"


def test_a_follower_of_a_run_whose_process_is_killed_ends_and_says_what_to_do(desk: Desk, until) -> None:
    process, run = live(desk, until)
    with process, desk.start("follow", run) as follower:
        process.send_signal(signal.SIGKILL)
        told = ended(follower)
    assert (told.code, told.out) == (5, "")
    assert "interrupted" in told.err
    assert "the command of the run goes on from here" in told.err


def test_following_and_logs_tell_what_a_run_failed_with_and_its_exit_code(desk: Desk) -> None:
    desk.write("job.py", BAD)
    desk.write("in.csv", names(20))
    failed = desk("run", "job.py", "in.csv")
    run = next(desk.folder.glob(".rowmill/runs/*")).name
    told = desk("follow")
    assert (told.code, failed.code) == (4, 4)
    assert told.err.splitlines()[0] == failed.err.splitlines()[0]
    shown = desk("logs", run, "--partition", "0")
    assert (shown.code, shown.err) == (0, "")
    assert "line 15, row 14: " in shown.out
    logs = json.loads(desk("logs", "--json").out)
    assert (logs["schema"], logs["logs"][0]["error"]["line_no"]) == ("rowmill.logs/1", 15)
    assert "nothing is kept" in desk("logs", run, "--partition", "1").out


def test_a_row_is_shown_beside_the_table_s(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(20))
    assert desk("run", "job.py", "in.csv").code == 0
    run = next(desk.folder.glob(".rowmill/runs/*")).name
    shown = desk("show", run, "--line", "9")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[0] == "line 9, row 8: written"
    assert "row 8, from byte " in shown.out
    assert "name    name 7  name 7" in shown.out
    told = json.loads(desk("show", run, "--key", "7", "--json").out)
    assert (told["schema"], told["rows"][0]["output_text"]) == ("rowmill.show/1", "7,name 7")


def test_a_run_that_is_not_there_is_exit_5(desk: Desk) -> None:
    for words in (("show", "none", "--line", "2"), ("logs", "none"), ("follow", "none")):
        refused = desk(*words)
        assert (refused.code, refused.out) == (5, "")
        assert "there is no run none" in refused.err
