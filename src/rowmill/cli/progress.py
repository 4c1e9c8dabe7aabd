"""How far a run is: a bar on a terminal, else one JSON line every few seconds; on standard error, both."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from rowmill.cli.layout import duration
from rowmill.cli.telling import has_colour, is_screen, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rowmill.tracker import View

LINE_S = 5.0
BAR_AFTER_S = 0.5  # a run that is over by then needs no bar, and does not pay for one


@contextmanager
def shown(*, wanted: bool) -> Iterator[Callable[[View], None] | None]:
    """Give what `api.run` calls with each view; None if nothing is to be shown."""
    if not wanted:
        yield None
    elif is_screen(sys.stderr) and not os.environ.get("CI"):
        with told_at_the_end() as last, bar(sys.stderr, after_s=BAR_AFTER_S) as watch:
            yield both(last, watch)
    else:
        with told_at_the_end() as last:
            yield both(last, lines(sys.stderr, every_s=LINE_S))


def both(first: Callable[[View], None], second: Callable[[View], None]) -> Callable[[View], None]:
    """Return a watcher that shows each view to two."""

    def watch(view: View) -> None:
        first(view)
        second(view)

    return watch


@contextmanager
def with_metrics(
    watch: Callable[[View], None] | None, file: str, labels: Mapping[str, str]
) -> Iterator[Callable[[View], None] | None]:
    """Give a watcher that also keeps metrics in a file, if one is given."""
    if not file:
        yield watch
        return
    from rowmill.web import metrics_file

    with metrics_file.of_a_run(file, labels) as keep:
        yield keep if watch is None else both(watch, keep)


@contextmanager
def told_at_the_end() -> Iterator[Callable[[View], None]]:
    """Give a watcher; tell at the end of a run that ends well if nobody else could see its progress."""
    away = False

    def watch(view: View) -> None:
        nonlocal away
        away = view.away

    yield watch
    if away:
        note("the tracker does not answer: nobody else saw this run's progress; its result is not affected")


def lines(out: IO[str], *, every_s: float) -> Callable[[View], None]:
    """Return a watcher that writes a JSON line every so many seconds, the first after as many."""
    last = time.monotonic()

    def watch(view: View) -> None:
        nonlocal last
        if time.monotonic() - last < every_s:
            return
        last = time.monotonic()
        import msgspec

        line = {"schema": "rowmill.progress/1", **msgspec.structs.asdict(view)}
        with suppress(OSError):  # where nobody reads it, the run goes on
            out.write(msgspec.json.encode(line).decode() + "\n")
            out.flush()

    return watch


@contextmanager
def bar(out: IO[str], *, after_s: float) -> Iterator[Callable[[View], None]]:
    """Give a watcher that draws a bar, and takes it away at the end."""
    begun = time.monotonic()
    draw: Callable[[View], None] | None = None
    with ExitStack() as opened:

        def watch(view: View) -> None:
            nonlocal draw
            if draw is None:
                if time.monotonic() - begun < after_s:
                    return
                draw = opened.enter_context(_drawing(out))
            draw(view)

        yield watch


@contextmanager
def _drawing(out: IO[str]) -> Iterator[Callable[[View], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=out, no_color=not has_colour(out))
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")]
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("split", total=None, told="")

        def draw(view: View) -> None:
            progress.update(
                task, description=view.step, total=view.rows or None, completed=view.rows_done, told=told(view)
            )
            progress.refresh()

        yield draw


def told(view: View) -> str:
    """Return a view in words."""
    if not view.rows:
        return "counting rows" if view.step == "split" else "rows are out of sight from here"
    parts = [
        f"{view.rows_done:,}/{view.rows:,} rows",
        f"{view.rows_per_second:,} rows/s",
        f"ETA {duration(view.eta_s)}" if view.eta_s is not None else "ETA -",
        f"{view.partitions_done:,}/{view.partitions:,} partitions",
        f"{view.rejected:,} rejects",
        *(["the tracker does not answer"] if view.away else []),
    ]
    return " · ".join(parts)
