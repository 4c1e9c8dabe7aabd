"""What stands between a new object and the store: its namespace, defaults, validation, Pod Security, quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, defaults, quotas, security, validation, validation_jobs
from rowmill.devcloud.kubernetes.answers import Cause, Object
from rowmill.devcloud.kubernetes.kinds import BY_NAME

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.store import Store

POD_CHANGES = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
ROOT_CONFIG = "kube-root-ca.crt"


def admitted(store: Store, obj: Object) -> Object:
    """Return a new object as it will be stored.

    Raises:
        Refusal: It is not let in.
    """
    _in_namespace(store, obj)
    if obj["kind"] == "Pod":
        _account(store, obj)
    new = defaults.filled(obj)
    causes = list(validation.metadata(new))
    if new["kind"] == "Job":
        causes += validation_jobs.created(new)
    elif new["kind"] == "Pod":
        causes += validation.pod_spec(new["spec"], "spec")
    elif new["kind"] == "ResourceQuota":
        causes += quotas.lacking(new)
    validation.check(new, causes)
    if new["kind"] == "Pod":
        _secure(store, new)
    quotas.check(store, new)
    return new


def _in_namespace(store: Store, obj: Object) -> None:
    kind, meta = BY_NAME[obj["kind"]], obj["metadata"]
    if not kind.namespaced:
        return
    found = store.get("Namespace", "", meta["namespace"])
    if found is None:
        raise answers.missing(BY_NAME["Namespace"], meta["namespace"])
    if "deletionTimestamp" in found["metadata"]:
        name = meta["namespace"]
        cause = Cause("NamespaceTerminating", f"namespace {name} is being terminated", "metadata.namespace")
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise answers.forbidden(kind, meta["name"], why, [cause])


def _account(store: Store, pod: Object) -> None:
    meta, spec = pod["metadata"], pod.get("spec", {})
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    if store.get("ServiceAccount", meta["namespace"], name) is None:
        called = meta.get("generateName") or meta["name"]  # its name is not yet made when Kubernetes looks
        place = f"{meta['namespace']}/{name}"
        why = f'error looking up service account {place}: serviceaccount "{name}" not found'
        raise answers.forbidden(BY_NAME["Pod"], called, why)


def _secure(store: Store, pod: Object) -> None:
    namespace = store.get("Namespace", "", pod["metadata"]["namespace"])
    if namespace is None:
        return
    level, version = security.level(namespace, "enforce")
    found = security.violations(pod["spec"], level)
    if found:
        why = f'violates PodSecurity "{level}:{version}": {found}'
        raise answers.forbidden(BY_NAME["Pod"], pod["metadata"]["name"], why)


def warnings(store: Store, obj: Object) -> list[str]:
    """Return what the server says beside its answer about an object that it let in."""
    specs = {"Pod": obj.get("spec", {}), "Job": obj.get("spec", {}).get("template", {}).get("spec", {})}
    namespace = store.get("Namespace", "", obj["metadata"].get("namespace", ""))
    if obj["kind"] not in specs or namespace is None:
        return []
    for mode in ("warn", "enforce"):
        level, version = security.level(namespace, mode)
        found = security.violations(specs[obj["kind"]], level)
        if found:
            return [f'would violate PodSecurity "{level}:{version}": {found}']
    return []


def changed(old: Object, new: Object) -> Object:
    """Return a changed object as it will be stored.

    Raises:
        Refusal: It may not become that.
    """
    new = defaults.refilled(new)
    uid = new["metadata"].get("uid")
    other = [validation.wrong("metadata.uid", uid, validation_jobs.IMMUTABLE)] if uid != old["metadata"]["uid"] else []
    causes = [*other, *validation.metadata(new)]
    if new["kind"] == "Job":
        causes += [*validation_jobs.created(new), *validation_jobs.specified(new)]  # twice, as Kubernetes does
        causes += [*other, *validation_jobs.changed(old, new)]
    elif new["kind"] == "Pod" and _kept(old["spec"]) != _kept(new["spec"]):
        causes.append(Cause("FieldValueForbidden", POD_CHANGES, "spec"))
    elif old.get("immutable") and any(old.get(part) != new.get(part) for part in ("data", "binaryData", "immutable")):
        why = "Forbidden: field is immutable when `immutable` is set"
        causes.append(Cause("FieldValueForbidden", why, "data"))
    validation.check(new, causes)
    return new


def _kept(spec: Object) -> Object:
    """Return what of a pod's spec may not change."""
    free = ("activeDeadlineSeconds", "tolerations")
    kept = {name: value for name, value in spec.items() if name not in free}
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{**each, "image": "", "imagePullPolicy": ""} for each in kept[group]]
    return kept


def furnish(store: Store, namespace: str) -> None:
    """Make what Kubernetes makes in each new namespace."""
    meta = {"namespace": namespace}
    store.create("ServiceAccount", {"metadata": {**meta, "name": "default"}})
    store.create("ConfigMap", {"metadata": {**meta, "name": ROOT_CONFIG}, "data": {"ca.crt": ""}})
