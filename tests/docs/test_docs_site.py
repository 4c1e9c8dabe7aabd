"""The documents as a whole: generated parts, links, the site, and the commands of the README."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from benchmarks.__main__ import Results
from benchmarks.results import Bars, Experiment, Grid, Target
from page_kit import HANG_S, ROOT, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
FETCHED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//""")
WRITTEN = list(ROOT.glob("*.md")) + list((ROOT / "docs").rglob("*.md"))


def generate(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / "docs" / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_generated_parts_are_up_to_date() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_out_of_date_is_shown_and_then_brought_up_to_date(tree: Path) -> None:
    page = tree / "docs" / "guarantees.md"
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("| 75 | `TransientError`", "| 76 | `TransientError`"), encoding="utf-8")
    done = generate(tree, "--check")
    assert done.returncode == 1
    assert "-| 76 | `TransientError`" in done.stdout
    assert "python docs/generate.py" in done.stderr
    assert generate(tree).returncode == 0
    assert page.read_text(encoding="utf-8") == right


def test_without_measurements_the_readme_says_so(tree: Path) -> None:
    shutil.rmtree(tree / "docs" / "benchmarks", ignore_errors=True)
    assert generate(tree).returncode == 0
    assert "was measured on this checkout yet" in (tree / "README.md").read_text(encoding="utf-8")


def test_what_was_measured_stands_in_the_readme_and_says_what_was_missed(tree: Path) -> None:
    bars = Bars("orders", "", "", ("plain loop", "Rowmill"), (("new table", (15.04, 4.51)), ("no table", (7.0, None))))
    targets = (Target("loop / Rowmill", "x", 3.33, at_least=3.0), Target("twice the rows", "x", 2.5, at_most=2.15))
    made = Experiment("", "", 1_000_000, 1, 1, 5, "2026-01-01", targets, Grid((), ()), (bars,), {})
    (tree / "docs" / "benchmarks").mkdir(exist_ok=True)
    results = msgspec.json.encode(Results({"cores": "2"}, {"orders": made}))
    (tree / "docs" / "benchmarks" / "results.json").write_bytes(results)
    assert generate(tree).returncode == 0
    for page, link in (("README.md", "docs/benchmarks/index.md"), ("docs/index.md", "benchmarks/index.md")):
        text = (tree / page).read_text(encoding="utf-8")
        assert "| new table | 15.0 s | 4.5 s |\n| no table | 7.0 s | - |" in text
        assert "| loop / Rowmill | 3.33 | at least 3.0 |\n| twice the rows | 2.50 | at most 2.15: missed |" in text
        assert "Measured on: cores 2." in text
        assert f"({link})" in text


def test_every_page_of_the_navigation_exists() -> None:
    named = re.findall(r": ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    missing = {page for page in named if not (ROOT / "docs" / page).exists()}
    assert missing <= {"benchmarks/index.md"}
    assert len(named) == len(set(named))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{path} has no heading {anchor}"


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_the_site_builds_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = list((tmp_path / "site").rglob("*.html"))
    assert len(made) > len(WRITTEN) // 2
    for page in made:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page.name


def commands_of_make() -> Iterator[tuple[str, str]]:
    for page in WRITTEN:
        for target in re.findall(r"(?:`|\$ )make ([a-z0-9-]+)", page.read_text(encoding="utf-8")):
            yield page.name, target


def test_every_make_target_that_a_page_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = list(commands_of_make())
    assert ("README.md", "demo") in named
    for page, target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"


def test_make_demo_shows_report_results_and_a_table_row(tmp_path: Path) -> None:
    """The Makefile itself, in a tree whose installation is there already."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name, command in (("python", sys.executable), ("rowmill", f"{sys.executable} -m rowmill")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (bin_folder / name).chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    for _ in range(2):  # and again, with what the first left
        ended = Desk(tmp_path).shell("make demo ROWS=2000")
        assert ended.code == 0, ended.shown
        assert "proved: 2,000 rows in = 2,000 written" in ended.shown
        results = (tmp_path / "demo" / "orders-2000.csv_Output").read_text().splitlines()
        assert "\n".join(results[:3]) in ended.shown
        assert f"ConfirmationId: {results[0].partition(',')[2]}" in ended.shown
