"""The shape of the code: layers, sizes, words, and that what is public is described."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import rowmill
from rowmill import errors
from rowmill.cli.group import rowmill as commands

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 120
MODULES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").rglob("*.md"))]
MOST_LINES, MOST_LINES_OF_FUNCTION = 400, 40
# Longer than they should be, and by how many lines at most: each is a debt, and may only get shorter.
LONG_MODULES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
# What the architecture has another word for; in quotes it is Kubernetes' own field.
OTHER_WORDS = re.compile(
    r"\b(sinks?|shards?|shard(ed|ing)|back-?ends?|(?<![`\".])parallelism|state store|scratch space)\b", re.IGNORECASE
)

KUBERNETES = ROOT / "src/rowmill/devcloud/kubernetes"


def name_of(module: Path) -> str:
    return str(module.relative_to(ROOT / "src" / "rowmill"))


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{getattr(node, 'name', '')}"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield name, node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from functions(node, f"{name}.")


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of what is done: without signature, docstring and blank lines within a module's text."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_imports_point_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_too_long() -> None:
    lengths = {name_of(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    too_long = {name: lines for name, lines in lengths.items() if lines > LONG_MODULES.get(name, MOST_LINES)}
    assert not too_long
    assert not {name for name in LONG_MODULES if lengths.get(name, 0) <= MOST_LINES}, "no exception any more"


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{name_of(module)}:{name}": body_lines(function)
        for module in MODULES
        for name, function in functions(ast.parse(module.read_text(encoding="utf-8")))
    }
    too_long = {
        name: lines for name, lines in lengths.items() if lines > LONG_FUNCTIONS.get(name, MOST_LINES_OF_FUNCTION)
    }
    assert not too_long
    assert not {name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= MOST_LINES_OF_FUNCTION}, "no exception"


def test_there_are_no_drawers_for_odds_and_ends() -> None:
    odd = {"util", "utils", "common", "helper", "helpers", "misc", "shared"}
    assert not [module for module in MODULES if odd & {module.stem, module.parent.name}]


def test_what_is_offered_is_what_is_exported() -> None:
    assert list(rowmill.__all__) == sorted(rowmill.__all__)
    for name in rowmill.__all__:
        assert getattr(rowmill, name) is not None
    fresh = "import rowmill; print(*sorted({*rowmill._HOME_OF, '__version__'}))"
    shown = subprocess.run([sys.executable, "-c", fresh], capture_output=True, text=True, timeout=HANG_S, check=True)
    assert shown.stdout.split() == sorted(rowmill.__all__)


def test_everything_public_says_what_it_is() -> None:
    silent = [
        f"{name_of(module)}:{name}"
        for module in MODULES
        for name, function in functions(ast.parse(module.read_text(encoding="utf-8")))
        if not any(part.startswith("_") for part in name.split("."))
        and not ast.get_docstring(function)
        # what a function has inside is no one's to call
        and not is_inside_a_function(module, name)
    ]
    assert not silent
    assert not [name_of(module) for module in MODULES if not ast.get_docstring(ast.parse(module.read_text("utf-8")))]


def is_inside_a_function(module: Path, name: str) -> bool:
    names = dict(functions(ast.parse(module.read_text(encoding="utf-8"))))
    parts = name.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts)))


def all_commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}

    def walk(context: click.Context) -> None:
        found[context.command_path] = context.command
        if isinstance(context.command, click.Group):
            for name in context.command.list_commands(context):
                below = context.command.get_command(context, name)
                assert below is not None
                walk(click.Context(below, parent=context, info_name=name))

    walk(click.Context(commands, info_name="rowmill"))
    return found


@pytest.mark.parametrize("name", all_commands())
def test_a_command_s_help_starts_with_an_example_and_has_a_section(name: str) -> None:
    command = all_commands()[name]
    example = (command.help or "").removeprefix("\b\n").splitlines()[0]
    assert example.startswith("$ ")
    assert name in example or name in {"rowmill", "rowmill config"}
    assert command.help is not None
    assert command.help.partition("\n\n")[2].strip()
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert example in section
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[-1] in section


def error_kinds() -> list[type[errors.RowmillError]]:
    known, found = [errors.RowmillError], []
    while known:
        kind = known.pop()
        found.append(kind)
        known += kind.__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("rowmill.")]


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.__name__)
def test_an_error_has_an_exit_code_of_its_own_a_docstring_and_a_row_in_the_table(
    kind: type[errors.RowmillError],
) -> None:
    assert kind.__doc__
    assert errors.BY_NAME[kind.__name__] is kind
    assert [other.exit_code for other in error_kinds()].count(kind.exit_code) == 1
    if kind is not errors.RowmillError:
        assert kind.__name__ in rowmill.__all__
        page = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in page


@pytest.mark.parametrize("file", [*MODULES, *PAGES], ids=lambda file: str(file.relative_to(ROOT)))
def test_one_word_is_used_for_one_thing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if KUBERNETES in file.parents:
        text = text.replace("parallelism", "").replace("Parallelism", "")  # a field of KubernetesJobs
    assert OTHER_WORDS.findall(text) == []


def test_the_guide_for_changes_is_short_and_names_every_layer() -> None:
    guide = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(guide.splitlines()) <= 80
    top = {path.name + "/" * path.is_dir() for path in (ROOT / "src" / "rowmill").iterdir()}
    for name in top - {"__init__.py", "__main__.py", "__pycache__/", "py.typed"}:
        assert f"`{name}`" in guide, name
