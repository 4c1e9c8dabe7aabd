"""`rowmill resume`: let a run that was paused go on."""

from __future__ import annotations

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill resume RUN",
    "Let a run that was paused go on. RUN is the run's id, NAME that of one of its KubernetesJobs.",
)
@declared.run_or_name
@declared.workspace
@declared.namespace
@declared.kube_context
def resume(run_id: str, *, workspace: str | None, namespace: str | None, kube_context: str | None) -> None:
    """Tell what is resumed."""
    from rowmill import api

    names = api.control("resume", run_id, workspace=workspace, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"resumed {name}" for name in names))
