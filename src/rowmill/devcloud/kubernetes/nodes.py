"""The one node, as clients see it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

MOST_PODS = "110"
KUBELET = "v1.36.2"


def described(name: str, cpu: str, memory: str, labels: dict[str, str], now: str) -> Object:
    """Return a node that is ready, with what it says that it has."""
    has = {"cpu": cpu, "memory": memory, "pods": MOST_PODS}
    ready = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    info = {"kubeletVersion": KUBELET, "operatingSystem": "linux", "osImage": "this machine"}
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    status = {"capacity": has, "allocatable": has, "conditions": [ready], "addresses": addresses, "nodeInfo": info}
    found = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels}
    return {"metadata": {"name": name, "labels": found}, "spec": {}, "status": status}
