"""Fill the parts of README and pages that are made from the code: `python docs/generate.py [--check]`.

Such a part stands between `<!-- NAME … -->` and `<!-- /NAME -->`; what is between is replaced, the rest is left alone.
"""  # noqa: INP001 - a script beside its pages

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import devcloud_types
import kubernetes_fields
import msgspec

import rowmill
from rowmill import errors, settings
from rowmill.cdk import props
from rowmill.cli.group import rowmill as commands
from rowmill.model.counts import Counts
from rowmill.runners.standing import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(r"<!-- (?P<name>[a-z-]+)(?P<words>(?: [\w.]+)*) -->\n.*?<!-- /(?P=name) -->", re.DOTALL)
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Restart|Cost|Source|Shape|Units):[ ]*(.*)$")
ENTRY = re.compile(r"^([\w*, ]+?): (.*)$")
LINE = 90  # a longer call is written over several lines
UNEXPECTED = (
    (1, "unexpected", "A bug, or something nobody foresaw: report it with what `-v` shows."),
    (130, "Ctrl-C", "Stopped cleanly: the same command goes on."),
    (143, "SIGTERM", "Stopped cleanly: the same command goes on."),
)


class Parameter(NamedTuple):
    """What a class or function takes: its name, type and default as they are written."""

    name: str
    hint: str
    default: str
    keyword_only: bool


class Doc(NamedTuple):
    """A docstring taken apart: its prose, and its sections as pairs of name and text."""

    prose: str
    sections: dict[str, list[tuple[str, str]]]


def main() -> None:
    """Write what is out of date, or with `--check` show it and fail."""
    parser = argparse.ArgumentParser(description="Fill the generated parts of README and docs.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    check = parser.parse_args().check
    stale = [page for page in pages() if bring_up_to_date(page, check=check)]
    if check and stale:
        sys.exit(f"{len(stale)} page(s) out of date; next: python docs/generate.py")


def pages() -> list[Path]:
    """Return README and all pages but the benchmarks' own."""
    return [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "benchmarks")]


def bring_up_to_date(page: Path, *, check: bool) -> bool:
    """Fill a page's parts; return whether it was out of date."""
    old = page.read_text(encoding="utf-8")
    new = filled(old, page)
    if old == new:
        return False
    if check:
        name = str(page.relative_to(ROOT))
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, "generated"))
    else:
        page.write_text(new, encoding="utf-8")
    return True


def filled(text: str, page: Path) -> str:
    """Return a page's text with its generated parts made anew."""

    def made(match: re.Match[str]) -> str:
        name, words = match["name"], match["words"].split()
        if name not in PARTS:
            sys.exit(f"{page}: there is no generated part {name!r}; there are {', '.join(PARTS)}")
        body = PARTS[name](page, *words)
        return f"<!-- {' '.join([name, *words])} -->\n\n{body.strip()}\n\n<!-- /{name} -->"

    return REGION.sub(made, text)


# What was measured


def measured(page: Path) -> str:
    """Return the table of the orders job, from what `make bench` left."""
    results = ROOT / "docs" / "benchmarks" / "results.json"
    if not results.exists():
        return "Nothing was measured on this checkout yet: `make bench` does it."
    told = json.loads(results.read_bytes())
    orders = told["experiments"].get("orders")
    if orders is None:
        return "The orders job was not measured on this checkout yet: `make bench` does it."
    chart = orders["charts"][0]
    rows = [
        (label, *(f"{value:.1f} s" if value is not None else "-" for value in values))
        for label, values in chart["groups"]
    ]
    ratios = [(target["what"], f"{target['measured']:.2f}", wanted(target)) for target in orders["targets"]]
    link = "benchmarks/index.md" if page.parent.name == "docs" else "docs/benchmarks/index.md"
    machine = ", ".join(f"{name} {value}" for name, value in told["machine"].items())
    return "\n\n".join(
        [
            f"{orders['rows']:,} orders, whole processes, medians of {orders['runs']} interleaved runs:",
            grid((f"{orders['rows']:,} rows", *chart["series"]), rows),
            grid(("ratio", "measured", "wanted"), ratios),
            f"Measured on: {machine}. Every run's output was compared with the expected one before its time counted.",
            f"[All figures, charts and how they were made]({link}).",
        ]
    )


