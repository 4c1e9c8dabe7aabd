"""A pod: one container that runs the command line, with the fewest rights that will do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.kubejobs.failing import CONTAINER
from rowmill.kubejobs.places import CODE, SCRATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.kubejobs.asked import Pods

USER_ID = 10001
GRACE_S = 30
VARIABLE = re.compile(r"\$(?=[$(])")  # what Kubernetes reads as more than itself
TERMINATION_LOG = "/dev/termination-log"
# A pod that is moved to save a node does its partition again.
NOT_TO_BE_MOVED = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


def pod_template(pods: Pods, words: Sequence[str], labels: dict[str, str], *, token: bool = False) -> dict[str, Any]:
    """Return the pod template that runs `rowmill WORDS`.

    Args:
        pods: What all pods of the run have in common.
        words: The command line.
        labels: Of the pod.
        token: Whether the pod may speak to Kubernetes.
    """
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_S,
        "enableServiceLinks": False,
        "automountServiceAccountToken": token,
        "securityContext": _pod_security(),
        "containers": [_container(pods, words)],
        "volumes": _volumes(pods),
    }
    if pods.service_account:
        spec["serviceAccountName"] = pods.service_account
    return {"metadata": {"labels": dict(labels), "annotations": dict(NOT_TO_BE_MOVED)}, "spec": spec}


def _pod_security() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "fsGroupChangePolicy": "OnRootMismatch",  # a volume of many objects is not walked through for each pod
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _container(pods: Pods, words: Sequence[str]) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": pods.image,
        "args": [literal(word) for word in words],
        "env": _env(pods),
        "resources": {
            "requests": {"cpu": pods.cpu, "memory": pods.memory},
            "limits": {"memory": pods.memory},
        },
        "securityContext": _container_security(),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": _mounts(pods),
    }
    if pods.pull_policy:
        container["imagePullPolicy"] = pods.pull_policy
    return container


def _env(pods: Pods) -> list[dict[str, Any]]:
    plain = {wire.WORKSPACE_VARIABLE: pods.workspace, wire.TERMINATION_VARIABLE: TERMINATION_LOG, **pods.env}
    return [
        *({"name": name, "value": literal(value)} for name, value in plain.items()),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": where.secret, "key": where.key}}}
            for name, where in pods.secrets.items()
        ),
    ]


def literal(text: str) -> str:
    """Return text as Kubernetes hands it on unchanged: it would put variables in place of `$(NAME)`.

    A lone `$` is left as it is: a value that AWS CDK fills in later begins with one.
    """
    return VARIABLE.sub("$$", text)


def _mounts(pods: Pods) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": SCRATCH}]
    if pods.claim is not None:
        mounts.append({"name": "workspace", "mountPath": pods.claim.mount})
    if pods.code:
        mounts.append({"name": "code", "mountPath": CODE, "readOnly": True})
    return mounts


def _volumes(pods: Pods) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if pods.claim is not None:
        volumes.append({"name": "workspace", "persistentVolumeClaim": {"claimName": pods.claim.name}})
    if pods.code:
        volumes.append({"name": "code", "configMap": {"name": pods.code}})
    return volumes
