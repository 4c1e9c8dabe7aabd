"""A pod's volumes as folders of this machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.kubelet.environment import ConfigError, Sources, contents, field, resource

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

FILE_MODE = 0o644
ACCESS, ACCESS_PATH = "kube-api-access", "/var/run/secrets/kubernetes.io/serviceaccount"
KUBECONFIG = "kubeconfig"
Files = dict[str, tuple[bytes, int]]


def claim_folder(folder: Path, namespace: str, claim: str) -> Path:
    """Return where what is written to a PersistentVolumeClaim is kept."""
    return folder / "volumes" / namespace / claim


class Entry(NamedTuple):
    """By what a ServiceAccount is known: its token, and a kubeconfig with it."""

    token: str
    kubeconfig: str


Access = Callable[[str, str], Entry]


def no_access(namespace: str, account: str) -> Entry:
    """Return what opens nothing."""
    del namespace, account
    return Entry("", "")


def made(folder: Path, sources: Sources, access: Access = no_access) -> dict[str, Path]:
    """Make a pod's volumes; return where they are, by name.

    Args:
        folder: The node's.
        sources: The pod, and where values come from.
        access: Gives the token and the kubeconfig of a ServiceAccount.

    Raises:
        ConfigError: What one holds is not there; the message says of which volume.
    """
    pod, found = sources.pod, {}
    entry = access(pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName") or "default")
    if pod["spec"].get("automountServiceAccountToken"):
        found[ACCESS] = folder / "pods" / pod["metadata"]["uid"] / "volumes" / ACCESS
        found[ACCESS].mkdir(parents=True, exist_ok=True)
        _write(found[ACCESS], {KUBECONFIG: (entry.kubeconfig.encode(), FILE_MODE)})
    for volume in pod["spec"].get("volumes") or ():
        name = volume["name"]
        target = folder / "pods" / pod["metadata"]["uid"] / "volumes" / name
        try:
            found[name] = _made(volume, target, folder, sources, entry.token)
        except ConfigError as error:
            raise ConfigError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None
    return found


def _made(volume: Object, target: Path, folder: Path, sources: Sources, token: str) -> Path:
    if "persistentVolumeClaim" in volume:
        claim = volume["persistentVolumeClaim"]["claimName"]
        target = _led(claim_folder(folder, sources.pod["metadata"]["namespace"], claim))
    made_already = target.exists()
    target.mkdir(parents=True, exist_ok=True)
    if not made_already:
        target.chmod(0o777)  # whoever the container runs as
    [(sort, source)] = [(key, value or {}) for key, value in volume.items() if key != "name"] or [("emptyDir", {})]
    if sort in ("configMap", "secret", "downwardAPI", "projected"):
        _write(target, _files(sort, source, sources, token))
    return target


def _led(place: Path) -> Path:
    """Return a claim's folder, or where it leads, as a bound PersistentVolume has it."""
    if not place.is_symlink():
        return place
    if not place.exists():
        raise ConfigError(f"there is no file system or access point {place.readlink().name}")
    return place.resolve()


def _files(sort: str, source: Object, sources: Sources, token: str) -> Files:
    mode = int(source.get("defaultMode", FILE_MODE))
    if sort == "projected":
        found: Files = {}
        for part in source.get("sources") or ():
            [(inner, content)] = part.items()
            if inner == "serviceAccountToken":
                found[content["path"]] = (token.encode(), mode)
            else:
                found |= _files(inner, {"defaultMode": mode, **content}, sources, token)
        return found
    if sort == "downwardAPI":
        return {item["path"]: (_downward(item, sources).encode(), item.get("mode", mode)) for item in source["items"]}
    return _stored(sort, source, sources, mode)


def _stored(sort: str, source: Object, sources: Sources, mode: int) -> Files:
    name, optional = source.get("secretName") or source.get("name", ""), bool(source.get("optional"))
    data = contents(sort, name, sources, optional=optional)
    if data is None:
        return {}
    if not source.get("items"):
        return {key: (value, mode) for key, value in data.items()}
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing and not optional:
        raise ConfigError(f"references non-existent {'config' if sort == 'configMap' else 'secret'} key: {missing[0]}")
    items = [item for item in source["items"] if item["key"] in data]
    return {item["path"]: (data[item["key"]], item.get("mode", mode)) for item in items}


def _downward(item: Object, sources: Sources) -> str:
    if "fieldRef" in item:
        return field(item["fieldRef"]["fieldPath"], sources.pod)
    wanted = item["resourceFieldRef"]
    spec = sources.pod["spec"]
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    container = next(one for one in containers if one["name"] == wanted["containerName"])
    return resource(wanted, container, sources.capacity)


def _write(target: Path, files: Files) -> None:
    """Write files as Kubernetes does: into a folder of its own, to which links lead."""
    inner = f"..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime())}.{time.time_ns() % 10**9}"
    for path, (data, mode) in files.items():
        file = target / inner / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
    (target / inner).mkdir(exist_ok=True)
    link = target / "..data"
    old = link.readlink() if link.is_symlink() else None
    (target / "..new").symlink_to(inner)
    (target / "..new").rename(link)
    for word in {Path(path).parts[0] for path in files}:
        if not (target / word).is_symlink():
            (target / word).symlink_to(f"..data/{word}")
    if old:
        shutil.rmtree(target / old, ignore_errors=True)
