"""What the server fills in where nothing is said: the values that Kubernetes 1.36 gives. Pure."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

MOST = 2**31 - 1
IMAGE = re.compile(r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9._-]+(/[a-z0-9._-]+)*(:[\w.-]+)?(@[a-z0-9]+:[0-9a-f]+)?")
FILE_MODE = 0o644
JOB_NAME, JOB_NAME_OLD = "batch.kubernetes.io/job-name", "job-name"
JOB_UID, JOB_UID_OLD = "batch.kubernetes.io/controller-uid", "controller-uid"
TOLERATED_S = 300


def filled(obj: Object) -> Object:
    """Return a new object with all that its kind's server fills in; it may be changed in place."""
    fill = FILLERS.get(obj["kind"])
    return obj if fill is None else fill(obj)


def refilled(obj: Object) -> Object:
    """Return a changed object with what the server fills in where nothing is said; it may be changed in place."""
    if obj["kind"] == "Job":
        _job_spec(obj)
    elif obj["kind"] == "Pod":
        obj["spec"] = pod_spec(obj.get("spec", {}))
    return obj


def _job_spec(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", MOST if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    policy = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in (policy or {}).get("rules", ()):
        for pattern in rule.get("onPodConditions", ()):
            pattern.setdefault("status", "True")
    template["spec"] = pod_spec(template.get("spec", {}))
    return spec


def _job(obj: Object) -> Object:
    spec = _job_spec(obj)
    template = spec["template"]
    if not spec["manualSelector"]:
        _select(obj, spec)
    if not obj["metadata"].get("labels") and template.get("metadata", {}).get("labels"):
        obj["metadata"]["labels"] = dict(template["metadata"]["labels"])
    obj["status"] = {}
    return obj


def _select(obj: Object, spec: Object) -> None:
    """Let a KubernetesJob select its pods by its uid."""
    uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for label, value in ((JOB_UID, uid), (JOB_NAME, name), (JOB_UID_OLD, uid), (JOB_NAME_OLD, name)):
        labels.setdefault(label, value)
    spec.setdefault("selector", {}).setdefault("matchLabels", {})[JOB_UID] = uid


def _pod(obj: Object) -> Object:
    spec = obj["spec"] = pod_spec(obj.get("spec", {}))
    account = spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = account
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        _request_limits(container["resources"])
    tolerations = spec.setdefault("tolerations", [])
    for trouble in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{trouble}"
        if not any(each.get("key") in (key, None) for each in tolerations):
            rest = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED_S}
            tolerations.append({"key": key, **rest})
    obj["status"] = {"phase": "Pending", "qosClass": quality(spec)}
    return obj


def _request_limits(resources: Object) -> None:
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **resources.get("requests", {})}


def quality(spec: Object) -> str:
    """Return how firm a pod's claim on its node is, in Kubernetes' word."""
    found = [container.get("resources", {}) for container in spec.get("containers", ())]
    if not any(each.get("limits") or each.get("requests") for each in found):
        return "BestEffort"
    firm = all(
        {"cpu", "memory"} <= each.get("limits", {}).keys() and each["limits"] == each.get("requests") for each in found
    )
    return "Guaranteed" if firm else "Burstable"


def pod_spec(spec: Object) -> Object:
    """Return a pod's spec, or that of a template, with what the server fills in."""
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    return spec


def _container(container: Object) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", "Always" if _is_latest(container.get("image", "")) else "IfNotPresent")
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", ()):
        _reference(variable.get("valueFrom", {}))


def _reference(owner: Object) -> None:
    if "fieldRef" in owner:
        owner["fieldRef"].setdefault("apiVersion", "v1")
    if "resourceFieldRef" in owner:
        owner["resourceFieldRef"].setdefault("divisor", "0")


def _is_latest(image: str) -> bool:
    if not IMAGE.fullmatch(image):
        return False
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in ("", "latest")


def _volume(volume: Object) -> None:
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if source in volume:
            volume[source].setdefault("defaultMode", FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    sources = (volume, *volume.get("projected", {}).get("sources", ()))
    for item in (item for source in sources for item in source.get("downwardAPI", {}).get("items", ())):
        _reference(item)
    if volume.keys() == {"name"}:
        volume["emptyDir"] = {}


def _namespace(obj: Object) -> Object:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}
    return obj


def _persistent_volume(obj: Object) -> Object:
    spec = obj.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    obj["status"] = {"phase": "Available"}
    return obj


def _claim(obj: Object) -> Object:
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    obj["status"] = {"phase": "Pending"}
    return obj


def _secret(obj: Object) -> Object:
    obj.setdefault("type", "Opaque")
    for name, value in obj.pop("stringData", {}).items():
        obj.setdefault("data", {})[name] = base64.b64encode(value.encode()).decode()
    return obj


def _with_status(obj: Object) -> Object:
    obj["status"] = {}
    return obj


FILLERS = {
    "Job": _job,
    "Namespace": _namespace,
    "PersistentVolume": _persistent_volume,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "PodDisruptionBudget": _with_status,
    "ResourceQuota": _with_status,
    "Secret": _secret,
}
