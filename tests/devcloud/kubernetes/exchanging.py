"""Requests to a small Kubernetes, as any HTTP client sends them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

HANGS_S = 20.0


class Got(NamedTuple):
    status: int
    body: Any
    warnings: list[str]
    headers: dict[str, str]


def opened(cluster) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=HANGS_S)


def ask(connection, cluster, method, path, query=None, body=None, headers=None) -> http.client.HTTPResponse:
    raw = body if isinstance(body, (bytes, type(None))) else body if isinstance(body, str) else json.dumps(body)
    given = {"Accept": "application/json", "Authorization": f"Bearer {cluster.token}"}
    if raw is not None:
        given["Content-Type"] = "application/json"
    target = quote(path) + (f"?{urlencode(query)}" if query else "")
    connection.request(method, target, raw.encode() if isinstance(raw, str) else raw, given | (headers or {}))
    return connection.getresponse()


def send(cluster, method, path, query=None, body=None, headers=None) -> Got:
    connection = opened(cluster)
    try:
        answer = ask(connection, cluster, method, path, query, body, headers)
        found = answer.read()
    finally:
        connection.close()
    try:
        value = json.loads(found)
    except ValueError:
        value = found.decode()
    warnings = [text for name, text in answer.getheaders() if name == "Warning"]
    return Got(answer.status, value, warnings, dict(answer.getheaders()))


def job(name="a", **spec) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:1", "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def pod(name="p", **spec) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:1", "command": ["true"]}
    meta = {"name": name, "namespace": "default"}
    return {"kind": "Pod", "metadata": meta, "spec": {"restartPolicy": "Never", "containers": [container], **spec}}


class Stream:
    """A stream that is read by a thread of its own, line by line."""

    def __init__(self, cluster, path, query) -> None:
        self.lines: list[Any] = []
        self.ended, self.grown = threading.Event(), threading.Condition()
        connection = opened(cluster)
        connection.connect()
        self._socket = connection.sock
        answer = ask(connection, cluster, "GET", path, query)
        self.status = answer.status
        self._thread = threading.Thread(target=self._read, args=(connection, answer))
        self._thread.start()

    def _read(self, connection, answer) -> None:
        with suppress(OSError, http.client.HTTPException):
            while line := answer.readline():
                with self.grown:
                    self.lines.append(json.loads(line) if line.startswith(b"{") else line.decode())
                    self.grown.notify_all()
        self.ended.set()
        answer.close()
        connection.close()

    def first(self, count) -> list[Any]:
        """Return the first lines, as soon as they are there; of events their type and name."""
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.lines) >= count, HANGS_S), self.lines
            found = self.lines[:count]
        return [
            line if isinstance(line, str) else (line["type"], line["object"]["metadata"].get("name")) for line in found
        ]

    def leave(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(HANGS_S)


JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
