"""A first job as Python's text, from what was guessed of its input; pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowmill.formats import Format
    from rowmill.formats.guessing import Guess, Look

PAGE = '''\
"""What is done with each row of {file}: rowmill run {job} {file}

{guesses}
"""

from rowmill import {imports}

job = Job(
    {name},
    reads={reads},
{table})

{columns}@job.process
def each(row: {kind}, ctx) -> {kind}:
    """Return what is to be kept of a row; ctx.stable_id() is the same id on every retry."""
    return {result}
'''
KEY = """\
    # If the key is a wrong guess, two rows have the same one: the run then ends, and no row is lost.
    table=Table({name}, key={key}, on_duplicate="fail"),
"""
NO_KEY = """\
    # No column was seen to tell rows apart. Without a key every row is kept.
    table=Table({name}),
"""
PER_LINE = 4


def job_text(url: str, job: str, found: Look, size: int) -> str:
    """Return a job that runs.

    Args:
        url: The input's.
        job: The name of the job's file.
        found: What was guessed.
        size: Bytes that the guesses stand on.
    """
    file = PurePosixPath(url).name
    name = _literal(file.partition(".")[0] or "rows")
    named = found.columns is not None
    table = (KEY if found.key else NO_KEY).format(name=name, key=_literal(found.key)) if named else ""
    guesses = "\n".join(
        [f"Guessed from {size:,} bytes of it; what is wrong is yours to correct:", *map(_line, told(found))]
    )
    return PAGE.format(
        file=_quiet(file),
        job=_quiet(job),
        guesses=guesses,
        imports=", ".join(sorted([type(found.reads).__name__, "Job", *(["Table"] if named else [])])),
        name=name,
        reads=declared(found.reads),
        table=table,
        columns=_columns(found),
        kind="dict" if named else "str",
        result='row | {"ConfirmationId": ctx.stable_id()}' if named else 'f"{row}\\t{ctx.stable_id()}"',
    )


def told(found: Look) -> list[Guess]:
    """Return the guesses that say something."""
    return [one for one in found.guesses if one.because]


def declared(reads: Format) -> str:
    """Return a format as Python writes it, without what is so by default."""
    plain = type(reads)()
    both = ((name, getattr(reads, name), getattr(plain, name)) for name in plain.__struct_fields__)  # type: ignore[attr-defined]
    given = {name: value for name, value, default in both if value != default}
    words = ", ".join(f"{name}={_literal(value)}" for name, value in given.items())
    return f"{type(reads).__name__}({words})"


def shown(value: str) -> str:
    """Return a guess's value so that it can be seen."""
    return {"": "none", "\t": "tab", " ": "blank"}.get(value, value)


def _line(guess: Guess) -> str:
    return f"  {guess.what:<10} {_quiet(shown(guess.value)):<12} {guess.sure}: {_quiet(guess.because)}"


def _columns(found: Look) -> str:
    """Return the columns and their kinds as a comment."""
    if found.columns is None:
        return ""
    words = [_quiet(f"{column.name} ({column.kind})") for column in found.columns]
    lines = [", ".join(words[at : at + PER_LINE]) for at in range(0, len(words), PER_LINE)]
    return "# Columns: " + ",\n#   ".join(lines) + "\n"


def _literal(value: Any) -> str:
    """Return a value as Python's formatter would write it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    if not isinstance(value, str):
        return repr(value)
    text = repr(value)
    return text if '"' in value or text.startswith('"') else f'"{text[1:-1]}"'


def _quiet(text: str) -> str:
    """Return text that cannot end the docstring or the comment that it stands in."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace('"""', "'''").rstrip('"')
