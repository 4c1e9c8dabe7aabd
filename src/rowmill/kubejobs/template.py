"""The user's pod template laid over ours, by Kubernetes' strategic merge; what makes pods safe and ours is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import naming
from rowmill.kubejobs.failing import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# By which field the entries of a list are the same entry; a list that is not here is replaced as a whole.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
ENTRIES_OF_OURS = ("volumes", "env", "volumeMounts")
IDENTITY = ("runAsUser", "runAsGroup", "fsGroup")  # another identity is a user's to choose, but never root's
LOOSE_SECURITY = (*IDENTITY, "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxOptions")
POD_FIELDS = (
    "restartPolicy",
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "terminationGracePeriodSeconds",
    "enableServiceLinks",
    "activeDeadlineSeconds",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "shareProcessNamespace",
    "ephemeralContainers",
)
CONTAINER_FIELDS = (
    "image",
    "command",
    "args",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "restartPolicy",
)
OPTIONS = {"image": "--image", "serviceAccountName": "--service-account", "serviceAccount": "--service-account"}
LABELS_OF_OURS = (f"{naming.DOMAIN}/", "app.kubernetes.io/", "batch.kubernetes.io/")


def with_template(manifest: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a KubernetesJob with a user's pod template merged in; its labels stand on the KubernetesJob too.

    Args:
        manifest: What one of our functions made.
        template: `metadata` and `spec` of a pod, as in a Pod or in a KubernetesJob's `spec.template`.

    Raises:
        ConfigurationError: The template touches a field that is ours; its path is named.
    """
    given = _pod_of(template)
    ours = manifest["spec"]["template"]
    _refuse_nothing(given, "")
    _refuse_ours(given, ours)
    merged = _merged(ours, given, "")
    labels = given.get("metadata", {}).get("labels", {})
    metadata = {**manifest["metadata"], "labels": {**labels, **manifest["metadata"]["labels"]}}
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], "template": merged}}


def _pod_of(template: Mapping[str, Any]) -> dict[str, Any]:
    if template.get("kind", "Pod") not in ("Pod", "PodTemplate"):
        raise ConfigurationError(
            f"the pod template is a {template['kind']}", hint="give metadata and spec, as a Pod has them"
        )
    given = dict(template["template"]) if template.get("kind") == "PodTemplate" else dict(template)
    for name in ("apiVersion", "kind"):
        given.pop(name, None)
    for name, value in given.items():
        if name not in ("metadata", "spec"):
            raise _refused(name, "the pod template has metadata and spec only")
        if not isinstance(value, dict):
            raise _refused(name, "it must be a mapping")
    return given


def _refuse_nothing(given: Any, path: str) -> None:
    """Refuse null, by which a merge takes fields away: there is none of ours that a pod could do without."""
    if given is None:
        raise _refused(path, "null would take a field away")
    if isinstance(given, dict):
        for name, value in given.items():
            _refuse_nothing(value, f"{path}.{name}".lstrip("."))
    elif isinstance(given, list):
        for value in given:
            _refuse_nothing(value, f"{path}[]")


def _refuse_ours(given: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    _refuse_metadata(given.get("metadata", {}))
    spec = given.get("spec", {})
    _refuse_fields(spec, POD_FIELDS, "spec")
    _refuse_security(spec.get("securityContext", {}))
    _refuse_entries(spec, ours["spec"], "spec")
    our_container = ours["spec"]["containers"][0]
    for kind in ("containers", "initContainers"):
        for container in _entries(spec, kind, "spec"):
            if container.get("name") == CONTAINER and kind == "containers":
                where = f"spec.containers[{CONTAINER}]"
                _refuse_fields(container, CONTAINER_FIELDS, where)
                _refuse_entries(container, our_container, where)
            elif container.get("name") in (None, CONTAINER):
                raise _refused(f"spec.{kind}", f"our container is {CONTAINER}, and others need names of their own")


def _refuse_metadata(metadata: Mapping[str, Any]) -> None:
    for name in metadata:
        if name not in ("labels", "annotations"):
            raise _refused(f"metadata.{name}", "a template adds labels and annotations")
    for kind in ("labels", "annotations"):
        for name in metadata.get(kind, {}):
            if name.startswith(LABELS_OF_OURS) or name == naming.QUEUE:
                hint = "give --queue" if name == naming.QUEUE else "it is ours"
                raise _refused(f"metadata.{kind}[{name}]", hint)


def _refuse_fields(given: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in names:
        if name in given:
            raise _refused(f"{where}.{name}", f"give {OPTIONS[name]}" if name in OPTIONS else "it is ours")


def _refuse_security(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        where = f"spec.securityContext.{name}"
        if name not in LOOSE_SECURITY:
            raise _refused(where, "it is ours")
        if name in IDENTITY and (not isinstance(value, int) or value < 1):
            raise _refused(where, "pods do not run as root")


def _refuse_entries(given: Mapping[str, Any], ours: Mapping[str, Any], where: str) -> None:
    for kind in ENTRIES_OF_OURS:
        key = MERGE_KEYS[kind]
        taken = {entry[key] for entry in ours.get(kind, ())}
        for entry in _entries(given, kind, where):
            if str(entry.get(key)).rstrip("/") in taken:
                raise _refused(f"{where}.{kind}[{entry[key]}]", "it is ours")


def _entries(given: Mapping[str, Any], kind: str, where: str) -> list[dict[str, Any]]:
    entries = given.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _refused(f"{where}.{kind}", "it must be a list of mappings")
    return entries


def _refused(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"the pod template may not set {path}", hint=why)


def _merged(ours: Any, given: Any, name: str) -> Any:
    """Merge as Kubernetes does: mappings by key, lists by their merge key or as a whole."""
    if isinstance(ours, dict) and isinstance(given, dict):
        result = dict(ours)
        for key, value in given.items():
            if key.startswith("$"):
                raise _refused(key, "directives of a patch are not understood")
            result[key] = _merged(ours.get(key), value, key)
        return result
    if isinstance(ours, list) and isinstance(given, list) and name in MERGE_KEYS:
        return _merged_list(ours, given, MERGE_KEYS[name])
    return given


def _merged_list(ours: list[dict[str, Any]], given: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    by_key = {entry[key]: entry for entry in ours}
    for entry in given:
        name = entry.get(key)
        if name is None:
            raise _refused(key, f"each entry of the list needs its {key}")
        by_key[name] = _merged(by_key.get(name), entry, "")
    return list(by_key.values())
