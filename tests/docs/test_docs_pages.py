"""What the documents show is what happens."""

from __future__ import annotations

import difflib
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from page_kit import ROOT, Block, Desk, blocks
from tests.stepfunctions.deployed import deploy

from rowmill.devcloud import environment
from rowmill.testing.postgresql_server import PostgreSqlServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXECUTED = [
    "README.md",
    "docs/index.md",
    "docs/quickstart.md",
    "docs/formats.md",
    "docs/guarantees.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs" / "howto").glob("*.md")),
]


BY_MACHINE = "docs/howto/stepfunctions.md"
IN_CLUSTER = ("docs/howto/kubernetes.md", "docs/howto/reading-a-failure.md")


@pytest.fixture
def around(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a page the servers that it speaks of."""
    page = request.getfixturevalue("page")
    monkeypatch.setenv("XDG_CACHE_HOME", str(environment().parents[1]))  # the local AWS is installed once
    monkeypatch.setenv("CDK_VALIDATION", "false")  # a test of the templates asks the validator, for 10 s
    if page in IN_CLUSTER and shutil.which("kubectl") is None:
        pytest.skip("the page uses kubectl, which is not here")
    if "s3" in page or page in IN_CLUSTER or page == BY_MACHINE:
        for name, value in request.getfixturevalue("rowmill_devcloud").env.items():
            monkeypatch.setenv(name, value)
    if page == BY_MACHINE:
        deploy(request.getfixturevalue("rowmill_devcloud"), request.getfixturevalue("tmp_path") / "stack", "incoming")
    if "postgresql" in page:
        server = request.getfixturevalue("postgresql")
        for name, value in (("PGHOST", "127.0.0.1"), ("PGPORT", str(server.port)), ("PGUSER", "tester")):
            monkeypatch.setenv(name, value)


@pytest.fixture
def postgresql() -> Iterator[PostgreSqlServer]:
    with PostgreSqlServer() as server:
        yield server


@pytest.mark.usefixtures("around")
@pytest.mark.parametrize("page", EXECUTED)
def test_what_a_page_shows_happens(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = list(blocks((ROOT / page).read_text(encoding="utf-8")))
    assert any(block.kind == "console" for block in found), "the page shows no command"
    for block in found:
        Desk(tmp_path).play(block)


def loop_and_job() -> tuple[list[str], list[str]]:
    """Return the two listings of the page, without blank lines and their names."""
    page = (ROOT / "docs/howto/move-a-loop.md").read_text(encoding="utf-8")
    named = {block.name: block.text for block in blocks(page)}
    before, after = (
        [line for line in named[name].splitlines() if line.strip() and line != f"# {name}"]
        for name in ("loop.py", "moved.py")
    )
    return before, after


def test_moving_a_loop_changes_less_than_forty_percent_of_its_lines_as_the_page_says() -> None:
    before, after = loop_and_job()
    hunks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    changed = sum(max(end - start, to - at) for kind, start, end, at, to in hunks if kind != "equal")
    share = changed / len(before)
    assert share < 0.4
    page = (ROOT / "docs/howto/move-a-loop.md").read_text(encoding="utf-8")
    assert f"{len(before)} lines {changed} change: {share:.0%}".replace("%", " %") in page
    assert f"{share:.0%}".replace("%", " %") in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_moved_loop_gives_the_same_rows_in_output_and_table(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for block in blocks((ROOT / "docs/howto/move-a-loop.md").read_text(encoding="utf-8")):
        if block.name:
            desk.play(block)
    assert desk.shell("rowmill generate 500 sales.csv && python loop.py sales.csv loop.csv").code == 0
    moved = "rowmill run moved.py sales.csv --output moved.csv --table sqlite:///moved.db --rows-per-partition 90"
    assert desk.shell(f"{moved} --on processes --workers 2").code == 0
    assert without_confirmation(tmp_path / "loop.csv") == without_confirmation(tmp_path / "moved.csv")
    assert len(without_confirmation(tmp_path / "moved.csv")) == 501
    assert table_of(tmp_path / "loop.db") == table_of(tmp_path / "moved.db")


def without_confirmation(file: Path) -> list[bytes]:
    return [line.rpartition(b",")[0] for line in file.read_bytes().splitlines()]


def table_of(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as opened:
        return sorted(opened.execute("SELECT order_id, market, priority, days, late, to_pay FROM orders"))


def test_a_page_that_shows_something_else_than_what_happens_is_found_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.play(Block("console", "$ echo one two\none ...\n$ (exit 3)\n$ echo $?\n3\n", "", 1))
    for wrong in ("$ echo one\ntwo\n", "$ echo one two\none\n", "$ (exit 3)\n", "$ (exit 3)\n$ echo on\n"):
        with pytest.raises(AssertionError):
            desk.play(Block("console", wrong, "", 1))
