"""`rowmill cancel`: stop a run that is under way in a cluster, or a state machine's execution."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill cancel RUN --namespace orders",
    "Stop a run that is under way in a cluster: its KubernetesJobs are deleted. "
    "RUN may be a run that a state machine has under way, or the ARN of its execution: "
    "that is stopped, and no KubernetesJob begins any more. "
    "Partitions with a receipt stay done; the command of the run goes on from there.",
)
@declared.run_id
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
    names = api.control("cancel", run_id, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"stopped {name}" for name in names))


def _stopped(execution: str) -> str:
    from rowmill import api

    stopped = api.stop_execution(execution)
    run = stopped.run_id or "RUN"
    where = f" --namespace {stopped.namespace}" if stopped.namespace else ""
    return (
        f"stopped {stopped.arn}\n"
        "no KubernetesJob begins any more; one that is under way goes on until it ends, and what it does counts: "
        f"`rowmill cancel {run}{where}` stops it too\n"
        "to go on: the command of the run, with --on stepfunctions; partitions with a receipt are not done again"
    )
