"""What the server says of itself: version, health, groups and their resources. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.devcloud.kubernetes import openapi
from rowmill.devcloud.kubernetes.kinds import GROUPS, KINDS, Kind
from rowmill.devcloud.kubernetes.requests import SUBRESOURCES

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
HEALTH = ("/readyz", "/livez", "/healthz")
STATUS_VERBS = ["get", "patch", "update"]


class Part(NamedTuple):
    """A subresource: what it takes, of which group, and what can be done with it."""

    name: str
    kind: str
    group: str
    verbs: list[str]


PARTS = {
    "log": ("Pod", "", ["get"]),
    "eviction": ("Eviction", "policy", ["create"]),
    "binding": ("Binding", "", ["create"]),
    "token": ("TokenRequest", "authentication.k8s.io", ["create"]),
    "finalize": ("Namespace", "", ["update"]),
}


def parts_of(kind: Kind) -> list[Part]:
    """Return a kind's subresources, by name."""
    names = SUBRESOURCES.get(kind.name, ("status",) if kind.status else ())
    return [Part(name, *PARTS.get(name, (kind.name, "", STATUS_VERBS))) for name in sorted(names)]


def document(path: str, accept: str, address: str) -> Any:
    """Return what stands at a path: an object, a text, bytes of OpenAPI; None if nothing does."""
    path = path.rstrip("/") or "/"
    aggregated = AGGREGATED in accept
    if path == "/version":
        return VERSION
    if path in HEALTH:
        return "ok"
    if path == "/":
        return {
            "paths": [
                "/api",
                "/api/v1",
                "/apis",
                *(f"/apis/{group}/v1" for group in GROUPS if group),
                *HEALTH,
                "/version",
            ]
        }
    if path == "/api":
        return _aggregated([""]) if aggregated else _versions(address)
    if path == "/apis":
        groups = [group for group in GROUPS if group]
        return _aggregated(groups) if aggregated else _groups(groups)
    return _group(path) or openapi.document(path, accept)


def _group(path: str) -> Object | None:
    for group in GROUPS:
        if path == (f"/apis/{group}/v1" if group else "/api/v1"):
            return _resources(group)
        if group and path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_named(group)}
    return None


def _versions(address: str) -> Object:
    clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}


def _named(group: str) -> Object:
    version = {"groupVersion": f"{group}/v1", "version": "v1"}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _groups(groups: list[str]) -> Object:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(map(_named, groups))}


def _resources(group: str) -> Object:
    head = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
    rows = [row for kind in _kinds(group) for row in (_resource(kind), *_subresources(kind))]
    return {**head, "groupVersion": f"{group}/v1" if group else "v1", "resources": rows}


def _kinds(group: str) -> list[Kind]:
    return sorted((kind for kind in KINDS if kind.group == group), key=lambda kind: kind.plural)


def _resource(kind: Kind) -> Object:
    row = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": list(kind.verbs),
    }
    return row | _extras(kind)


def _extras(kind: Kind) -> Object:
    short = {"shortNames": list(kind.short)} if kind.short else {}
    return short | ({"categories": ["all"]} if kind.all else {})


def _subresources(kind: Kind) -> list[Object]:
    return [
        {
            "name": f"{kind.plural}/{part.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **({"group": part.group, "version": "v1"} if part.group else {}),
            "kind": part.kind,
            "verbs": part.verbs,
        }
        for part in parts_of(kind)
    ]


def _aggregated(groups: list[str]) -> Object:
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [{"version": "v1", "resources": list(map(_described, _kinds(group))), "freshness": "Current"}],
        }
        for group in groups
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _described(kind: Kind) -> Object:
    row = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.name},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.name.lower(),
        "verbs": list(kind.verbs),
    }
    parts = [
        {
            "subresource": part.name,
            "responseKind": {"group": part.group, "version": "v1" if part.group else "", "kind": part.kind},
            "verbs": part.verbs,
        }
        for part in parts_of(kind)
    ]
    return row | _extras(kind) | ({"subresources": parts} if parts else {})
