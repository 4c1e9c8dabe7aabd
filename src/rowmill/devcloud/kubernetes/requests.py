"""Requests: which object or list a path means, and what is to be done with it. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from rowmill.devcloud.kubernetes import answers
from rowmill.devcloud.kubernetes.kinds import BY_RESOURCE, GROUPS, Kind

SUBRESOURCES = {
    "Pod": ("status", "log", "eviction", "binding"),
    "Namespace": ("status", "finalize"),
    "ServiceAccount": ("token",),
}
CORE, GROUPED = 2, 3  # parts of `/api/v1`, `/apis/batch/v1`


class Request(NamedTuple):
    """What a client sent.

    Attributes:
        query: Its parameters; the last of several wins.
        headers: By lower-case name.
        door: What stands before the path; see `authorizing.Tokens`.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    door: str = ""

    def says(self, name: str) -> bool:
        """Whether a parameter is given and not false."""
        return self.query.get(name, "").lower() in ("true", "1")

    @property
    def media(self) -> str:
        """The body's media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip()


class Target(NamedTuple):
    """What a path means.

    Attributes:
        namespace: Empty = all, or the kind has none.
        name: Empty = the list.
        part: The subresource; empty = the object itself.
        old_watch: Whether it is the old form of a watch, `/watch/`.
    """

    kind: Kind
    namespace: str = ""
    name: str = ""
    part: str = ""
    old_watch: bool = False


def request_of(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    """Return a request from its first line's parts."""
    split = urlsplit(target)
    door, path = "", unquote(split.path)
    if path.startswith("/~"):
        door, _, rest = path[1:].partition("/")
        door, path = f"/{door}", f"/{rest}"
    return Request(method, path, dict(parse_qsl(split.query, keep_blank_values=True)), headers, body, door)


def unknown() -> answers.Refusal:
    """Return the answer for what this server does not have."""
    return answers.Refusal(404, "NotFound", "the server could not find the requested resource", {})


def target_of(path: str) -> Target | None:
    """Return what a path means; None if it is not below a group that is served.

    Raises:
        Refusal: The group has no such resource.
    """
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, rest = "", parts[CORE:]
    elif parts[0] == "apis" and len(parts) > CORE and parts[1] in GROUPS and parts[1]:
        group, rest = parts[1], parts[GROUPED:]
        if parts[2:3] != ["v1"]:
            raise unknown()
    else:
        return None
    if not rest:
        return None
    old_watch = rest[:1] == ["watch"]
    return _target(group, rest[1:] if old_watch else rest, old_watch=old_watch)


def _target(group: str, rest: list[str], *, old_watch: bool) -> Target:
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > CORE and not _is_part("Namespace", rest[CORE]):
        namespace, rest = rest[1], rest[CORE:]
    plural, name, part = (*rest, "", "", "")[:3]
    kind = BY_RESOURCE.get((group, plural))
    if (
        kind is None
        or len(rest) > GROUPED
        or (namespace and not kind.namespaced)
        or (part and not _is_part(kind.name, part))
    ):
        raise unknown()
    if name and kind.namespaced and not namespace:
        raise unknown()
    return Target(kind, namespace, name, part, old_watch)


def _is_part(kind: str, word: str) -> bool:
    return word in SUBRESOURCES.get(kind, ("status",))


def verb_of(request: Request, target: Target) -> str:
    """Return what is to be done, in the word that roles have for it; empty = that cannot be done."""
    watch = target.old_watch or (request.says("watch") and not target.name)
    many = {"GET": "watch" if watch else "list", "POST": "create", "DELETE": "deletecollection"}
    one = {"GET": "watch" if target.old_watch else "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    if target.part in ("eviction", "binding", "token"):
        return "create" if request.method == "POST" else ""
    if target.part == "log":
        return "get" if request.method == "GET" else ""
    if target.part:
        return {"GET": "get", "PUT": "update", "PATCH": "patch"}.get(request.method, "")
    verb = (one if target.name else many).get(request.method, "")
    return verb if verb in target.kind.verbs else ""
