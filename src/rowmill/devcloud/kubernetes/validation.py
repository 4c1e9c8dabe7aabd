"""Whether an object holds: names, labels and the pod that it describes; every cause in Kubernetes' words. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers, quantities
from rowmill.devcloud.kubernetes.answers import Cause, Object
from rowmill.devcloud.kubernetes.kinds import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
VARIABLE = re.compile(r"[ -<>-~]+")
MOST_LABEL, MOST_NAME, MOST_ANNOTATIONS = 63, 253, 262_144
NO_NAME = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NO_DNS_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NO_LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
NO_KEY = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
    "'example.com/MyName')"
)
NO_VARIABLE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
POLICIES = ("Always", "OnFailure", "Never")
SCHEDULER = "default-scheduler"


def shown(value: Any) -> str:
    """Return a value as messages have it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def wrong(field: str, value: Any, why: str) -> Cause:
    """Return that a value does not do."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {why}", field)


def required(field: str, why: str = "") -> Cause:
    """Return that a value is missing."""
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def unsupported(field: str, value: Any, supported: tuple[str, ...]) -> Cause:
    """Return that a value is none of those there are."""
    words = ", ".join(map(shown, supported))
    return Cause("FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {words}", field)


def duplicate(field: str, value: Any) -> Cause:
    """Return that a value stands there twice."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", field)


def negative(owner: Object, path: str, *names: str) -> Iterator[Cause]:
    """Tell which numbers are below 0."""
    for name in names:
        if name in owner and owner[name] < 0:
            yield wrong(f"{path}.{name}", owner[name], "must be greater than or equal to 0")


def check(obj: Object, causes: list[Cause]) -> None:
    """Raise what an object's causes come to, if there are any.

    Raises:
        Refusal: 422, with every cause.
    """
    if causes:
        raise answers.invalid(BY_NAME[obj["kind"]], obj["metadata"].get("name", ""), causes)


def metadata(obj: Object) -> Iterator[Cause]:
    """Tell what is wrong with a new object's name, labels and annotations."""
    meta = obj["metadata"]
    name = meta.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        for field in ("generateName", "name"):
            prefix = meta.get(field, "")
            if prefix and not (is_name(prefix) or (field == "generateName" and is_name(prefix.rstrip("-.") or "-"))):
                yield wrong(f"metadata.{field}", prefix, NO_NAME)
    template = obj.get("spec", {}).get("template", {}).get("metadata", {}) if obj["kind"] == "Job" else {}
    if meta.get("labels") != template.get("labels"):  # what the server took from there is told there
        yield from labels(meta.get("labels", {}), "metadata.labels")
    if sum(len(key) + len(value) for key, value in meta.get("annotations", {}).items()) > MOST_ANNOTATIONS:
        yield Cause(
            "FieldValueTooLong", f"Too long: may not be more than {MOST_ANNOTATIONS} bytes", "metadata.annotations"
        )


def is_name(name: str) -> bool:
    """Whether an object may have a name."""
    return len(name) <= MOST_NAME and NAME.fullmatch(name) is not None


def labels(found: dict[str, str], path: str) -> Iterator[Cause]:
    """Tell what is wrong with labels."""
    for key, value in found.items():
        if not QUALIFIED.fullmatch(key):
            yield wrong(path, key, NO_KEY)
        if len(value) > MOST_LABEL:
            yield wrong(path, value, f"must be no more than {MOST_LABEL} bytes")
        elif not LABEL_VALUE.fullmatch(value):
            yield wrong(path, value, NO_LABEL)


def pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Tell what is wrong with a pod's spec, or that of a template."""
    volumes = [volume.get("name", "") for volume in spec.get("volumes", ())]
    yield from _volumes(spec, path)
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for group in ("containers", "initContainers"):
        for place, container in enumerate(spec.get(group, ())):
            at = f"{path}.{group}[{place}]"
            yield from _name(container.get("name", ""), f"{at}.name", seen)
            yield from _container(container, at, volumes)
            if container.get("restartPolicy") not in ((None,) if group == "containers" else (None, "Always")):
                yield _restart(container["restartPolicy"], f"{at}.restartPolicy", init=group == "initContainers")
    if spec["schedulerName"] != SCHEDULER:
        yield Cause("FieldValueForbidden", answers.LACKING, f"{path}.schedulerName")
    if spec["restartPolicy"] not in POLICIES:
        yield unsupported(f"{path}.restartPolicy", spec["restartPolicy"], POLICIES)
    yield from negative(spec, path, "terminationGracePeriodSeconds")
    if spec.get("activeDeadlineSeconds", 1) < 1:
        why = "must be between 1 and 2147483647, inclusive"
        yield wrong(f"{path}.activeDeadlineSeconds", spec["activeDeadlineSeconds"], why)


def _name(name: str, path: str, seen: set[str]) -> Iterator[Cause]:
    if not name:
        yield required(path)
    elif name in seen:
        yield duplicate(path, name)
    elif len(name) > MOST_LABEL or not DNS_LABEL.fullmatch(name):
        yield wrong(path, name, NO_DNS_LABEL)
    seen.add(name)


def _restart(policy: str, path: str, *, init: bool) -> Cause:
    if init:
        return unsupported(path, policy, ("Always",))
    return Cause("FieldValueForbidden", "Forbidden: may not be set for non-init containers", path)


def _volumes(spec: Object, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for place, volume in enumerate(spec.get("volumes", ())):
        at = f"{path}.volumes[{place}]"
        yield from _name(volume.get("name", ""), f"{at}.name", seen)
        if "configMap" in volume and not volume["configMap"].get("name"):
            yield required(f"{at}.configMap.name")
        if "secret" in volume and not volume["secret"].get("secretName"):
            yield required(f"{at}.secret.secretName")
        if "persistentVolumeClaim" in volume and not volume["persistentVolumeClaim"].get("claimName"):
            yield required(f"{at}.persistentVolumeClaim.claimName")


def _container(container: Object, path: str, volumes: list[str]) -> Iterator[Cause]:
    if not container.get("image"):
        yield required(f"{path}.image")
    for place, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if not name:
            yield required(f"{path}.env[{place}].name")
        elif not VARIABLE.fullmatch(name):
            yield wrong(f"{path}.env[{place}].name", name, NO_VARIABLE)
    for place, mount in enumerate(container.get("volumeMounts", ())):
        at = f"{path}.volumeMounts[{place}]"
        if mount.get("name") not in volumes:
            yield Cause("FieldValueNotFound", f"Not found: {shown(mount.get('name', ''))}", f"{at}.name")
        if not mount.get("mountPath"):
            yield required(f"{at}.mountPath")
    yield from _resources(container.get("resources", {}), f"{path}.resources")


def _resources(resources: Object, path: str) -> Iterator[Cause]:
    limits = resources.get("limits", {})
    for name, wanted in resources.get("requests", {}).items():
        if name in limits and quantities.number(wanted) > quantities.number(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield wrong(f"{path}.requests", str(wanted), why)
