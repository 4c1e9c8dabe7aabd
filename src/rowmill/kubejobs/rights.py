"""What whoever starts pods may do in the namespace: for the coordinator in the cluster, and for the approval page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "rowmill"
RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("batch", ("jobs",), ("create", "get", "list", "watch", "patch", "delete")),
    ("", ("pods",), ("get", "list", "watch")),
    ("", ("pods/log",), ("get",)),
    ("", ("events",), ("list", "watch")),
    ("", ("configmaps",), ("create", "get")),
    ("", ("persistentvolumeclaims",), ("get",)),
)


def service_account(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the coordinator's service account."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": dict(metadata)}


def role(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Role: no Secrets, nothing outside the namespace."""
    rules = [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in RULES
    ]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": dict(metadata), "rules": rules}


def role_binding(metadata: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Return what gives the Role to a service account of the same namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": account}],
    }
