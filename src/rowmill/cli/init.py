"""`rowmill init`: a first job, from a look at the file."""

from __future__ import annotations

import shlex

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill init sales.csv\nrowmill run job.py sales.csv",
    "Look at a file and write a job that runs on it. "
    "Says what was guessed, how sure that is, and what it stands on; no row is shown.",
)
@declared.input_
@click.option("--job-file", default="job.py", show_default=True, metavar="FILE", help="Where the job goes.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@declared.as_json
def init(
    input: str,  # noqa: A002 - the user's word
    *,
    job_file: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Guess, write, and tell."""
    from rowmill import api
    from rowmill.runners.job_text import shown, told

    made = api.init(input, job_file, overwrite=overwrite)
    guesses = told(made.look)
    if as_json:
        telling.answer_json(
            {
                "schema": "rowmill.init/1",
                "job": made.file,
                "looked_at_bytes": made.looked_at,
                "guesses": [one._asdict() for one in guesses],
                "columns": [column._asdict() for column in made.look.columns or ()],
            }
        )
        return
    rows = ((one.what, shown(one.value), one.sure, one.because) for one in guesses)
    telling.answer(
        f"{job_file} is written, from {layout.size(made.looked_at)} of {input}\n"
        f"{layout.columns(('guess', 'value', 'sure', 'because'), rows)}\n"
        f"next: {shlex.join(('rowmill', 'try', job_file, input))}"
    )
