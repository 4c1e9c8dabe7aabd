"""What a container needs to start: its image, environment, command, user and mounts, put into one specification."""

from __future__ import annotations

import pwd
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes.kubelet import capabilities
from rowmill.devcloud.kubernetes.kubelet.environment import ConfigError, Sources, expanded, variables
from rowmill.devcloud.kubernetes.kubelet.identities import NOTHING, Given
from rowmill.devcloud.kubernetes.kubelet.volumes import ACCESS, ACCESS_PATH, KUBECONFIG

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kubelet.images import Image

MESSAGE_PATH = "/dev/termination-log"


def specification(
    container: Object,
    sources: Sources,
    image: Image,
    volumes: dict[str, Path],
    root: Path,
    message: Path,
    given: Given = NOTHING,
) -> dict[str, Any]:
    """Return what `launch.py` reads.

    Args:
        container: The container.
        sources: The pod, and where values come from.
        image: Its image.
        volumes: Where the pod's volumes are.
        root: A folder of its own.
        message: The file in which it may say why it ended.
        given: What every pod of its ServiceAccount is given.

    Raises:
        ConfigError: What it needs is not there, or it may not run as it wants.
    """
    user, host = _user(container, sources.pod), hostname(sources.pod)
    base = {"PATH": image.path, "HOSTNAME": host, "HOME": _home(user["uid"])}
    if ACCESS in volumes:  # without TLS a client takes no token from the usual place
        base["KUBECONFIG"] = f"{ACCESS_PATH}/{KUBECONFIG}"
    env = base | given.env | variables(container, sources)
    argv = [*(container.get("command") or image.entry), *(container.get("args") or ())]
    told = {"source": str(message), "target": container.get("terminationMessagePath", MESSAGE_PATH), "read_only": False}
    context = container.get("securityContext") or {}
    return {
        **user,
        "root": str(root),
        "hostname": host,
        "mounts": [*given.mounts, *_folders(image), *_mounts(container, volumes, env), told],
        "keep": list(image.keep),
        "read_only": bool(context.get("readOnlyRootFilesystem")),
        "capabilities": capabilities.kept(container),
        "no_new_privileges": context.get("allowPrivilegeEscalation") is False,
        "argv": [expanded(word, env) for word in argv],
        "env": env,
        "cwd": container.get("workingDir") or "/",
    }


def hostname(pod: Object) -> str:
    """Return what a pod's containers call their machine."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]


def _mounts(container: Object, volumes: dict[str, Path], env: dict[str, str]) -> list[Object]:
    found = []
    if ACCESS in volumes:
        found.append({"source": str(volumes[ACCESS]), "target": ACCESS_PATH, "read_only": True})
    for mount in container.get("volumeMounts") or ():
        inner = expanded(mount.get("subPathExpr") or "", env) or mount.get("subPath") or ""
        source = volumes[mount["name"]] / inner
        if not source.exists():
            source.mkdir(parents=True)
            source.chmod(0o777)  # whoever the container runs as
        target = mount["mountPath"]
        found.append({"source": str(source), "target": target, "read_only": bool(mount.get("readOnly"))})
    return found


def _folders(image: Image) -> list[Object]:
    return [{"source": source, "target": target, "read_only": True} for target, source in image.folders]


def _user(container: Object, pod: Object) -> dict[str, Any]:
    """Return as whom a container runs."""
    shared, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    wanted = {**shared, **own}
    uid = int(wanted.get("runAsUser") or 0)
    if wanted.get("runAsNonRoot") and uid == 0:
        meta = pod["metadata"]
        place = f'pod: "{meta["name"]}_{meta["namespace"]}({meta["uid"]})", container: {container["name"]}'
        raise ConfigError(f"container has runAsNonRoot and image will run as root ({place})")
    groups = [*(shared.get("supplementalGroups") or ()), *([shared["fsGroup"]] if shared.get("fsGroup") else [])]
    return {"uid": uid, "gid": int(wanted.get("runAsGroup") or 0), "groups": groups}


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"
