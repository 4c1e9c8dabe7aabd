"""What is said and where: answers on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

import click

from rowmill.cli.layout import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.errors import RowmillError


def answer(text: str) -> None:
    """Write what was asked for."""
    click.echo(text)


def answer_json(value: Any) -> None:
    """Write what was asked for as one JSON object; it says its schema."""
    from rowmill.model import codec

    click.echo(codec.encode(value), nl=False)


def failure(error: RowmillError) -> None:
    """Tell what went wrong, where, and what to do next."""
    _say(f"{_red('error:')} {printable(problem(error.as_dict()))}")
    if error.hint:
        _say(f"  next: {printable(error.hint)}")
    run = [
        f"{name.removesuffix('_id')} {error.context[name]}" for name in ("run_id", "partition") if name in error.context
    ]
    if run:
        _say(f"  in:   {printable(', '.join(run))}")


def problem(error: dict[str, str | int]) -> str:
    """Return what went wrong, and where, of an error as it is kept."""
    place = _place(error)
    return f"{place}: {error['message']}" if place else str(error["message"])


def _place(context: dict[str, str | int]) -> str:
    """Return the row's place as people count: lines and rows from 1."""
    places = []
    if "line_no" in context:
        places.append(f"line {context['line_no']}")
    if "ordinal" in context:
        places.append(f"row {int(context['ordinal']) + 1}")
    return ", ".join(places)


def note(text: str) -> None:
    """Tell what is worth knowing of work that went well."""
    _say(f"note: {text}")


def stopped(by: str) -> None:
    """Tell that a signal ended the work, and that nothing is lost."""
    _say(f"stopped by {by}; nothing is lost: the same command goes on where this one stopped")


def bug(error: BaseException, *, traceback_too: bool) -> None:
    """Tell an error that nobody foresaw; its text may show a row, and is shown only to who asks for it."""
    import traceback

    if traceback_too:
        _say("".join(traceback.format_exception(error)).rstrip())
    _say(f"{_red('error:')} {bug_text(error)}: this is a bug")
    _say("  next: the same command may go on; report it with what the same command says under -v")


def bug_text(error: BaseException) -> str:
    """Return an unexpected error's kind and place, without its own text."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""  # noqa: PTH119
    return f"unexpected {type(error).__name__}{where}"


def _say(text: str) -> None:
    with suppress(OSError):  # where nobody reads it, the exit code still tells
        click.echo(text, err=True, color=has_colour(sys.stderr))


def _red(text: str) -> str:
    return click.style(text, fg="red", bold=True)


def has_colour(stream: IO[str]) -> bool:
    """Whether a stream takes colour: NO_COLOR and FORCE_COLOR decide, then what it is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_screen(stream)


def is_screen(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that can draw."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def users_code() -> Iterator[None]:
    """Let what the user's code prints, and the programs that it starts, go to standard error: it is no data.

    Raises:
        ProcessingError: The user's code ended the process.
    """
    from rowmill.errors import ProcessingError

    sys.stdout.flush()
    data = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    except SystemExit as error:
        raise ProcessingError(
            f"the job's code called exit({error.code!r})", hint="raise an exception, Reject or return Skip instead"
        ) from None
    finally:
        try:
            sys.stdout.flush()
        finally:
            os.dup2(data, 1)
            os.close(data)
