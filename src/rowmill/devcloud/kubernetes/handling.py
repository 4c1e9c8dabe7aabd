"""From a request to an answer: who asks, what the path means, and what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import (
    answers,
    authorizing,
    changing,
    creating,
    discovery,
    logs,
    openapi,
    reading,
    removing,
    representing,
    requests,
)
from rowmill.devcloud.kubernetes.answering import Answer, Api, refused

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.requests import Request, Target

RESET = "/_devcloud/reset"
PLAIN = "text/plain; charset=utf-8"


def answer(api: Api, request: Request) -> Answer:
    """Return the answer to a request; a refusal is one."""
    try:
        return _answer(api, request)
    except answers.Refusal as refusal:
        return refused(refusal)


def _answer(api: Api, request: Request) -> Answer:
    user = api.tokens.user(request)
    target = requests.target_of(request.path)
    if target is None:
        return _document(api, request, user)
    verb = requests.verb_of(request, target)
    if not verb:
        raise answers.Refusal(405, "MethodNotAllowed", NOT_ALLOWED, {})
    authorizing.check(api.store, user, verb, target)
    return _done(api, request, target, verb)


NOT_ALLOWED = "the server does not allow this method on the requested resource"


def _document(api: Api, request: Request, user: authorizing.User) -> Answer:
    authorizing.check_path(user, request.method.lower(), request.path)
    if (request.method, request.path) == ("POST", RESET) and user.may_all:
        api.reset()
        return Answer(200, b"ok", PLAIN)
    accept = request.headers.get("accept", "")
    found = discovery.document(request.path, accept, api.address)
    if found is not None and request.method == "HEAD":
        return Answer(405, b"")
    if found is None:
        return Answer(404, b"404 page not found\n", PLAIN)
    if request.method != "GET":
        raise answers.Refusal(405, "MethodNotAllowed", NOT_ALLOWED, {})
    if isinstance(found, bytes):
        return Answer(200, found, openapi.OLDER_MEDIA)
    if isinstance(found, str):
        return Answer(200, found.encode(), PLAIN)
    aggregated = isinstance(found, dict) and found.get("kind") == "APIGroupDiscoveryList"
    return Answer(200, found, discovery.AGGREGATED if aggregated else "application/json")


def _done(api: Api, request: Request, target: Target, verb: str) -> Answer:
    if target.part == "log":
        return logs.answer(api, request, target)
    form = representing.form(request.headers.get("accept", ""))
    if verb == "create" and target.part:
        return creating.part(api, request, target)
    if verb in ("delete", "deletecollection"):
        return removing.answer(api, request, target, verb, form)
    return DOERS[verb](api, request, target, form)


DOERS = {
    "get": reading.get,
    "list": reading.listed,
    "watch": reading.watch,
    "create": creating.create,
    "update": changing.update,
    "patch": changing.patch,
}
