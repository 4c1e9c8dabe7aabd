"""`rowmill cancel`: stop a run that is under way, or a state machine's execution."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill cancel RUN",
    "Stop a run that is under way: a command of this workspace ends at a chunk border with exit code 5; "
    "in a cluster the KubernetesJobs are deleted, and pods end at a chunk border. "
    "The workspace stays as it is, and what tables have taken: the command of the run does what has no receipt, and "
    "with --fresh everything anew. "
    "Of a state machine, given by the run's id or its execution's ARN, the execution is stopped. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs, known before the run's id is.",
)
@declared.run_or_name
@declared.workspace
@declared.namespace
@declared.kube_context
def cancel(run_id: str, *, workspace: str | None, namespace: str | None, kube_context: str | None) -> None:
    """Tell what is stopped."""
    from rowmill import api

    execution = run_id if run_id.startswith("arn:") else api.execution_under_way(run_id, workspace=workspace)
    if execution is not None:
        telling.answer(_stopped(execution))
        return
    names = api.control("cancel", run_id, workspace=workspace, namespace=namespace, kube_context=kube_context)
    kept = "what has a receipt stays done; the command of the run goes on from there, with --fresh anew"
    telling.answer("\n".join([*(f"stopped {name}" for name in names), kept]))


def _stopped(execution: str) -> str:
    from rowmill import api

    stopped = api.stop_execution(execution)
    run = stopped.run_id or "RUN"
    where = f" --namespace {stopped.namespace}" if stopped.namespace else ""
    return (
        f"stopped {stopped.arn}\n"
        "no KubernetesJob begins any more; one that is under way goes on until it ends, and what it does counts: "
        f"`rowmill cancel {run}{where}` stops it too\n"
        "what has a receipt stays done; the command of the run, with --on stepfunctions, goes on from there"
    )
