"""`rowmill run`: split, process and merge in one go."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import ending, layout, planning, progress, telling

if TYPE_CHECKING:
    from rowmill.model.report import Report


@declared.command(
    "rowmill run orders.py sales.csv",
    "Run a job on a file: every row, once, in order; go on where an earlier try stopped.\n\n"
    "JOB is path/to/file.py[:name] or package.module[:name]; the name is 'job' if none is given. "
    "INPUT is a path or URL; - reads standard input and needs --output.",
)
@declared.job
@declared.input_
@declared.request_options
@declared.on
@declared.state_machine
@click.option("--sequential", is_flag=True, help="Inline, in one partition, into INPUT_Single_Output.")
@click.option("--dry-run", is_flag=True, help="Show the plan, and write nothing.")
@declared.kubernetes_options
@click.option("--detach", is_flag=True, help="Let the cluster or the state machine carry the run out, and come back.")
@declared.execution
@declared.notify
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option("--metrics-file", default="", metavar="FILE", help="Keep the run's metrics in a file, for node_exporter.")
@declared.as_json
@click.pass_obj
def run(
    manner: declared.Manner,
    /,
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    no_progress: bool,
    metrics_file: str,
    sequential: bool,
    dry_run: bool,
    detach: bool,
    execution: str,
    notify: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Take the options, and tell how the run ended."""
    declared.refuse_keep_and_fresh(chosen)
    if sequential:
        chosen = sequentially(input, chosen)
    if dry_run:
        planning.show(job, input, chosen, sample=False, as_json=as_json)
        return
    if detach:
        if notify:
            raise click.UsageError("--notify tells when this command ends: leave out --detach")
        detached(job, input, chosen)
        return
    from rowmill import api
    from rowmill.model.ended import Ended

    if execution and is_duplicate(job, input, execution, chosen):
        return
    with (
        telling.users_code(),
        progress.shown(wanted=not (manner.quiet or no_progress)) as shown,
        progress.with_metrics(shown, metrics_file, {"job": job, "input": input}) as watch,
    ):
        do = partial(api.run, job, input, **chosen, watch=watch, tell=telling.note)
        report = api.told(notify, job, input, do, telling.note, workspace=chosen["workspace"])
    if isinstance(report, Ended):  # of an execution: its own pods have told it
        telling.answer_json(report) if as_json else telling.answer(layout.ended_text(report))
        return
    ending.step("run", **ending.facts_of(report))
    if as_json:
        telling.answer_json(report)
    else:
        telling.answer(text_of(report))


def is_duplicate(job: str, given: str, execution: str, chosen: dict[str, Any]) -> bool:
    """Begin a run for an execution, anew where that is wanted; return whether another execution has it."""
    from rowmill import api
    from rowmill.runners.sharing import Duplicate

    with telling.users_code():
        begun = api.split(job, given, **chosen, execution=execution, tell=telling.note)
    if isinstance(begun, Duplicate):
        ending.duplicate("run", *begun)
        telling.answer(f"run {begun.run_id} has another execution: {begun.of or 'it has ended well'}")
        return True
    chosen["fresh"] = False
    return False


def detached(job: str, given: str, chosen: dict[str, Any]) -> None:
    """Start what carries a run out without this process, and tell how it is followed."""
    from rowmill import api

    if chosen["on"] == "stepfunctions":
        telling.answer(
            f"{api.execute(job, given, **chosen)} carries the run out\n"
            "the same command without --detach attaches to it, and tells how it ended"
        )
        return
    if chosen["on"] != "kubernetes":
        raise click.UsageError("--detach is for --on kubernetes or stepfunctions: nothing here goes on without you")
    with telling.users_code():
        name = api.detach(job, given, **chosen)
    telling.answer(
        f"KubernetesJob {name} carries the run out; follow it: kubectl logs -f job/{name}\n"
        f"stop it, at any step: rowmill cancel {name}\n"
        "the same command without --detach attaches to it, and tells how it ended"
    )


def text_of(report: Report) -> str:
    """Return how a run ended, in words."""
    return layout.repeated_text(report) if report.status == "repeated" else layout.report_text(report)


def sequentially(given: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the single-threaded mode."""
    for name in ("workers", "on", "rows_per_partition"):
        if chosen[name] is not None:
            raise click.UsageError(f"--sequential is inline and one partition: leave out --{name.replace('_', '-')}")
    if given != "-" and chosen["output"] is None:
        chosen = {**chosen, "output": f"{given}_Single_Output"}
    from rowmill.model.policy import WHOLE_ROWS

    return {**chosen, "workers": 1, "on": "inline", "rows_per_partition": str(WHOLE_ROWS)}
