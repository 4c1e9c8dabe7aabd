"""What the machine may do in its namespace: KubernetesJobs and pods, and nothing else. Pure."""

from __future__ import annotations

from typing import Any

from rowmill.statemachine.asked import SYNC

NAME = "rowmill-state-machine"


def group(namespace: str) -> str:
    """Return the group by which the cluster knows the machine's role; its access entry names it."""
    return f"rowmill:{namespace}:state-machine"


def rules(waiter: str) -> list[dict[str, Any]]:
    """Return the rules of the Role; `.sync` watches, and removes what it has begun when an execution is stopped."""
    verbs = ["create", "get", "list", *(["watch", "delete"] if waiter == SYNC else [])]
    return [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    ]


def role(namespace: str, waiter: str) -> dict[str, Any]:
    """Return the Role."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": NAME, "namespace": namespace},
        "rules": rules(waiter),
    }


def role_binding(namespace: str) -> dict[str, Any]:
    """Return what gives the Role to the machine's group."""
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAME, "namespace": namespace},
        "roleRef": {"apiGroup": api, "kind": "Role", "name": NAME},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group(namespace)}],
    }
