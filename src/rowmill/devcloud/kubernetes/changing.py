"""Changes of objects that are there: by a whole new object, by a patch, by apply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import admission, answers, applying, bodies, decoding, patching, representing
from rowmill.devcloud.kubernetes.answering import Answer, Api
from rowmill.devcloud.kubernetes.answers import Cause, Object

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.devcloud.kubernetes.requests import Request, Target

KEPT = ("creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
PATCHES = (patching.MERGE, patching.STRATEGIC, patching.JSON_PATCH, *patching.APPLY)


def check_name(obj: Object, target: Target) -> None:
    """Make sure that a body means the object that the path means.

    Raises:
        Refusal: It means another.
    """
    meta = obj.setdefault("metadata", {})
    name, place = meta.get("name", ""), meta.get("namespace", target.namespace)
    if name != target.name:
        why = f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        if not name:
            why = "name must be provided"
        raise answers.bad_request(why)
    if place != target.namespace:
        raise answers.bad_request(
            f"the namespace of the object ({place}) does not match the namespace on the URL ({target.namespace})"
        )


def change(
    api: Api, request: Request, target: Target, make: Callable[[Object], Object], manager: applying.Manager
) -> Object:
    """Change an object or its status, as a whole; return it.

    Raises:
        Refusal: It is not there, was changed meanwhile, or may not become that.
    """
    kind, now, status = target.kind, api.store.now(), target.part == "status"

    def changed(old: Object) -> Object:
        new = _pinned(kind, old, make(old))
        if status:
            new = {**new, "spec": old["spec"]} if "spec" in old else new
        elif kind.status:
            new = {**new, "status": old.get("status", {})}
        if not status:
            new = admission.changed(old, new)
        if manager.operation == "Update" and _bare(new) != _bare(old):
            new = applying.updated(old, new, manager, now)
        return new

    dry = bodies.is_dry(request, "UpdateOptions")
    found = api.store.update(kind.name, target.namespace, target.name, changed, status=status, dry_run=dry)
    if found is None:
        raise answers.missing(kind, target.name)
    return found


def _pinned(kind: Any, old: Object, new: Object) -> Object:
    """Return a changed object with what nobody may change of its metadata."""
    meta = {**new["metadata"]}
    wanted = meta.get("resourceVersion")
    if wanted and wanted != old["metadata"]["resourceVersion"]:
        raise answers.modified(kind, old["metadata"]["name"])
    meta["resourceVersion"] = old["metadata"]["resourceVersion"]
    meta.setdefault("uid", old["metadata"]["uid"])
    for name in KEPT:
        meta.pop(name, None)
        if name in old["metadata"]:
            meta[name] = old["metadata"][name]
    if kind.namespaced:
        meta["namespace"] = old["metadata"]["namespace"]
    meta["managedFields"] = old["metadata"].get("managedFields", [])
    return {**new, "metadata": meta}


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "managedFields": []}}


def update(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer to a PUT on an object or its status."""
    obj, complaints = bodies.body_of(request, target.kind, "UpdateOptions")
    check_name(obj, target)
    manager = bodies.manager_of(request, "Update", target.part)
    new = change(api, request, target, lambda _old: obj, manager)
    return Answer(200, representing.shown(target.kind, new, form, api.store.clock()), warnings=complaints)


