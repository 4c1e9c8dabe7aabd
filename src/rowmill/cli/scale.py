"""`rowmill scale`: change how many pods a run in a cluster has at once."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling


@declared.command(
    "rowmill scale RUN --workers 80 --namespace orders",
    "Change how many pods a run in a cluster has at once. Those that are too many end at a chunk border. "
    "RUN is the run's id, NAME that of one of its KubernetesJobs.",
)
@declared.run_or_name
@click.option("--workers", type=click.IntRange(min=1), required=True, metavar="N", help="Pods at once.")
@declared.namespace
@declared.kube_context
def scale(run_id: str, *, workers: int, namespace: str | None, kube_context: str | None) -> None:
    """Tell which KubernetesJobs are changed."""
    from rowmill import api

    names = api.control("scale", run_id, workers=workers, namespace=namespace, kube_context=kube_context)
    telling.answer("\n".join(f"{name} has {workers} pods at once" for name in names))
