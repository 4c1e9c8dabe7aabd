"""The little of OpenAPI that kubectl asks before it sends an object: that the server itself checks fields. Pure.

Of a `List` kubectl checks each item by the older description, and what that does not know it leaves to the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes.kinds import GROUPS, KINDS, Kind

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

INDEX, OLDER = "/openapi/v3", "/openapi/v2"
OLDER_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # no media type, strictly
OLDER_MEDIA = OLDER_ASKED.replace("@", ".")
INFO = {"title": "Kubernetes", "version": "v1.36.2"}
CHECKED = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]


def document(path: str, accept: str) -> Object | bytes | None:
    """Return the index, or what stands in it for a group, or the older description; None elsewhere."""
    if path == OLDER:
        return _older(binary=OLDER_ASKED in accept)
    if path == INDEX:
        return {"paths": {place: {"serverRelativeURL": f"{INDEX}/{place}"} for place in map(_place, GROUPS)}}
    for group in GROUPS:
        if path == f"{INDEX}/{_place(group)}":
            kinds = [kind for kind in KINDS if kind.group == group]
            return {"openapi": "3.0.0", "info": INFO, "paths": dict(map(_path, kinds))}
    return None


def _older(*, binary: bool) -> Object | bytes:
    """Return the older description, which describes nothing: as JSON, or as kubectl reads it."""
    if not binary:
        return {"swagger": "2.0", "info": INFO, "paths": {}}
    info = _text(1, INFO["title"].encode()) + _text(2, INFO["version"].encode())
    return _text(1, b"2.0") + _text(2, info)  # `Document` of gnostic: 1 swagger, 2 info


def _text(number: int, data: bytes) -> bytes:
    """Return a field of a protobuf message that is shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def _place(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


def _path(kind: Kind) -> tuple[str, Object]:
    """Return that a kind's objects can be patched, and are checked then: kubectl takes that for all it sends."""
    within = "namespaces/{namespace}/" if kind.namespaced else ""
    meant = {"group": kind.group, "version": "v1", "kind": kind.name}
    patch = {"parameters": CHECKED, "responses": {}, "x-kubernetes-group-version-kind": meant}
    return f"/{_place(kind.group)}/{within}{kind.plural}/{{name}}", {"patch": patch}
