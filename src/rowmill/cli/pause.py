"""`rowmill pause`: let a run wait."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill pause RUN",
    "Let a run wait: its workers stand still at a chunk border before it is resumed. In a cluster its pods end, and "
    "none begins. A run that a live command holds is found by its workspace. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs.",
)
@declared.run_or_name
@declared.workspace
@declared.namespace
@declared.kube_context
def pause(run_id: str, *, workspace: str | None, namespace: str | None, kube_context: str | None) -> None:
    """Tell what is paused."""
    from rowmill import api

    names = api.control("pause", run_id, workspace=workspace, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"paused {name}" for name in names))
