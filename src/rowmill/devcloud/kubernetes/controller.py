"""All that works in the small Kubernetes beside its API: KubernetesJobs, the node, claims, what goes with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.devcloud.kubernetes import answers, evicting
from rowmill.devcloud.kubernetes.claiming import Claims
from rowmill.devcloud.kubernetes.collecting import Collector
from rowmill.devcloud.kubernetes.jobs_controller import JobController
from rowmill.devcloud.kubernetes.kinds import BY_NAME
from rowmill.devcloud.kubernetes.kubelet.node import Node, NodeSettings
from rowmill.devcloud.kubernetes.kubelet.volumes import Access, no_access

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kubelet.life import Life
    from rowmill.devcloud.kubernetes.store import Store

LOST = ("DeletionByPodGC", "PodGC: node no longer exists")


class Settings(NamedTuple):
    """How the controllers work; those of the node are `NodeSettings`.

    Attributes:
        batch_s: How long changes of pods are gathered before their KubernetesJob is looked at; Kubernetes has 1 s.
        backoff_s: How long a KubernetesJob waits after its first failure.
        create_retry_s: How long it waits after a pod that was refused; then twice as long each time.
        storage_class: The storage class that there is; empty = none.
        efs: The folder in which file systems of EFS are; None = `efs` in the cluster's own.
    """

    batch_s: float = 0.05
    backoff_s: float = 10.0
    create_retry_s: float = 1.0
    storage_class: str = "standard"
    efs: Path | None = None


class Controllers:
    """What works; tests do to its pods what happens to real ones."""

    def __init__(self, store: Store, folder: Path, settings: Settings, node: NodeSettings, access: Access) -> None:
        self._store = store
        self._node = Node(store, folder, node, access)
        self._loops = [
            JobController(store, settings.batch_s, settings.backoff_s, settings.create_retry_s).loop,
            Collector(store).loop,
            Claims(store, folder, settings.storage_class, settings.efs or folder / "efs").loop,
            self._node.loop,
        ]
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End all of it, and all pods."""
        for loop in self._loops:
            loop.stop()
        self._node.stop()

    def kill(self, namespace: str, name: str) -> None:
        """Kill a pod's programs: they end with 137, as if somebody had sent SIGKILL."""
        self._life(namespace, name).kill()

    def oom(self, namespace: str, name: str) -> None:
        """Kill a pod's programs as the kernel does when memory runs out: `OOMKilled`."""
        self._life(namespace, name).kill(exhausted=True)

    def evict(self, namespace: str, name: str) -> None:
        """Evict a pod, as the eviction API does: `DisruptionTarget`, then its deletion."""
        evicting.evict(self._store, namespace, name)

    def lose_node(self, namespace: str, name: str) -> None:
        """Let a pod's machine be lost: nobody hears of its programs, in the end it is `Failed` and gone."""
        self._life(namespace, name).lose()
        reason, message = LOST
        condition = {"type": "DisruptionTarget", "status": "True", "lastProbeTime": None, "reason": reason}
        condition |= {"message": message, "lastTransitionTime": self._store.now()}
        self._store.update("Pod", namespace, name, lambda old: _failed(old, condition), status=True)
        self._store.delete("Pod", namespace, name, grace_s=0)

    def _life(self, namespace: str, name: str) -> Life:
        life = self._node.life(namespace, name)
        if life is None:
            raise answers.missing(BY_NAME["Pod"], name)
        return life


def _failed(pod: Object, condition: Object) -> Object:
    status = pod.get("status", {})
    others = [one for one in status.get("conditions", ()) if one["type"] != condition["type"]]
    return {**pod, "status": {**status, "phase": "Failed", "conditions": [*others, condition]}}


def start(store: Store, folder: Path, access: Access = no_access, **settings: Any) -> Controllers:
    """Start to work on a cluster's objects.

    Args:
        store: The objects.
        folder: Where volumes and logs are kept.
        access: Gives pods what they may ask the API by.
        settings: Fields of `Settings` and `NodeSettings`.
    """
    own = {key: value for key, value in settings.items() if key in Settings._fields}
    rest = {key: value for key, value in settings.items() if key not in own}
    return Controllers(store, folder.resolve(), Settings(**own), NodeSettings(**rest), access)
