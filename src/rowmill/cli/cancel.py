"""`rowmill cancel`: stop a run that is under way in a cluster."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill cancel RUN --namespace orders",
    "Stop a run that is under way in a cluster: its KubernetesJobs are deleted."
    " Partitions with a receipt stay done; the command of the run goes on from there.",
)
@declared.run_id
@declared.namespace
@declared.kube_context
def cancel(run_id: str, *, namespace: str | None, kube_context: str | None) -> None:
    """Tell which KubernetesJobs are stopped."""
    from rowmill import api

    names = api.control("cancel", run_id, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"stopped {name}" for name in names))
