"""`rowmill pause`: let a run in a cluster wait."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill pause RUN --namespace orders",
    "Let a run in a cluster wait: its pods end at a chunk border, and none begins before it is resumed. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs.",
)
@declared.run_or_name
@declared.namespace
@declared.kube_context
def pause(run_id: str, *, namespace: str | None, kube_context: str | None) -> None:
    """Tell which KubernetesJobs are paused."""
    from rowmill import api

    names = api.control("pause", run_id, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"paused {name}" for name in names))
