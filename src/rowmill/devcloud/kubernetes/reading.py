"""Get, list and watch."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, bodies, quotas, representing, selectors, watching
from rowmill.devcloud.kubernetes.answering import Answer, Api
from rowmill.devcloud.kubernetes.answers import Cause, Object

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.requests import Request, Target

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


def get(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer with one object."""
    found = api.store.get(target.kind.name, target.namespace, target.name)
    if found is None:
        raise answers.missing(target.kind, target.name)
    shown = representing.shown(target.kind, with_use(api, found), form, api.store.clock())
    if request.headers.get("accept", "").startswith("application/yaml"):
        return Answer(200, _yaml(shown), "application/yaml")
    return Answer(200, shown)


def _yaml(obj: Object) -> bytes:
    import yaml  # noqa: PLC0415 - only who asks for YAML needs it

    return yaml.safe_dump(obj).encode()  # type: ignore[no-any-return]


def with_use(api: Api, obj: Object) -> Object:
    """Return an object as it is shown: a quota with what is used of it now."""
    if obj["kind"] != "ResourceQuota":
        return obj
    status = {"hard": obj["spec"].get("hard", {}), "used": quotas.used(api.store, obj)}
    return {**obj, "status": status}


def listed(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer with many objects, all or a page of them."""
    meets = selectors.chosen(target.kind, *(request.query.get(name, "") for name in ("labelSelector", "fieldSelector")))
    limit = bodies.number(request, "limit")
    start, version = _start(request)
    asked = version or _exactly(api, request)
    found, version = api.store.at(target.kind.name, target.namespace or None, asked)
    chosen = [with_use(api, obj) for obj in found if meets(obj) and _key(obj) > start]
    meta: Object = {"resourceVersion": str(version)}
    if limit and len(chosen) > limit:
        meta["continue"] = _token(version, _key(chosen[limit - 1]))
        if not any(request.query.get(name) for name in ("labelSelector", "fieldSelector")):
            meta["remainingItemCount"] = len(chosen) - limit
        chosen = chosen[:limit]
    return Answer(200, representing.listed(target.kind, chosen, meta, form, api.store.clock()))


def _key(obj: Object) -> str:
    meta = obj["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


def _token(version: int, last: str) -> str:
    text = json.dumps({"v": representing.META, "rv": version, "start": last + "\0"})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start(request: Request) -> tuple[str, int]:
    """Return after which object a page begins, and of which version the list is."""
    token = request.query.get("continue", "")
    if not token:
        return "", 0
    if request.query.get("resourceVersion"):
        raise answers.bad_request("specifying resource version is not allowed when using continue")
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return found["start"].rstrip("\0"), int(found["rv"])
    except (ValueError, KeyError, TypeError):
        raise answers.bad_request("invalid continue token: continue key is not valid") from None


def _exactly(api: Api, request: Request) -> int:
    """Return the version that a list must be of; 0 = now."""
    text, match = request.query.get("resourceVersion", ""), request.query.get("resourceVersionMatch", "")
    if match and not text:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise bodies.options_invalid("ListOptions", Cause("FieldValueForbidden", why, "resourceVersionMatch"))
    if text and not text.isdigit():
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise answers.bad_request(f"invalid resource version: {why}")
    asked = int(text or 0)
    if asked > api.store.version:
        raise too_new(asked, api.store.version)
    return asked if match == "Exact" else 0


def too_new(asked: int, version: int) -> answers.Refusal:
    """Return the answer for a version that is not there yet."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    return answers.Refusal(504, "Timeout", f"Timeout: Too large resource version: {asked}, current: {version}", details)


def watch(api: Api, request: Request, target: Target, form: str) -> Answer:
    """Answer with a stream of changes."""
    by_fields = request.query.get("fieldSelector", "")
    if target.name:
        by_fields = f"metadata.name={target.name}"
    meets = selectors.chosen(target.kind, request.query.get("labelSelector", ""), by_fields)
    text = request.query.get("resourceVersion", "")
    if text and not text.isdigit():
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise answers.Refusal(500, "", why)
    initial = request.query.get("sendInitialEvents")
    if initial is not None and request.query.get("resourceVersionMatch") != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise bodies.options_invalid("ListOptions", Cause("FieldValueForbidden", why, "resourceVersionMatch"))
    wanted = watching.Watch(
        kind=target.kind,
        namespace=target.namespace,
        meets=meets,
        form=form,
        since=int(text or 0),
        initial=request.says("sendInitialEvents") if initial is not None else int(text or 0) == 0,
        marked=request.says("sendInitialEvents"),
        bookmarks=request.says("allowWatchBookmarks"),
        lasts_s=bodies.number(request, "timeoutSeconds") or watching.LASTS_S,
    )
    return Answer(200, stream=watching.stream(api, wanted))
