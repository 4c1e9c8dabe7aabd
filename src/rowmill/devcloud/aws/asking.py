"""Requests to the small Kubernetes."""

import http.client
import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from rowmill.devcloud.aws import places

PATIENCE_S = 60.0
APPLY = "application/apply-patch+yaml"


class Identity(NamedTuple):
    """As whom somebody asks: name and groups."""

    name: str
    groups: tuple[str, ...]


class Answer(NamedTuple):
    """What came: status, headers, and the body, read if it is JSON."""

    status: int
    headers: dict[str, list[str]]
    body: Any


def ask(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]] = (),
    body: Any = None,
    *,
    identity: Identity | None = None,
    media: str = "application/json",
) -> Answer:
    """Send a request, as an administrator or for somebody; `path` as it is in a URL, not yet quoted.

    Raises:
        OSError: It does not answer.
    """
    target = quote(path, safe="/:~") + (f"?{urlencode(list(query))}" if query else "")
    connection = http.client.HTTPConnection(urlsplit(places.kubernetes_url()).netloc, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, target)
        raw = b"" if body is None else json.dumps(body).encode()
        for name, value in (*_headers(identity), ("Content-Type", media), ("Content-Length", str(len(raw)))):
            connection.putheader(name, value)
        connection.endheaders(raw)
        return _read(connection.getresponse())
    finally:
        connection.close()


def _headers(identity: Identity | None) -> list[tuple[str, str]]:
    token = (places.kubernetes_folder() / "token").read_text(encoding="ascii")
    found = [("Authorization", f"Bearer {token}"), ("Accept", "application/json")]
    if identity is not None:
        found += [("Impersonate-User", identity.name)]
        found += [("Impersonate-Group", group) for group in identity.groups]
    return found


def _read(response: http.client.HTTPResponse) -> Answer:
    headers: dict[str, list[str]] = {}
    for name, value in response.getheaders():
        headers.setdefault(name, []).append(value)
    raw = response.read()
    is_json = "json" in response.headers.get("Content-Type", "")
    return Answer(response.status, headers, json.loads(raw) if is_json and raw else raw.decode("utf-8", "replace"))
