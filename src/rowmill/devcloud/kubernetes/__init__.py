"""A small Kubernetes on this machine's loopback: an API server in memory, whose pods are local processes."""

from __future__ import annotations

import os
import secrets
import threading
import time
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import admission, nodes
from rowmill.devcloud.kubernetes.answering import Api
from rowmill.devcloud.kubernetes.authorizing import Tokens
from rowmill.devcloud.kubernetes.faults import Fault, Rules, anybody
from rowmill.devcloud.kubernetes.kubelet.identities import IDENTITIES
from rowmill.devcloud.kubernetes.kubelet.node import NAME as NODE
from rowmill.devcloud.kubernetes.kubelet.node import NodeSettings
from rowmill.devcloud.kubernetes.kubelet.volumes import Entry
from rowmill.devcloud.kubernetes.server import HOST, Server
from rowmill.devcloud.kubernetes.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rowmill.devcloud.kubernetes.faults import Rule
    from rowmill.devcloud.kubernetes.requests import Request

__all__ = ["Cluster", "Fault", "serving", "start"]

CONTROLLER = "rowmill.devcloud.kubernetes.controller"  # imported only where something runs
KUBECONFIG, TOKEN = "kubeconfig", "token"
NAMESPACES = ("default", "kube-system")
OWNER_ONLY = 0o600


class Cluster:
    """A small Kubernetes that runs in this process.

    Attributes:
        url: Where it listens.
        kubeconfig: The file by which clients find it and may do everything.
        token: The token in that file.
        store: All its objects.
    """

    def __init__(self, server: Server, folder: Path, token: str) -> None:
        self.url = f"http://{server.api.address}"
        self.kubeconfig, self.token, self.store = folder / KUBECONFIG, token, server.api.store
        self.controllers: Any = None
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="kubernetes", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.server_address[1])

    def fail(self, rule: Rule, whose: Callable[[Request], bool] = anybody) -> Callable[[], None]:
        """Let requests fail: `rule(method, path)` returns a status, a `Fault`, or None; what is returned ends it.

        Args:
            rule: Decides.
            whose: Whether it decides of a request; by default of each.
        """
        return self._server.rules.add(rule, whose)

    def is_by_account(self, request: Request) -> bool:
        """Whether a service account asks, by its token."""
        return request.headers.get("authorization", "").removeprefix("Bearer ") not in ("", self.token)

    def reset(self) -> None:
        """Remove all objects but those that were there at the start."""
        self._server.api.reset()

    def stop(self) -> None:
        """End it, its streams and its controllers."""
        if self.controllers is not None:
            self.controllers.stop()
        self._server.api.closing.set()
        self.store.wake()
        self._server.shutdown()
        self._server.close_all()
        self._server.server_close()
        self._thread.join()


def furnish(store: Store, node: NodeSettings) -> None:
    """Make what is there from the start: two namespaces and the node."""
    for name in NAMESPACES:
        store.create("Namespace", {"metadata": {"name": name}})
        admission.furnish(store, name)
    store.create("Node", nodes.described(NODE, node.cpu, node.memory, dict(node.labels), store.now()))


def start(
    folder: Path, port: int = 0, *, controllers: bool = True, clock: Callable[[], float] = time.time, **settings: Any
) -> Cluster:
    """Start a small Kubernetes; its objects are gone when it ends.

    Args:
        folder: Where its kubeconfig, logs and volumes are.
        port: Where it listens, on 127.0.0.1; 0 = a free one.
        controllers: Whether KubernetesJobs make pods, and pods run.
        clock: Its time.
        settings: The controllers'.
    """
    folder.mkdir(parents=True, exist_ok=True)
    token = _token(folder)
    node = NodeSettings(**{name: value for name, value in settings.items() if name in NodeSettings._fields})
    store = Store(clock, admission.admitted)
    furnish(store, node)
    (folder / IDENTITIES).unlink(missing_ok=True)
    server = Server(port, Rules())
    address = f"{HOST}:{server.server_address[1]}"

    def reset() -> None:
        store.clear()
        furnish(store, node)
        (folder / IDENTITIES).unlink(missing_ok=True)

    server.api = Api(store, Tokens(token), folder, address, threading.Event(), reset)
    _write(folder / KUBECONFIG, _kubeconfig(f"http://{address}{server.api.tokens.door}", token))
    cluster = Cluster(server, folder, token)
    if controllers:
        url, tokens = f"http://{address}", server.api.tokens

        def access(namespace: str, account: str) -> Entry:
            token = tokens.of(namespace, account)
            return Entry(token, _kubeconfig(url, token, namespace))

        cluster.controllers = import_module(CONTROLLER).start(store, folder, access, **settings)
    return cluster


@contextmanager
def serving(folder: Path, port: int = 0, **settings: Any) -> Iterator[Cluster]:
    """Run a small Kubernetes meanwhile; the arguments are those of `start`."""
    cluster = start(folder, port, **settings)
    try:
        yield cluster
    finally:
        cluster.stop()


def _token(folder: Path) -> str:
    """Return the administrator's token, the same for a folder, so that a kubeconfig stays good."""
    path = folder / TOKEN
    if not path.exists():
        _write(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _kubeconfig(url: str, token: str, namespace: str = "default") -> str:
    return f"""apiVersion: v1
kind: Config
current-context: devcloud
contexts:
- name: devcloud
  context: {{cluster: devcloud, user: devcloud, namespace: {namespace}}}
clusters:
- name: devcloud
  cluster: {{server: "{url}"}}
users:
- name: devcloud
  user: {{token: "{token}"}}
"""
