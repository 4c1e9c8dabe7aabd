"""What is sensitive is in the files of rows, and nowhere else."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest

from rowmill.formats.csv import Csv
from rowmill.formats.jsonl import Jsonl
from rowmill.formats.lines import Lines
from rowmill.formats.masking import HIDDEN, hidden, masked_row

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job("cards", reads=Csv(), writes=Csv(columns=["id"]), sensitive=["card", "pin"], on_error="reject",
          table=Table("Cards", key="id", types={"id": "INTEGER"}))


@job.process
def check(row):
    card, pin = row["card"], row["pin"]
    if row["how"] == "reject":
        raise Reject(f"no such card: {card}, pin {pin}")
    if row["how"] == "skip":
        return Skip(f"the card {card} is lost")
    if row["how"] == "error":
        raise ValueError(f"{pin} is no pin of {card!r}")
    if row["how"] == "table":
        return {"id": None}
    return {"id": row["id"]}
"""
CARDS = ["4111-7700", "4222-7711", "4333-7722", "4444-7733", "4555-7744"]
INPUT = "id,how,card,pin\n" + "".join(
    f"{number},{how},{card},{'9' * 2}\n"
    for number, (how, card) in enumerate(zip(["ok", "reject", "skip", "error", "table"], CARDS, strict=True))
)
ROWS = ("/data/", "/rejects/", ".rows.jsonl", ".delta", "in.csv", "job.py", "fix.csv", ".db", "_Rejects")


def leaks(text: str) -> list[str]:
    return [card for card in CARDS if card in text] + ["pin 99"] * ("99 is" in text or "pin 99" in text)


def state(folder: Path) -> dict[str, str]:
    """Return all that a run has written but the rows themselves."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): path.read_text("utf-8", "replace") for path in files if not any(end in str(path) for end in ROWS)
    }


def test_no_log_message_report_or_state_shows_a_sensitive_value(desk):
    desk.write("job.py", JOB)
    desk.write("in.csv", INPUT)
    said = [desk("run", "job.py", "in.csv", "--rejects", rejects, "-v") for rejects in ("stop", "1", "hold")]
    assert [one.code for one in said] == [3, 3, 7]
    run = next((desk.folder / ".rowmill/runs").iterdir()).name
    fix = desk("rejects", run, "--csv").out
    assert leaks(fix) == [CARDS[1], CARDS[3], CARDS[4]]  # whoever corrects them must see them
    desk.write("fix.csv", fix.replace("table", "ok"))
    verbs = (
        ("rejects", run), ("rejects", run, "--json"), ("repair", run, "fix.csv", "--dry-run"),
        ("repair", run, "fix.csv", "-v"), ("rejects", run), ("status", run, "--json"),
        ("waive", run, "--all", "--reason", "agreed", "--json"), ("verify", run, "--replay"), ("runs",),
        ("try", "job.py", "in.csv"), ("check", "job.py", "in.csv"),
    )  # fmt: skip
    said += [desk(*words) for words in verbs]
    assert [one.code for one in said] == [3, 3, 7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
    for one in said:
        assert leaks(one.out + one.err) == []
    kept = state(desk.folder)
    assert len(kept) >= 10
    assert {name: leaks(text) for name, text in kept.items() if leaks(text)} == {}
    listed = desk("rejects", run).out
    assert f"no such card: {HIDDEN}, pin {HIDDEN}" in listed
    assert f"1,reject,{HIDDEN},{HIDDEN}" in listed


def test_a_screen_shows_no_file_of_corrections_that_holds_sensitive_columns(desk):
    desk.write("job.py", JOB)
    desk.write("in.csv", INPUT)
    desk("run", "job.py", "in.csv", "--rejects", "hold")
    run = next((desk.folder / ".rowmill/runs").iterdir()).name
    ours, screen = pty.openpty()
    try:
        with desk.start("rejects", run, "--csv", stdout=screen) as process:
            assert "no screen shows" in process.communicate(timeout=30)[1].decode()
        assert process.returncode == 2
    finally:
        os.close(screen)
        os.close(ours)


def test_a_sensitive_column_that_is_not_there_is_told_before_row_1(desk):
    desk.write("job.py", JOB.replace('"pin"]', '"Pin"]'))
    desk.write("in.csv", INPUT)
    said = desk("run", "job.py", "in.csv")
    assert (said.code, "names a column 'Pin', and the input has none" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "row", "shown"),
    [
        ("no card 4111 here", {"card": "4111"}, f"no card {HIDDEN} here"),
        ("x41115x", {"card": "4111"}, f"x{HIDDEN}5x"),
        ("pin 7 of 77", {"card": "7"}, f"pin {HIDDEN} of 77"),
        ("Ada is ADA", {"card": "ada"}, f"{HIDDEN} is {HIDDEN}"),
        ("nothing", {"card": ""}, "nothing"),
        ("nothing", {"card": None}, "nothing"),
        ("no row", ["no row"], "no row"),
    ],
)
def test_values_are_hidden_in_words_about_their_row(text, row, shown):
    assert hidden(text, row, ["card"]) == shown


@pytest.mark.parametrize(
    ("reads", "columns", "raw", "shown"),
    [
        (Csv(), ("id", "card"), '1,"4,1"', f"1,{HIDDEN}"),
        (Csv(delimiter=";"), ("id", "card"), "1;4", f"1;{HIDDEN}"),
        (Csv(), ("id", "card"), "1,4,1", HIDDEN),
        (Csv(), ("id", "card"), '1,"4', HIDDEN),
        (Csv(), ("id", "name"), "1,4", "1,4"),
        (Jsonl(), None, '{"id":1,"card":"4"}', f'{{"id":1,"card":"{HIDDEN}"}}'),
        (Jsonl(), None, '{"id":1,"card":', HIDDEN),
        (Lines(), None, "4111", HIDDEN),
    ],
)
def test_a_row_shows_what_is_not_sensitive_where_its_columns_are_known(reads, columns, raw, shown):
    assert masked_row(reads, columns, ["card"], raw) == shown