def wanted(target: dict[str, Any]) -> str:
    """Return a target's bound in words, and whether it was missed."""
    least, most, value = target["at_least"], target["at_most"], target["measured"]
    if least is not None:
        return f"at least {least}" + ("" if value >= least else ": missed")
    return "-" if most is None else f"at most {most}" + ("" if value <= most else ": missed")


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others stand to the right."""
    lines = [header, ("---", *("---:" for _ in header[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Errors and settings


def exit_codes(_page: Path) -> str:
    """Return the table of exit codes, from the error tree."""
    kinds = [kind for kind in errors.BY_NAME.values() if kind is not errors.RowmillError]
    told = [(kind.exit_code, f"`{kind.__name__}`", parsed(kind).prose) for kind in kinds]
    every = sorted([(0, "-", "It ended well."), *told, *UNEXPECTED])
    lines = [f"| {code} | {name} | {first_paragraph(about)} |" for code, name, about in every]
    return "\n".join(["| exit code | error | whose turn it is |", "| ---: | --- | --- |", *lines])


def all_settings(_page: Path) -> str:
    """Return the table of settings."""
    lines = [
        f"| `{name}` | `{settings.PREFIX}{name.upper()}` | {'-' if one.default is None else f'`{one.default}`'} "
        f"| {one.about} |"
        for name, one in settings.SETTINGS.items()
    ]
    return "\n".join(
        ["| in `rowmill.toml` | in the environment | default | what it is |", "| --- | --- | --- | --- |", *lines]
    )


# Docstrings


def parsed(thing: Any) -> Doc:
    """Take a docstring apart."""
    lines = inspect.cleandoc(inspect.getdoc(thing) or "").splitlines()
    prose: list[str] = []
    sections: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    for line in lines:
        if (found := SECTION.match(line)) is not None:
            current = sections.setdefault(found[1], [])
            if found[2]:
                current.append(("", found[2]))
        elif current is None or (line and not line.startswith(" ")):
            current = None
            prose.append(line)
        elif line.strip():
            add_line(current, line)
    return Doc("\n".join(prose).strip(), sections)


def add_line(entries: list[tuple[str, str]], line: str) -> None:
    """Add a section's line: a new entry, or more of the last one."""
    entry = ENTRY.match(line.strip()) if not line.startswith(" " * 8) else None
    if entry is not None:
        entries.append((entry[1], entry[2]))
    elif entries:
        name, text = entries[-1]
        entries[-1] = (name, f"{text} {line.strip()}".strip())
    else:
        entries.append(("", line.strip()))


def first_paragraph(text: str) -> str:
    """Return a text's first paragraph as one line."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def bullets(entries: Sequence[tuple[str, str]]) -> str:
    """Return names and texts as a list."""
    return "\n".join(f"- `{name}`: {text}" if name else f"- {text}" for name, text in entries)


def options(_page: Path, name: str) -> str:
    """Return a table of what a public class takes."""
    kind = getattr(rowmill, name)
    about = dict(parsed(kind).sections["Args"])
    lines = [
        f"| `{parameter}` | {f'`{default}`' if default else 'must be given'} | {about[parameter]} |"
        for parameter, _, default, _ in parameters(kind)
    ]
    return "\n".join([f"| `{name}(…)` | default | what it is |", "| --- | --- | --- |", *lines])


def fields(_page: Path, where: str) -> str:
    """Return a list of an object's fields, from the class that reads and writes it."""
    home, _, name = where.rpartition(".")
    kind = getattr(importlib.import_module(home), name)
    told = described_fields(kind)
    rows = [f"| `{field}` | `{annotation(kind, field)}` | {told.get(field, '')} |" for field in kind.__struct_fields__]
    return "\n".join(
        [first_paragraph(parsed(kind).prose), "", "| field | type | what it is |", "| --- | --- | --- |", *rows]
    )


def construct_parameters(_page: Path, *kinds: str) -> str:
    """Return a table of what constructs take, from the properties that are checked."""
    lines = [row for kind in kinds for row in _construct_rows(getattr(props, kind))]
    return "\n".join(["| parameter | type | default | what it is |", "| --- | --- | --- | --- |", *lines])


def _construct_rows(kind: Any) -> Iterator[str]:
    told = described_fields(kind)
    for field in dataclasses.fields(kind):
        if field.name in told:
            given = str(field.type).replace(" | None", "").replace("|", "or")
            yield f"| `{field.name}` | `{given}` | `{field.default!r}` | {told[field.name]} |"


def described_fields(kind: Any) -> dict[str, str]:
    """Return what a class says of its fields; one line may speak of two of them."""
    entries = parsed(kind).sections.get("Attributes", [])
    return {name.strip(): text for names, text in entries for name in names.split(",")}


def annotation(kind: Any, field: str) -> str:
    """Return a field's type as the code has it."""
    return str(inspect.get_annotations(kind).get(field, "")).replace(" | None", " or null")


def parameters(thing: Any) -> list[Parameter]:
    """Return what a class or function takes; a struct is asked without resolving its types."""
    hints = {**inspect.get_annotations(thing), **inspect.get_annotations(getattr(thing, "__init__", thing))}
    if inspect.isclass(thing) and issubclass(thing, msgspec.Struct):
        names, defaults = thing.__struct_fields__, thing.__struct_defaults__
        padded = (*[msgspec.NODEFAULT] * (len(names) - len(defaults)), *defaults)
        positional = getattr(thing, "__match_args__", ())
        return [
            Parameter(name, str(hints.get(name, "")), shown(default), name not in positional)
            for name, default in zip(names, padded, strict=True)
        ]
    return [
        Parameter(name, str(hints.get(name, "")), shown(one.default), one.kind is one.KEYWORD_ONLY)
        for name, one in inspect.signature(thing).parameters.items()
    ]


