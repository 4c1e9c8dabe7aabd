"""What CDK's kubectl provider does: apply a template's Kubernetes objects, and delete what is no longer in it."""

import json
import time
from typing import Any

from rowmill.devcloud.aws.asking import APPLY, Answer, ask
from rowmill.devcloud.aws.types import OBJECTS_NOT_MADE

MANAGER = [("fieldManager", "aws-cdk"), ("force", "true"), ("fieldValidation", "Strict")]
REFUSED, GONE = 400, 404
PATIENCE_S, POLL_S = 60.0, 0.02
Object = dict[str, Any]


def create(logical_id: str, props: Object, stack: str) -> tuple[str, Object]:
    """Apply a resource's objects."""
    for obj in _objects(props):
        _sent(obj, "PATCH")
    return f"{stack}-{logical_id}", {}


def update(physical_id: str, old: Object, new: Object, _stack: str) -> tuple[str, Object]:
    """Apply a resource's objects; delete those that are no longer there."""
    for obj in _objects(new):
        _sent(obj, "PATCH")
    kept = [_key(obj) for obj in _objects(new)]
    _remove([obj for obj in _objects(old) if _key(obj) not in kept])
    return physical_id, {}


def delete(_physical_id: str, props: Object) -> None:
    """Delete a resource's objects."""
    _remove(_objects(props))


def _objects(props: Object) -> list[Object]:
    found: list[Object] = json.loads(props["Manifest"])
    return [obj for obj in found if obj["kind"] not in OBJECTS_NOT_MADE]


def _key(obj: Object) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace", ""), meta["name"]


def _remove(objects: list[Object]) -> None:
    """Delete objects, the last one first, and wait until they are gone."""
    for obj in reversed(objects):
        _sent(obj, "DELETE")
        end = time.monotonic() + PATIENCE_S
        while ask("GET", _path(obj)).status != GONE:
            if time.monotonic() > end:
                raise ValueError(f"{obj['kind']} {obj['metadata']['name']} does not go away")
            time.sleep(POLL_S)


def _sent(obj: Object, method: str) -> None:
    query, body = (MANAGER, obj) if method == "PATCH" else ([], None)
    answer = ask(method, _path(obj), query, body, media=APPLY if method == "PATCH" else "application/json")
    if answer.status >= REFUSED and not (method == "DELETE" and answer.status == GONE):
        raise ValueError(f"{obj['kind']} {obj['metadata']['name']}: {_why(answer)}")


def _why(answer: Answer) -> str:
    return str(answer.body["message"]) if isinstance(answer.body, dict) else f"HTTP {answer.status}"


def _path(obj: Object) -> str:
    version = obj["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    known = ask("GET", base)
    kinds = known.body["resources"] if known.status < REFUSED else []
    kind = next((one for one in kinds if one["kind"] == obj["kind"] and "/" not in one["name"]), None)
    if kind is None:
        raise ValueError(f"the local Kubernetes knows no {obj['kind']} of {version}")
    within = f"/namespaces/{obj['metadata'].get('namespace', 'default')}" if kind["namespaced"] else ""
    return f"{base}{within}/{kind['name']}/{obj['metadata']['name']}"
