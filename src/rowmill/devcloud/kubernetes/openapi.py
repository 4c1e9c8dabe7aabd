"""The little of OpenAPI that kubectl asks before it sends an object: that the server itself checks fields. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes.kinds import GROUPS, KINDS, Kind

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

INDEX = "/openapi/v3"
CHECKED = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]


def document(path: str) -> Object | None:
    """Return the index, or what stands in it for a group; None elsewhere."""
    if path == INDEX:
        return {"paths": {place: {"serverRelativeURL": f"{INDEX}/{place}"} for place in map(_place, GROUPS)}}
    for group in GROUPS:
        if path == f"{INDEX}/{_place(group)}":
            kinds = [kind for kind in KINDS if kind.group == group]
            info = {"title": "Kubernetes", "version": "v1.36.2"}
            return {"openapi": "3.0.0", "info": info, "paths": dict(map(_path, kinds))}
    return None


def _place(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


def _path(kind: Kind) -> tuple[str, Object]:
    """Return that a kind's objects can be patched, and are checked then: kubectl takes that for all it sends."""
    within = "namespaces/{namespace}/" if kind.namespaced else ""
    meant = {"group": kind.group, "version": "v1", "kind": kind.name}
    patch = {"parameters": CHECKED, "responses": {}, "x-kubernetes-group-version-kind": meant}
    return f"/{_place(kind.group)}/{within}{kind.plural}/{{name}}", {"patch": patch}
