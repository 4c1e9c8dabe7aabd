"""The pod that a KubernetesJob's template gives: names, labels, owner, index. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import jobs_pods
from rowmill.devcloud.kubernetes.deleting import copied
from rowmill.devcloud.kubernetes.jobs_view import is_indexed

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs import Birth

LONGEST_BASE = 58  # a pod's name has at most 63 characters, five of them random
LONGEST_HOST = 63
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def pod(job: Object, birth: Birth) -> Object:
    """Return a new pod of a KubernetesJob, without what the server fills in."""
    template = copied(job["spec"]["template"])
    meta, given = job["metadata"], template.get("metadata") or {}
    body: Object = {"kind": "Pod", "apiVersion": "v1", "spec": template["spec"]}
    base = meta["name"] if birth.number is None else f"{meta['name']}-{birth.number}"
    body["metadata"] = {
        "generateName": f"{base[: LONGEST_BASE - 1]}-",
        "namespace": meta["namespace"],
        "labels": {**given.get("labels", {})},
        **({"annotations": given["annotations"]} if given.get("annotations") else {}),
        "ownerReferences": [owner(job)],
        "finalizers": [*given.get("finalizers", ()), jobs_pods.TRACKED],
    }
    return _indexed(body, job, birth) if is_indexed(job) else body


def owner(job: Object) -> Object:
    """Return the reference by which a pod belongs to its KubernetesJob."""
    meta = job["metadata"]
    who = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    return {**who, "controller": True, "blockOwnerDeletion": True}


def _indexed(body: Object, job: Object, birth: Birth) -> Object:
    meta, spec, number = body["metadata"], body["spec"], str(birth.number)
    meta["labels"][jobs_pods.INDEX] = number
    counts = {jobs_pods.INDEX: number}
    if birth.failures is not None:
        counts[jobs_pods.FAILURES] = str(birth.failures)
    if birth.ignored:
        counts[jobs_pods.IGNORED] = str(birth.ignored)
    meta["annotations"] = {**meta.get("annotations", {}), **counts}
    spec.setdefault("hostname", f"{job['metadata']['name']}-{number}"[:LONGEST_HOST])
    field = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{jobs_pods.INDEX}']"}
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        if all(entry["name"] != INDEX_VARIABLE for entry in container.get("env", ())):
            entry = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": field}}
            container["env"] = [*container.get("env", ()), entry]
    return body
