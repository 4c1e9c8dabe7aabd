"""Requests to a small Kubernetes, as any HTTP client sends them."""

from __future__ import annotations

import http.client
import json
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


JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
