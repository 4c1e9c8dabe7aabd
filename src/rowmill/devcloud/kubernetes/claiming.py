"""PersistentVolumeClaims: each gets a folder of this machine, if its storage class is the one that there is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import telling
from rowmill.devcloud.kubernetes.kubelet.volumes import claim_folder
from rowmill.devcloud.kubernetes.looping import Loop

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.store import Event, Store

BY = "persistentvolume-controller"
NO_CLASS = "no persistent volumes available for this claim and no storage class is set"


class Claims:
    """Binds claims, and removes what they held when they go.

    Args:
        store: The cluster's objects.
        folder: Where their folders are.
        storage_class: The class whose claims are bound, also those that name none; empty = there is no class.
    """

    def __init__(self, store: Store, folder: Path, storage_class: str) -> None:
        self._store, self._folder, self._class = store, folder, storage_class
        self.loop = Loop(store, "claims", self._see)

    def _see(self, event: Event) -> None:
        if event.kind != "PersistentVolumeClaim":
            return
        claim, meta = event.object, event.object["metadata"]
        if event.type == "DELETED":
            shutil.rmtree(claim_folder(self._folder, meta["namespace"], meta["name"]), ignore_errors=True)
        elif claim.get("status", {}).get("phase") != "Bound":
            self._bind(claim)

    def _bind(self, claim: Object) -> None:
        wanted, meta = claim["spec"].get("storageClassName", self._class), claim["metadata"]
        if wanted and wanted == self._class:
            where = ("PersistentVolumeClaim", meta["namespace"], meta["name"])
            self._store.update(*where, self._placed)
            self._store.update(*where, _bound, status=True)
        elif wanted:
            why = f'storageclass.storage.k8s.io "{wanted}" not found'
            telling.tell(self._store, claim, "Warning", "ProvisioningFailed", why, by=BY)
        else:
            telling.tell(self._store, claim, "Normal", "FailedBinding", NO_CLASS, by=BY)

    def _placed(self, claim: Object) -> Object:
        place = {"storageClassName": self._class, "volumeName": f"pvc-{claim['metadata']['uid']}"}
        return {**claim, "spec": {**claim["spec"], **place}}


def _bound(claim: Object) -> Object:
    spec = claim["spec"]
    capacity = (spec.get("resources") or {}).get("requests", {})
    return {**claim, "status": {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}}