def patch(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer to a PATCH."""
    if request.media not in PATCHES:
        raise answers.Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    if request.media in patching.APPLY:
        return _apply(api, request, target, form)
    try:
        wanted = json.loads(request.body)
    except ValueError:
        raise answers.bad_request("error decoding patch: unexpected end of JSON input") from None
    warnings: list[str] = []

    def make(old: Object) -> Object:
        return _decoded(request, target, patching.patched(request.media, old, wanted), warnings)

    new = change(api, request, target, make, bodies.manager_of(request, "Update", target.part))
    return Answer(200, representing.shown(target.kind, new, form, api.store.clock()), warnings=tuple(warnings))


def _decoded(request: Request, target: Target, found: Object, warnings: list[str]) -> Object:
    """Return a patched object, read as a body is; what is wrong with it is told as a patch's fault."""
    try:
        decoded = decoding.decoded(target.kind, found)
    except answers.Refusal as refusal:
        raise _bad_patch(found, refusal.message.partition(": ")[2]) from None
    mode = request.query.get("fieldValidation", "")
    if decoded.complaints and mode == "Strict":
        raise _bad_patch(found, f"strict decoding error: {', '.join(decoded.complaints)}")
    obj, complaints = bodies.settled(decoded, target.kind, mode)
    warnings.extend(complaints)
    check_name(obj, target)
    return obj


def _bad_patch(found: Object, why: str) -> answers.Refusal:
    text = json.dumps(json.dumps(found, separators=(",", ":")))
    cause = Cause("FieldValueInvalid", f"Invalid value: {text}: {why}", "patch")
    return answers.Refusal(422, "Invalid", f' "" is invalid: patch: {cause.message}', {"causes": [cause._asdict()]})


def _apply(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer to a server-side apply."""
    if not request.query.get("fieldManager"):
        why = "Required value: is required for apply patch"
        raise bodies.options_invalid("PatchOptions", Cause("FieldValueRequired", why, "fieldManager"))
    wanted = _configuration(request, target)
    manager = bodies.manager_of(request, "Apply", target.part)
    now, force = api.store.now(), request.says("force")
    if not target.part and api.store.get(target.kind.name, target.namespace, target.name) is None:
        return _apply_new(api, request, target, form, wanted, manager)

    def changed(old: Object) -> Object:
        new = applying.applied(old, wanted, manager, force=force, now=now)
        owned = new["metadata"]["managedFields"]
        new = _pinned(target.kind, old, decoding.decoded(target.kind, new).object)  # maps that are empty now go
        new["metadata"]["managedFields"] = owned
        return new if target.part else admission.changed(old, new)

    status, dry = target.part == "status", bodies.is_dry(request, "PatchOptions")
    new = api.store.update(target.kind.name, target.namespace, target.name, changed, status=status, dry_run=dry)
    if new is None:
        raise answers.missing(target.kind, target.name)
    return Answer(200, representing.shown(target.kind, new, form, api.store.clock()))


def _apply_new(
    api: Api, request: Request, target: Target, form: str, wanted: Object, manager: applying.Manager
) -> Answer:
    if target.kind.namespaced:
        wanted["metadata"]["namespace"] = target.namespace
    owned = {manager: applying.paths(target.kind.name, wanted)}
    obj = applying.with_owners(wanted, owned, api.store.now())
    dry = bodies.is_dry(request, "PatchOptions")
    new = api.store.create(target.kind.name, obj, dry_run=dry)
    if target.kind.name == "Namespace" and not dry:
        admission.furnish(api.store, target.name)
    warnings = tuple(admission.warnings(api.store, new))
    return Answer(201, representing.shown(target.kind, new, form, api.store.clock()), warnings=warnings)


def _configuration(request: Request, target: Target) -> Object:
    kind = target.kind
    found, _ = decoding.parsed(request.body if request.body[:1] == b"{" else decoding.from_yaml(request.body), kind)
    if not isinstance(found, dict) or not found.get("kind"):
        version = found.get("apiVersion", "") if isinstance(found, dict) else ""
        raise answers.bad_request(f"invalid object type: {version}, Kind=")
    decoded = decoding.decoded(kind, found)
    if decoded.object.get("metadata", {}).get("managedFields"):
        raise answers.bad_request("metadata.managedFields must be nil")
    if decoded.complaints:
        field = decoded.complaints[0].partition('"')[2].rstrip('"')
        called = f"/{target.name}; {kind.api_version}, Kind={kind.name}"
        why = f"failed to create typed patch object ({called}): .{field}: field not declared in schema"
        raise answers.Refusal(500, "", why)
    obj, _ = bodies.settled(decoded, kind, "")
    check_name(obj, target)
    return obj
