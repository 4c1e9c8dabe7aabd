"""`rowmill cancel`: stop a run that is under way."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill cancel RUN",
    "Stop a run that is under way: a command of this workspace ends at a chunk border with exit code 5; "
    "in a cluster the KubernetesJobs are deleted, and pods end at a chunk border. "
    "The workspace stays as it is, and what tables have taken: the command of the run does what has no receipt, and "
    "with --fresh everything anew. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs, known before the run's id is.",
)
@declared.run_or_name
@declared.workspace
@declared.namespace
@declared.kube_context
def cancel(run_id: str, *, workspace: str | None, namespace: str | None, kube_context: str | None) -> None:
    """Tell what is stopped."""
    from rowmill import api

    names = api.control("cancel", run_id, workspace=workspace, namespace=namespace, kube_context=kube_context)
    kept = "what has a receipt stays done; the command of the run goes on from there, with --fresh anew"
    telling.answer("\n".join([*(f"stopped {name}" for name in names), kept]))
