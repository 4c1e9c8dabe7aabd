"""PersistentVolumeClaims: each gets a folder of this machine, new or that of a PersistentVolume on EFS."""

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
EFS_DRIVER = "efs.csi.aws.com"


class Claims:
    """Binds claims, and removes what they held when they go.

    Args:
        store: The cluster's objects.
        folder: Where their folders are.
        storage_class: The class whose claims are bound, also those that name none; empty = there is no class.
        efs: The folder in which file systems and access points of EFS are.
    """

    def __init__(self, store: Store, folder: Path, storage_class: str, efs: Path) -> None:
        self._store, self._folder, self._class, self._efs = store, folder, storage_class, efs
        self.loop = Loop(store, "claims", self._see)

    def _see(self, event: Event) -> None:
        if event.kind == "PersistentVolume" and event.type != "DELETED":
            for claim in self._store.shared("PersistentVolumeClaim", None)[0]:
                self._consider(claim)
        elif event.kind == "PersistentVolumeClaim" and event.type == "DELETED":
            self._leave(event.object)
        elif event.kind == "PersistentVolumeClaim":
            self._consider(event.object)

    def _leave(self, claim: Object) -> None:
        meta = claim["metadata"]
        _clear(claim_folder(self._folder, meta["namespace"], meta["name"]))

    def _consider(self, seen: Object) -> None:
        meta = seen["metadata"]
        claim = self._store.get("PersistentVolumeClaim", meta["namespace"], meta["name"])  # it may be bound by now
        if claim is None or claim.get("status", {}).get("phase") == "Bound":
            return
        wanted = claim["spec"].get("storageClassName", self._class)
        volume = self._volume(claim)
        if volume is not None:
            self._lead(claim, volume)
        elif wanted and wanted == self._class:
            self._bind(claim, f"pvc-{meta['uid']}", self._class)
        elif wanted:
            why = f'storageclass.storage.k8s.io "{wanted}" not found'
            telling.tell(self._store, claim, "Warning", "ProvisioningFailed", why, by=BY)
        else:
            telling.tell(self._store, claim, "Normal", "FailedBinding", NO_CLASS, by=BY)

    def _volume(self, claim: Object) -> Object | None:
        """Return the PersistentVolume that a claim names, if it is on EFS and kept for no other."""
        volume = self._store.get("PersistentVolume", "", claim["spec"].get("volumeName", ""))
        if volume is None or volume["spec"].get("csi", {}).get("driver") != EFS_DRIVER:
            return None
        kept = volume["spec"].get("claimRef")
        wanted = (claim["metadata"]["namespace"], claim["metadata"]["name"])
        return volume if kept is None or (kept.get("namespace"), kept.get("name")) == wanted else None

    def _lead(self, claim: Object, volume: Object) -> None:
        """Bind a claim to a volume: its folder leads to the volume's."""
        meta, name = claim["metadata"], volume["metadata"]["name"]
        place = claim_folder(self._folder, meta["namespace"], meta["name"])
        place.parent.mkdir(parents=True, exist_ok=True)
        _clear(place)  # of a cluster that was here before
        place.symlink_to(efs_folder(self._efs, volume["spec"]["csi"]["volumeHandle"]))
        kept = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta["namespace"]}
        kept |= {"name": meta["name"], "uid": meta["uid"]}
        self._store.update("PersistentVolume", "", name, lambda old: _with_spec(old, {"claimRef": kept}))
        self._store.update("PersistentVolume", "", name, _with_phase, status=True)
        self._bind(claim, name, volume["spec"].get("storageClassName", ""))

    def _bind(self, claim: Object, volume: str, storage_class: str) -> None:
        where = ("PersistentVolumeClaim", claim["metadata"]["namespace"], claim["metadata"]["name"])
        place = {"storageClassName": storage_class, "volumeName": volume}
        self._store.update(*where, lambda old: _with_spec(old, place))
        self._store.update(*where, _bound, status=True)


def _clear(place: Path) -> None:
    """Remove a claim's folder; what is on EFS stays."""
    if place.is_symlink():
        place.unlink()
    shutil.rmtree(place, ignore_errors=True)


def efs_folder(efs: Path, handle: str) -> Path:
    """Return the folder of a volume handle: `fs-ID::fsap-ID`, `fs-ID:/path` or `fs-ID`."""
    system, _, rest = handle.partition(":")
    path, _, access_point = rest.partition(":")
    return efs / access_point if access_point else efs / system / path.strip("/")


def _with_spec(obj: Object, fields: Object) -> Object:
    return {**obj, "spec": {**obj["spec"], **fields}}


def _with_phase(volume: Object) -> Object:
    return {**volume, "status": {"phase": "Bound"}}


def _bound(claim: Object) -> Object:
    spec = claim["spec"]
    capacity = (spec.get("resources") or {}).get("requests", {})
    return {**claim, "status": {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}}
