"""The command line: one file per command, imported when it is asked for; exit codes say whose turn it is."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from rowmill.cli import ending, telling
from rowmill.cli.declaring import Manner
from rowmill.cli.group import rowmill
from rowmill.errors import ConfigurationError, RowmillError, Stopped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

COMPLETING = "_ROWMILL_COMPLETE"  # set by the scripts of `rowmill completion`
STOP_S = 4.0  # in a pod, from SIGTERM to the end
UNEXPECTED, INTERRUPTED, PIPE_CLOSED = 1, 128 + signal.SIGINT, 128 + signal.SIGPIPE


def main() -> None:
    """Do what the command line asks for, and end the process."""
    heed_signals()
    code = outcome(sys.argv[1:])
    if code == PIPE_CLOSED:
        os._exit(code)  # the interpreter would complain that it cannot write out what nobody reads
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
        telling.stopped("Ctrl-C")
        code = INTERRUPTED
    except Stopped as stop:
        telling.stopped("SIGTERM")
        code = stop.exit_code
        ending.stopped(code)
    except Exception as error:  # noqa: BLE001 - the last place where it can be told in plain words
        telling.bug(error, traceback_too=manner.verbose)
        ending.error(RowmillError(telling.bug_text(error), hint="this is a bug: report it"))
        code = UNEXPECTED
    return code


def heed_signals() -> None:
    """Make the first Ctrl-C or SIGTERM a clean stop, and the second one the end at once."""

    def at_once(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    def cleanly(number: int, _frame: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, at_once)
        if ending.in_pod():  # a function that goes on all the same does not use up the grace period
            last = threading.Timer(STOP_S, os._exit, (128 + number,))
            last.daemon = True
            last.start()
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)

    # A signal that whoever started us has switched off stays off: nohup, background jobs of a script.
    heeded = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
    for each in heeded:
        signal.signal(each, cleanly)
