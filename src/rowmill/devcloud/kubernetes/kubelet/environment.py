"""A container's environment, command and arguments: what names and references stand for. Pure."""

from __future__ import annotations

import base64
import math
import re
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.quantities import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.devcloud.kubernetes.answers import Object

REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
KEYED = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")
DATA = {"configMap": "configmap", "secret": "secret"}
KINDS = {"configMap": "ConfigMap", "secret": "Secret"}


class ConfigError(Exception):
    """What a container needs is not there; Kubernetes waits for it."""


class Sources(NamedTuple):
    """Where values come from.

    Attributes:
        pod: The pod.
        get: Gives an object of the pod's namespace by kind and name; None if it is not there.
        capacity: What a container gets that has no limit, by resource.
    """

    pod: Object
    get: Callable[[str, str], Object | None]
    capacity: Object


def expanded(text: str, variables: dict[str, str]) -> str:
    """Replace `$(NAME)` by values; `$$(NAME)` stays, without the first dollar, and so does what nobody has."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return REFERENCE.sub(value, text)


def variables(container: Object, sources: Sources) -> dict[str, str]:
    """Return a container's environment as its specification has it.

    Raises:
        ConfigError: A ConfigMap or Secret, or a key in it, is not there.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        sort = "configMap" if "configMapRef" in source else "secret"
        reference = source[f"{sort}Ref"]
        data = contents(sort, reference["name"], sources, optional=bool(reference.get("optional")))
        binary = (sources.get(KINDS[sort], reference["name"]) or {}).get("binaryData") or {}
        texts = {key: value.decode("utf-8", "replace") for key, value in (data or {}).items() if key not in binary}
        found |= {source.get("prefix", "") + key: text for key, text in texts.items()}
    for entry in container.get("env") or ():
        value = _value(entry, container, sources) if entry.get("valueFrom") else expanded(entry.get("value", ""), found)
        if value is not None:
            found[entry["name"]] = value
    return found


def contents(sort: str, name: str, sources: Sources, *, optional: bool = False) -> dict[str, bytes] | None:
    """Return what a ConfigMap or Secret holds; None if it is not there and need not be.

    Raises:
        ConfigError: It is not there.
    """
    found = sources.get(KINDS[sort], name)
    if found is None:
        if optional:
            return None
        raise ConfigError(f'{DATA[sort]} "{name}" not found')
    if sort == "secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def _value(entry: Object, container: Object, sources: Sources) -> str | None:
    [(sort, reference)] = entry["valueFrom"].items()
    if sort == "fieldRef":
        return field(reference["fieldPath"], sources.pod)
    if sort == "resourceFieldRef":
        return resource(reference, container, sources.capacity)
    what = sort.removesuffix("KeyRef")
    optional = bool(reference.get("optional"))
    data = contents(what, reference["name"], sources, optional=optional)
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode("utf-8", "replace")
    if optional:
        return None
    place = f"{sources.pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {KINDS[what]} {place}")


def field(path: str, pod: Object) -> str:
    """Return a field of a pod, as the downward API gives it."""
    keyed = KEYED.fullmatch(path)
    if keyed:
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.removeprefix("metadata."), {})
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(entries.items()))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(one["ip"] for one in pod.get("status", {}).get(path.removeprefix("status."), ()))
    value: Object | str = pod
    for word in path.split("."):
        value = value.get(word, "") if isinstance(value, dict) else ""
    return str(value)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(reference: Object, container: Object, capacity: Object) -> str:
    """Return a container's request or limit, rounded up to whole divisors."""
    half, _, name = reference["resource"].partition(".")
    resources = container.get("resources", {})
    found = resources.get(half, {}).get(name) or resources.get("limits", {}).get(name) or capacity.get(name, 0)
    divisor = number(reference.get("divisor") or 1)
    return str(math.ceil(number(found) / (divisor or 1)))
