"""docs/failures.md promises nothing without a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failures.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """Return the cells of the table's rows."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(path: Path) -> set[str]:
    """Return the names of functions in a file, tests among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_that_exists() -> None:
    assert len(rows()) > 20
    for place, _, promise, test in rows():
        assert place
        assert promise
        named = NAMED.findall(test)
        assert named, f"no test is named for: {place}: {promise}"
        for file, name in named:
            assert name in names_in(ROOT / file), f"{file} has no {name}"


def test_every_whole_run_under_faults_has_its_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for name in names_in(path) if path.name != Path(__file__).name else ():
            if name.startswith("test_"):
                assert f"{path.relative_to(ROOT)}::{name}" in page
