"""All objects of a run that a cluster carries out by itself: as a list to apply, or as a kustomize base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.kubejobs import rights
from rowmill.kubejobs.jobs import code_config_map, coordinator_job
from rowmill.kubejobs.template import with_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.kubejobs.asked import Pods, Request

KUSTOMIZATION = "kustomization.yaml"


def bundle(
    pods: Pods,
    request: Request,
    *,
    files: Mapping[str, str],
    settings: Mapping[str, str],
    template: Mapping[str, Any] | None = None,
    attempt: int = 1,
) -> list[dict[str, Any]]:
    """Return the coordinator's KubernetesJob and what it stands on, in the order in which they are applied.

    Args:
        pods: What the coordinator's pod has.
        request: What the run is asked to do.
        files: Text of the user's files, if the code is not in the image.
        settings: What the coordinator goes by, by name.
        template: The user's pod template.
        attempt: Number of the try.
    """
    account = pods.service_account or rights.NAME
    pods = msgspec.structs.replace(pods, service_account=account)
    job = coordinator_job(pods, request, attempt=attempt, settings=settings)
    if template is not None:
        job = with_template(job, template)
    where = {"namespace": pods.namespace} if pods.namespace else {}
    labels = {**pods.labels, "app.kubernetes.io/name": "rowmill", "app.kubernetes.io/managed-by": "rowmill"}
    metadata = {"name": rights.NAME, **where, "labels": labels}
    bound = metadata | {"name": rights.NAME if account == rights.NAME else f"{rights.NAME}-{account}"}
    return [
        *([rights.service_account(metadata)] if account == rights.NAME else []),
        rights.role(bound),
        rights.role_binding(bound, account),
        *([code_config_map(pods, files)] if files else []),
        job,
    ]


def kustomize_base(manifests: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the files of a kustomize base, by name: one for each object, and the list of them."""
    files = {f"{manifest['kind'].lower()}.yaml": manifest for manifest in manifests}
    listed = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(files)}
    return {KUSTOMIZATION: listed, **files}
