"""Metrics in a file, for node_exporter's textfile collector; it is replaced whole."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rowmill.errors import RowmillError, Stopped
from rowmill.storage import open_storage, place_of
from rowmill.tracker import View
from rowmill.web import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EVERY_S, OF_A_RUN_S = 15.0, 5.0
INTERRUPTED, UNEXPECTED = 130, 1


def write(file: str, text: str) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    folder, name = place_of(str(Path(file).expanduser().absolute()))
    open_storage(folder).put(name, text.encode())


def keep(file: str, text: Callable[[], str]) -> None:
    """Write the file again and again, from now on, as long as the process lives.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    write(file, text())

    def again() -> None:
        while True:
            time.sleep(EVERY_S)
            with suppress(RowmillError):  # a store that is away comes back
                write(file, text())

    threading.Thread(target=again, daemon=True, name="metrics").start()


@contextmanager
def of_a_run(file: str, labels: Mapping[str, str]) -> Iterator[Callable[[View], None]]:
    """Give what `api.run` calls with each view, and write at the end how the run ended.

    Args:
        file: Where it goes.
        labels: What tells the run from others.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    last, written = View("split"), time.monotonic()
    write(file, metrics.of_view(last, labels, None))

    def watch(view: View) -> None:
        nonlocal last, written
        last = view
        if time.monotonic() - written > OF_A_RUN_S:
            written = time.monotonic()
            with suppress(RowmillError):  # the run itself tells of a full disk
                write(file, metrics.of_view(view, labels, None))

    code = 0
    try:
        yield watch
    except BaseException as error:
        code = exit_code_of(error)
        raise
    finally:
        with suppress(RowmillError):
            write(file, metrics.of_view(last, labels, code))


def exit_code_of(error: BaseException) -> int:
    """Return the exit code with which an error ends the command."""
    if isinstance(error, RowmillError | Stopped):
        return error.exit_code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else UNEXPECTED
