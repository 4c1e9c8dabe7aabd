"""Kubernetes' objects as plain dicts: a job's namespace, rights and volume; pools of nodes; the autoscaler. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from rowmill.cdk.asked import ACCOUNT, CLAIM
from rowmill.statemachine import rights

AUTOSCALER, SYSTEM = "cluster-autoscaler", "kube-system"
RBAC = "rbac.authorization.k8s.io"
PLACEHOLDER_SIZE = "1Gi"  # the API asks for one; EFS grows as it is filled
NOBODY = 65534


class Volume(NamedTuple):
    """A file system and the access point on it."""

    file_system: str
    access_point: str


class AutoNodes(NamedTuple):
    """What EKS Auto Mode may start for KubernetesJobs.

    Attributes:
        instance_types: All with as many CPUs.
        architecture: `x86_64` or `arm64`.
        capacity_type: `on-demand` or `spot`.
        most_cpus: Together, over all nodes.
    """

    instance_types: tuple[str, ...]
    architecture: str
    capacity_type: str
    most_cpus: int


def job_objects(namespace: str, waiter: str, volume: Volume | None) -> list[dict[str, Any]]:
    """Return all that a job has in the cluster before its first KubernetesJob, in the order of creation."""
    return [
        _namespace(namespace),
        _account(namespace),
        rights.role(namespace, waiter),
        rights.role_binding(namespace),
        *([] if volume is None else _shared_volume(namespace, volume)),
    ]


def _meta(name: str, namespace: str = "") -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "rowmill", "app.kubernetes.io/part-of": "rowmill"}
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}


def _namespace(namespace: str) -> dict[str, Any]:
    """Return a namespace that takes no pod which could harm its node."""
    made = _meta(namespace)
    made["labels"] |= {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": made}


def _account(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _meta(ACCOUNT, namespace),
        "automountServiceAccountToken": False,
    }


def _binding(kind: str, name: str, metadata: dict[str, Any], subject: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [subject],
    }


def _shared_volume(namespace: str, volume: Volume) -> list[dict[str, Any]]:
    """Return volume and claim, each made for the other: nothing is provisioned, and nothing goes with the claim."""
    name = f"{CLAIM.name}-{namespace}"
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": _meta(name),
            "spec": {
                **common,
                "capacity": {"storage": PLACEHOLDER_SIZE},
                "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": "Retain",
                "mountOptions": ["tls"],
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": namespace,
                    "name": CLAIM.name,
                },
                "csi": {
                    "driver": "efs.csi.aws.com",
                    "volumeHandle": f"{volume.file_system}::{volume.access_point}",
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": _meta(CLAIM.name, namespace),
            "spec": {**common, "volumeName": name, "resources": {"requests": {"storage": PLACEHOLDER_SIZE}}},
        },
    ]


def node_pool(nodes: AutoNodes) -> dict[str, Any]:
    """Return the pool from which Auto Mode starts nodes for pods that wait, and none otherwise."""
    kinds = {
        "node.kubernetes.io/instance-type": list(nodes.instance_types),
        "kubernetes.io/arch": ["arm64" if nodes.architecture == "arm64" else "amd64"],
        "karpenter.sh/capacity-type": [nodes.capacity_type],
    }
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": _meta("rowmill"),
        "spec": {
            "template": {
                "spec": {
                    "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"},
                    "requirements": [{"key": key, "operator": "In", "values": kinds[key]} for key in kinds],
                }
            },
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
            "limits": {"cpu": str(nodes.most_cpus)},
        },
    }


def autoscaler(cluster: str, region: str, version: str) -> list[dict[str, Any]]:
    """Return the cluster autoscaler: its account, its rights, and one pod of it.

    Args:
        cluster: The cluster's name: node groups that EKS has tagged with it are scaled.
        region: Of the cluster.
        version: Of Kubernetes, as 1.36.
    """
    meta, account = _meta(AUTOSCALER, SYSTEM), {"kind": "ServiceAccount", "name": AUTOSCALER, "namespace": SYSTEM}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _meta(AUTOSCALER), "rules": _SEES},
        _binding("ClusterRole", AUTOSCALER, _meta(AUTOSCALER), account),
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": _STATUS},
        _binding("Role", AUTOSCALER, meta, account),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": _deployment(cluster, region, version),
        },
    ]


def _deployment(cluster: str, region: str, version: str) -> dict[str, Any]:
    labels = {"app": AUTOSCALER}
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": AUTOSCALER,
                "priorityClassName": "system-cluster-critical",
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": NOBODY,
                    "fsGroup": NOBODY,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(cluster, region, version)],
            },
        },
    }


def _container(cluster: str, region: str, version: str) -> dict[str, Any]:
    groups = f"asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{cluster}"
    return {
        "name": AUTOSCALER,
        "image": f"registry.k8s.io/autoscaling/cluster-autoscaler:v{version}.0",
        "command": [
            "./cluster-autoscaler",
            "--cloud-provider=aws",
            f"--node-group-auto-discovery={groups}",
            "--expander=least-waste",
            "--skip-nodes-with-system-pods=false",
            "--balance-similar-node-groups",
        ],
        "env": [{"name": "AWS_REGION", "value": region}],
        "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "600Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _rule(group: str, resources: str, verbs: str, names: str = "") -> dict[str, Any]:
    named = {"resourceNames": names.split()} if names else {}
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **named}


_SEES = [
    _rule("", "events endpoints", "create patch"),
    _rule("", "pods/eviction", "create"),
    _rule("", "pods/status", "update"),
    _rule("", "endpoints", "get update", AUTOSCALER),
    _rule("", "nodes", "watch list get update"),
    _rule(
        "",
        "namespaces pods services replicationcontrollers persistentvolumeclaims persistentvolumes",
        "watch list get",
    ),
    _rule("batch", "jobs cronjobs", "watch list get"),
    _rule("batch", "jobs", "patch"),
    _rule("apps", "statefulsets replicasets daemonsets", "watch list get"),
    _rule("policy", "poddisruptionbudgets", "watch list"),
    _rule(
        "storage.k8s.io", "storageclasses csinodes csidrivers csistoragecapacities volumeattachments", "watch list get"
    ),
    _rule("resource.k8s.io", "deviceclasses resourceslices resourceclaims", "watch list get"),
    _rule("coordination.k8s.io", "leases", "create"),
    _rule("coordination.k8s.io", "leases", "get update", AUTOSCALER),
]
_STATUS = [
    _rule("", "configmaps", "create list watch"),
    _rule(
        "", "configmaps", "delete get update watch", "cluster-autoscaler-status cluster-autoscaler-priority-expander"
    ),
]
