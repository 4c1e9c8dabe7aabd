"""`rowmill scale`: change how many workers or pods a run has at once."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill scale RUN --workers 8",
    "Change how many workers a run has at once, or pods in a cluster. Workers that are too many end after their "
    "partition, pods at a chunk border. A run that a live command holds is found by its workspace. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs.",
)
@declared.run_or_name
@click.option("--workers", type=click.IntRange(min=1), required=True, metavar="N", help="How many at once.")
@declared.workspace
@declared.namespace
@declared.kube_context
def scale(run_id: str, *, workers: int, workspace: str | None, namespace: str | None, kube_context: str | None) -> None:
    """Tell what is changed."""
    from rowmill import api

    names = api.control(
        "scale", run_id, workers=workers, workspace=workspace, namespace=namespace, kube_context=kube_context
    )
    telling.answer("\n".join(f"{name} has {workers} at once" for name in names))