def shown(default: Any) -> str:
    """Return a default as it is written, empty if there is none."""
    if default in (inspect.Parameter.empty, msgspec.NODEFAULT):
        return ""
    if inspect.isfunction(default):
        return "…"
    return repr(default.factory()) if hasattr(default, "factory") else repr(default)


def signature(name: str, thing: Any) -> str:
    """Return a call as it is written, one parameter a line where there are many."""
    words: list[str] = []
    for key, hint, default, keyword_only in parameters(thing):
        words += ["*"] if keyword_only and "*" not in words else []
        words.append(key + (f": {hint}" if hint else "") + (f" = {default}" if default else ""))
    short = f"{name}({', '.join(words)})"
    return short if len(short) < LINE else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + ")"


# Python


def python(_page: Path) -> str:
    """Return the reference of all that `import rowmill` offers, and of what it returns."""
    names = [name for name in rowmill.__all__ if not name.startswith("__")]
    returned = (rowmill_report(), Counts, Status, *module_of("manifest", "Manifest", "Partition"))
    returned += (*module_of("verification", "Verification", "Check"),)
    functions = [name for name in names if inspect.isfunction(getattr(rowmill, name))]
    kinds = [name for name in names if not inspect.isfunction(getattr(rowmill, name))]
    faults = [name for name in kinds if issubclass(getattr(rowmill, name), errors.RowmillError)]
    return "\n\n".join(
        [
            "## Functions",
            *(entry(name) for name in functions),
            "## What a job is made of",
            *(entry(name) for name in kinds if name not in faults),
            "## Errors",
            *(entry(name) for name in faults),
            "## What functions return",
            *(f"### {kind.__name__}\n\n{as_text(parsed(kind))}" for kind in returned),
        ]
    )


def rowmill_report() -> Any:
    """Return the class of a run's report."""
    return module_of("report", "Report")[0]


def module_of(module: str, *names: str) -> tuple[Any, ...]:
    """Return classes of a module of the model."""
    home = importlib.import_module(f"rowmill.model.{module}")
    return tuple(getattr(home, name) for name in names)


def entry(name: str) -> str:
    """Return the reference of one public name."""
    thing = getattr(rowmill, name)
    parts = [f"### {name}", f"```text\n{signature(name, thing)}\n```", as_text(parsed(thing))]
    if inspect.isclass(thing) and not issubclass(thing, msgspec.Struct):
        for attribute, value in vars(thing).items():
            if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                parts.append(member(attribute, value))
    return "\n\n".join(parts)


def member(name: str, value: Any) -> str:
    """Return the reference of a method or property."""
    doc = parsed(value)
    call = "" if isinstance(value, property) else "()"
    return f"**`.{name}{call}`** {as_text(doc)}"


def as_text(doc: Doc) -> str:
    """Return a docstring as Markdown."""
    parts = [doc.prose]
    for name, entries in doc.sections.items():
        parts.append(f"{name}:\n\n{bullets(entries)}")
    return "\n\n".join(part for part in parts if part)


# Command line


def command_line(_page: Path) -> str:
    """Return the reference of all commands."""
    top = click.Context(commands, info_name="rowmill", **commands.context_settings)
    return "\n\n".join(part for context in walk(top) for part in command_entry(context))


def walk(context: click.Context) -> Iterator[click.Context]:
    """Give a command and all below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            found = context.command.get_command(context, name)
            if found is not None:
                yield from walk(click.Context(found, parent=context, info_name=name))


def command_entry(context: click.Context) -> Iterator[str]:
    """Give heading, example, text and options of a command."""
    command = context.command
    example, _, about = inspect.cleandoc(command.help or "").removeprefix("\b\n").partition("\n\n")
    yield f"## {context.command_path}"
    yield f"```text\n{example}\n```"
    yield about
    yield f"Usage: `{' '.join([context.command_path, *command.collect_usage_pieces(context)])}`"
    told = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    yield bullets([(left, " ".join(right.split())) for left, right in told if right])


PARTS: dict[str, Callable[..., str]] = {
    "measured": measured,
    "exit-codes": exit_codes,
    "settings": all_settings,
    "setting-fields": kubernetes_fields.setting_fields,
    "failure-policy": kubernetes_fields.failure_policy,
    "rights": kubernetes_fields.rights_table,
    "construct-parameters": construct_parameters,
    "devcloud-types": devcloud_types.devcloud_types,
    "options": options,
    "fields": fields,
    "python": python,
    "command-line": command_line,
}

if __name__ == "__main__":
    main()
