"""Create objects; answer reviews of access and requests for tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import admission, answers, applying, authorizing, bodies, evicting, representing
from rowmill.devcloud.kubernetes.answering import Answer, Api
from rowmill.devcloud.kubernetes.kinds import Kind
from rowmill.devcloud.kubernetes.requests import Target, unknown

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.requests import Request


def create(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer to a POST on a list."""
    kind = target.kind
    obj, complaints = bodies.body_of(request, kind, "CreateOptions")
    if kind.name == "SelfSubjectAccessReview":
        return _review(api, request, obj)
    meta = obj.setdefault("metadata", {})
    if kind.namespaced:
        if meta.get("namespace", target.namespace) != target.namespace:
            why = "the namespace of the provided object does not match the namespace sent on the request"
            raise answers.bad_request(why)
        meta["namespace"] = target.namespace
    if meta.get("resourceVersion"):
        raise answers.Refusal(500, "", "resourceVersion should not be set on objects to be created")
    return Answer(201, *_created(api, request, kind, obj, form, complaints))


def _created(
    api: Api, request: Request, kind: Kind, obj: Object, form: str, complaints: tuple[str, ...]
) -> tuple[Any, str, tuple[str, ...]]:
    owned = applying.updated(None, obj, bodies.manager_of(request, "Update"), api.store.now())
    dry = bodies.is_dry(request, "CreateOptions")
    new = api.store.create(kind.name, owned, dry_run=dry)
    if kind.name == "Namespace" and not dry:
        admission.furnish(api.store, new["metadata"]["name"])
    warnings = (*complaints, *admission.warnings(api.store, new))
    return representing.shown(kind, new, form, api.store.clock()), "application/json", warnings


def _review(api: Api, request: Request, obj: Object) -> Answer:
    wanted = obj.get("spec", {}).get("resourceAttributes", {})
    kind = Kind(wanted.get("resource", ""), wanted.get("resource", ""), wanted.get("group", ""))
    target = Target(kind, wanted.get("namespace", ""), wanted.get("name", ""), wanted.get("subresource", ""))
    allowed = authorizing.allows(api.store, api.tokens.user(request), wanted.get("verb", ""), target)
    return Answer(201, {"metadata": {}, **obj, "status": {"allowed": allowed}})


def part(api: Api, request: Request, target: Target) -> Answer:
    """Answer to a POST on a part of an object."""
    if target.part == "eviction":
        return evicting.answer(api, request, target)
    if target.part == "token":
        return _token(api, target)
    raise unknown()


def _token(api: Api, target: Target) -> Answer:
    if api.store.get("ServiceAccount", target.namespace, target.name) is None:
        raise answers.missing(target.kind, target.name)
    token = api.tokens.issue(target.namespace, target.name)
    status = {"token": token, "expirationTimestamp": "2100-01-01T00:00:00Z"}
    return Answer(
        201, {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "status": status}
    )
