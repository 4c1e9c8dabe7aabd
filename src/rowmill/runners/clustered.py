"""What the front door does with a cluster; nothing of Kubernetes is imported before it is needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rowmill import settings
from rowmill.runners.opening import workspace_at
from rowmill.runners.starting import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowmill.kubejobs import Shared
    from rowmill.model.manifest import Manifest
    from rowmill.runners.kubernetes.cluster import Cluster
    from rowmill.runners.pods import InPods


@contextmanager
def in_cluster(asked: Asked, *, keep_code: bool, overwrite: bool) -> Iterator[tuple[InPods, Cluster]]:
    """Give a request, ready for pods, and the cluster that its settings name."""
    from rowmill.runners.kubernetes.cluster import connected
    from rowmill.runners.pods import in_pods

    ready = in_pods(asked, keep_code=keep_code, overwrite=overwrite)
    with connected(ready.chosen["kube_context"].value, ready.pods.namespace or None) as cluster:
        yield ready, cluster


def detach(
    job: str,
    input: str,  # noqa: A002
    *,
    output: str | None = None,
    params: Mapping[str, str] | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    **chosen: Any,
) -> str:
    """Let a coordinator in the cluster carry out a run; return its KubernetesJob's name.

    Args:
        job: As for `render`.
        input: As for `render`.
        output: As for `run`.
        params: As for `run`.
        keep_code: As for `run`.
        fresh: As for `run`.
        overwrite: As for `run`.
        chosen: Settings, by name: `image` and `workspace` at least.
    """
    from rowmill.runners.kubernetes.detaching import detach as detached

    asked = Asked(job, input, output, params, chosen, fresh)
    with in_cluster(asked, keep_code=keep_code, overwrite=overwrite) as (ready, cluster):
        return detached(ready, cluster)


def control(
    what: str,
    run_id: str,
    *,
    workers: int | None = None,
    workspace: str | None = None,
    namespace: str | None = None,
    kube_context: str | None = None,
) -> list[str]:
    """Stop a run, let it wait or go on, or change how many workers or pods it has; return what was changed.

    A run that a live command holds is asked by its workspace; any other one is looked for in the cluster.

    Args:
        what: `cancel`, `pause`, `resume` or `scale`.
        run_id: Which run; in a cluster the name of one of its KubernetesJobs will do.
        workers: For `scale`: how many at once.
        workspace: As for `run`.
        namespace: As for `run`.
        kube_context: As for `run`.

    Raises:
        StateError: It is not under way, nothing would change, or a queue decides.
    """
    from rowmill.runners import steering

    place = workspace_at(workspace)
    if namespace is None and kube_context is None:
        if steering.is_steered(place, run_id):
            return [steering.ask(place, run_id, what, workers)]
        steering.refuse_ended(place, run_id)
    return _control_in_cluster(what, run_id, workers, namespace, kube_context)


def _control_in_cluster(
    what: str, run_id: str, workers: int | None, namespace: str | None, kube_context: str | None
) -> list[str]:
    from rowmill.runners.kubernetes import controlling
    from rowmill.runners.kubernetes.cluster import connected

    known = settings.resolve({"namespace": namespace, "kube_context": kube_context})
    plain = {"cancel": controlling.cancel, "pause": controlling.pause, "resume": controlling.resume}
    with connected(known["kube_context"].value, known["namespace"].value) as cluster:
        return controlling.scale(cluster, run_id, workers or 1) if what == "scale" else plain[what](cluster, run_id)


def pods(manifest: Manifest, *, on: str | None = None, workers: int | None = None) -> Shared | None:
    """Return how pods would share a planned run; None where it does not run in a cluster.

    Args:
        manifest: What `plan` returned.
        on: As for `run`.
        workers: As for `run`.
    """
    chosen = settings.resolve({"on": on, "workers": workers})
    if chosen["on"].value != "kubernetes":
        return None
    from rowmill.kubejobs import shared

    return shared(partitions=len(manifest.partitions), rows=manifest.rows, workers=chosen["workers"].value)


def render(
    job: str,
    input: str,  # noqa: A002
    form: str = "yaml",
    *,
    output: str | None = None,
    params: Mapping[str, str] | None = None,
    keep_code: bool = False,
    fresh: bool = False,
    overwrite: bool = False,
    **chosen: Any,
) -> dict[str, str]:
    """Return the Kubernetes objects of a run as text, by file name; nothing is asked of a cluster.

    Args:
        job: The job's reference.
        input: The file's URL, or its path on the claim.
        form: `yaml`, `kustomize` or `argo`.
        output: As for `run`.
        params: As for `run`.
        keep_code: As for `run`.
        fresh: As for `run`.
        overwrite: As for `run`.
        chosen: Settings, by name: `image` and `workspace` at least.
    """
    from rowmill.runners.pods import in_pods
    from rowmill.runners.rendering import rendered

    asked = Asked(job, input, output, params, chosen, fresh)
    return rendered(in_pods(asked, keep_code=keep_code, overwrite=overwrite), form)
