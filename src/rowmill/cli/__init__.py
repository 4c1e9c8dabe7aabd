"""The command line: one file per command, imported when it is asked for; exit codes say whose turn it is."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from rowmill.cli import ending, signals, telling
from rowmill.cli.declaring import Manner
from rowmill.cli.group import rowmill
from rowmill.errors import ConfigurationError, RowmillError, Stopped, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETING = "_ROWMILL_COMPLETE"  # set by the scripts of `rowmill completion`
UNEXPECTED, INTERRUPTED, PIPE_CLOSED = 1, 128 + signal.SIGINT, 128 + signal.SIGPIPE


def main() -> None:
    """Do what the command line asks for, and end the process."""
    signals.heed()
    code = outcome(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        os._exit(code)  # the interpreter would complain that it cannot write out what nobody reads or keeps
    sys.exit(code)


def outcome(arguments: Sequence[str]) -> int:
    """Do a command and return the exit code; what went wrong is told on standard error."""
    if COMPLETING in os.environ:
        rowmill.main(prog_name="rowmill", complete_var=COMPLETING)
    manner = Manner()
    try:
        with rowmill.make_context("rowmill", list(arguments), obj=manner) as context:
            rowmill.invoke(context)
        sys.stdout.flush()
        code = 0
    except BrokenPipeError:
        code = PIPE_CLOSED
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        error.show()
        ending.error(ConfigurationError(error.format_message(), hint="`rowmill COMMAND --help` shows how it is given"))
        code = error.exit_code
    except RowmillError as error:
        telling.failure(error)
        ending.error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        signals.tell(signal.SIGINT)
        code = INTERRUPTED
    except Stopped as stop:
        signals.tell(signal.SIGTERM)
        code = stop.exit_code
        ending.stopped(code)
    except Exception as error:  # noqa: BLE001 - the last place where it can be told in plain words
        code = _unforeseen(error, verbose=manner.verbose)
    return code


def _unforeseen(error: Exception, *, verbose: bool) -> int:
    """Tell of what no place has translated: a disk that is full, most often that of standard output, or a bug."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        full = TransientError(
            "a disk is full, perhaps the one that keeps standard output",
            hint="make room, and give the same command again: what is done is not done twice",
        )
        telling.failure(full)
        ending.error(full)
        return full.exit_code
    telling.bug(error, traceback_too=verbose)
    ending.error(RowmillError(telling.bug_text(error), hint="this is a bug: report it"))
    return UNEXPECTED
