"""`rowmill watch`: run a job on each file that is dropped into a folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling
from rowmill.cli.layout import printable

if TYPE_CHECKING:
    from rowmill.runners.watching import Dropped


@declared.command(
    "rowmill watch incoming --job orders.py",
    "Run a job on each file that is dropped into a folder: once, when the file is complete. It then goes to the done "
    "folder, or to the failed folder with the failure beside it. A file that is held, or whose places are busy, stays "
    "and is tried again each minute. After a crash the same command goes on, and each file is done once. "
    "SIGTERM and Ctrl-C end it within a second; the file that was under way goes on when it is started again.",
)
@click.argument("folder")
@click.option("--job", required=True, metavar="JOB", help="path/to/file.py[:name] or package.module[:name].")
@click.option("--output-dir", metavar="FOLDER", help="Where outputs go.  [default: FOLDER/output]")
@click.option("--done-dir", metavar="FOLDER", help="Where files go that were done.  [default: FOLDER/done]")
@click.option("--failed-dir", metavar="FOLDER", help="Where files go whose run failed.  [default: FOLDER/failed]")
@click.option("--pattern", default="*.csv", show_default=True, metavar="GLOB", help="Which names are files to run.")
@click.option(
    "--settle",
    "settle_s",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a file must stand still to be complete; 0 if files are renamed into place.",
)
@click.option("--marker", default="", metavar="SUFFIX", help="A file is complete when FILE+SUFFIX is there, as .done.")
@click.option("--once", is_flag=True, help="Try each file that is there, and end with the first failure's exit code.")
@declared.table
@declared.workspace
@declared.workers
@declared.rows_per_partition
@declared.params
@declared.rejects
@declared.create_table
@declared.write_rate
@declared.tracker
@declared.overwrite
@declared.notify
@declared.as_json
def watch(folder: str, *, job: str, once: bool, as_json: bool, **chosen: Any) -> None:
    """Watch until a signal comes, or once; tell each file's end in a line."""
    from rowmill import api

    def tell(end: Dropped) -> None:
        if as_json:
            from rowmill.model import codec

            click.echo(codec.encode_line(end), nl=False)
        else:
            telling.answer(_text(end))
        sys.stdout.flush()

    ends = api.watch(folder, job, once=once, tell=tell, note=telling.note, **chosen)
    codes = [int(end.error["exit_code"]) for end in ends if end.error is not None]
    if codes:
        sys.exit(codes[0])


def _text(end: Dropped) -> str:
    where = f" -> {end.moved_to}" if end.moved_to else ""
    if end.report is not None:
        counts = end.report.counts
        rows = f"{counts.written:,} of {counts.read:,} rows written to {end.report.output.url}, run {end.report.run_id}"
        return printable(f"{end.state}  {end.file}{where}: {rows}")
    problem = telling.problem(end.error) if end.error else ""
    hint = f" (next: {end.error['hint']})" if end.error and end.error.get("hint") else ""
    return printable(f"{end.state}  {end.file}{where}: {problem}{hint}")
