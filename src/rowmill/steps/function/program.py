"""A program of the user's in place of a function: run once on a partition's rows, before their outcomes are taken."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowmill.errors import ProcessingError, TransientError
from rowmill.steps.reading import Chunk, chunks, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.formats import Format
    from rowmill.job import Exec
    from rowmill.steps.function.calling import Batch

TRY_AGAIN = 75


@contextmanager
def outcomes_of(
    program: Exec,
    writes: Format,
    reads: Format,
    columns: tuple[str, ...] | None,
    read: Callable[[], Iterator[Chunk]],
) -> Iterator[Callable[[Batch], list[Any]]]:
    """Run the program on the partition's rows that read well; give what returns a batch's outcomes, in order.

    Raises:
        ProcessingError: It failed, or wrote more or fewer lines than there are rows.
        TransientError: It asked to be tried again, by exit 75.
    """
    with tempfile.TemporaryDirectory(prefix="rowmill-") as folder:
        given, made = Path(folder) / "input", Path(folder) / "output"
        rows = _write_rows(given, reads, columns, read)
        _execute(program, given, made)
        if not made.is_file():
            raise ProcessingError("the program wrote no {output}", hint="let it write one line per row")
        with made.open("rb") as file:
            results = _results(writes, file.fileno(), made.stat().st_size)
            taken = 0

            def next_outcomes(batch: Batch) -> list[Any]:
                nonlocal taken
                outcomes = list(islice(results, len(batch.rows)))
                taken += len(outcomes)
                _same_count(taken if len(outcomes) < len(batch.rows) else rows, rows)
                return outcomes

            yield next_outcomes
            _same_count(taken + sum(1 for _ in results), rows)


def _same_count(lines: int, rows: int) -> None:
    if lines != rows:
        raise ProcessingError(
            f"the program wrote {lines:,} lines for {rows:,} rows", hint="line k of its output is the result of row k"
        )


def _write_rows(path: Path, reads: Format, columns: tuple[str, ...] | None, read: Callable[[], Iterator[Chunk]]) -> int:
    rows = 0
    with path.open("wb") as file:
        for chunk in read():
            if chunk.oversized:
                continue
            decoded = reads.decode(chunk.data, columns)
            for index, place in enumerate(places(reads, chunk)):
                if index not in decoded.malformed:
                    file.write(place.raw if place.raw.endswith(b"\n") else place.raw + b"\n")
                    rows += 1
    return rows


def _execute(program: Exec, given: Path, made: Path) -> None:
    words = [word.replace("{input}", str(given)).replace("{output}", str(made)) for word in program.command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None, check=False)
    except OSError as error:
        raise ProcessingError(f"{words[0]} cannot be started: {error.strerror}", hint="check Exec's command") from None
    if done.returncode == TRY_AGAIN:
        raise TransientError(f"{words[0]} asked to be tried again (exit 75)", hint="give the same command again later")
    if done.returncode:
        raise ProcessingError(f"{words[0]} ended with exit {done.returncode}", hint="its own words stand above")


class _Opened:
    """A local file as the readers of chunks take it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        return os.pread(self._descriptor, end - start, start)


def _results(writes: Format, descriptor: int, size: int) -> Iterator[Any]:
    """Read the program's output in the format that the job writes, without header."""
    columns = writes.columns_of(None)
    for chunk in chunks(writes, _Opened(descriptor), 0, size, first_line=1):
        decoded = writes.decode(chunk.data, columns)
        if decoded.malformed or chunk.oversized:
            index = min(decoded.malformed, default=0)
            line = places(writes, chunk)[index].line
            raise ProcessingError(f"line {line} of the program's output does not read: {decoded.malformed.get(index)}")
        yield from decoded.rows
