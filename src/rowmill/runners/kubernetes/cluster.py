"""The way to a cluster: plain dicts in and out, over the connection that lightkube makes from a kubeconfig or in a pod.

Every question is asked again where the API server is busy or gone for a moment; its refusals come out as our errors.
"""

from __future__ import annotations

import random
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from rowmill.errors import ConfigurationError, RowmillError, StateError, TransientError
from rowmill.model import policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

try:
    import httpx2
    from lightkube.config.client_adapter import Client, ConnectionParams
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.core.exceptions import ConfigError
except ImportError:
    raise ConfigurationError("Kubernetes needs its client library", hint="pip install 'rowmill[kubernetes]'") from None

OLDEST = (1, 33)  # the first whose Jobs have all that the runner relies on
TRIES, PAUSE_MOST_S, TIMEOUT_S = 12, 5.0, 30.0  # together a minute or so
FIRST_TRIES = 5  # of the first question of all: nobody is there, more often than busy
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE = 400, 401, 403, 404, 409, 410
TOO_MANY, SERVER_ERROR = 429, 500
PAGE = 500
MERGE_PATCH = "application/merge-patch+json"
GROUPS = {
    "Job": "apis/batch/v1", "ConfigMap": "api/v1", "Pod": "api/v1", "Event": "api/v1", "ServiceAccount": "api/v1",
    "Role": "apis/rbac.authorization.k8s.io/v1", "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
}  # fmt: skip
DICE = random.Random()  # noqa: S311 - pauses

Object = dict[str, Any]


class Cluster(NamedTuple):
    """A namespace of a cluster.

    Attributes:
        http: The connection.
        namespace: Where everything is done.
        server: The API server's address.
    """

    http: Any
    namespace: str
    server: str

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """Create an object; return False if there is one of its name, which may be this call's own.

        Raises:
            ConfigurationError: It is refused.
            TransientError: The server does not answer.
        """
        params = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        answer = self._ask("POST", self._path(manifest["kind"]), none_for=(CONFLICT,), params=params, json=manifest)
        return answer is not None

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, None if there is none."""
        found: Object | None = self._ask("GET", f"{self._path(kind)}/{name}", none_for=(NOT_FOUND,))
        return found

    def list(self, kind: str, *, labels: str = "", fields: str = "", most: int | None = None) -> Iterator[Object]:
        """Return the objects that selectors choose, in pages; at most the first page where `most` is given."""
        params = {"labelSelector": labels, "fieldSelector": fields, "limit": str(most or PAGE)}
        params = {name: value for name, value in params.items() if value}
        while True:
            page = self._ask("GET", self._path(kind), none_for=(GONE,), params=params)
            if page is None:  # the pages were too slow: from the beginning
                params.pop("continue", None)
                continue
            yield from page["items"]
            params["continue"] = page["metadata"].get("continue", "")
            if most or not params["continue"]:
                return

    def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> Object | None:
        """Change an object by a merge patch; None if there is none."""
        headers = {"Content-Type": MERGE_PATCH}
        url = f"{self._path(kind)}/{name}"
        changed: Object | None = self._ask("PATCH", url, none_for=(NOT_FOUND,), headers=headers, json=change)
        return changed

    def delete(self, kind: str, name: str) -> bool:
        """Delete an object, and what it owns in the background; return whether there was one."""
        options = {"propagationPolicy": "Background"}
        return self._ask("DELETE", f"{self._path(kind)}/{name}", none_for=(NOT_FOUND,), json=options) is not None

    def log(self, pod: str, *, tail_lines: int | None = None) -> str | None:
        """Return what a pod has written; None if it is gone, or has not begun."""
        params = {} if tail_lines is None else {"tailLines": str(tail_lines)}
        url = f"{self._path('Pod')}/{pod}/log"
        log: str | None = self._ask("GET", url, none_for=(BAD_REQUEST, NOT_FOUND), params=params, text=True)
        return log

    def check_version(self) -> None:
        """Make sure that the server is new enough.

        Raises:
            ConfigurationError: It is not.
        """
        told = self._ask("GET", "version", tries=FIRST_TRIES)
        found = tuple(int("".join(char for char in told[part] if char.isdigit()) or 0) for part in ("major", "minor"))
        if found < OLDEST:
            raise ConfigurationError(
                f"the cluster's Kubernetes is {found[0]}.{found[1]}",
                hint=f"Rowmill needs {OLDEST[0]}.{OLDEST[1]} or later",
            )

    def _path(self, kind: str) -> str:
        return f"{GROUPS[kind]}/namespaces/{self.namespace}/{kind.lower()}s"

    def _ask(
        self,
        method: str,
        path: str,
        *,
        none_for: tuple[int, ...] = (),
        text: bool = False,
        tries: int = TRIES,
        **words: Any,
    ) -> Any:
        answer: Any = None
        for number in range(tries):
            if number:
                time.sleep(policy.pause_s(number - 1, DICE, base_s=0.2, cap_s=PAUSE_MOST_S))
            try:
                answer = self.http.request(method, path, **words)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            except (ConfigError, OSError) as error:  # a credential plugin, a token that is gone
                raise ConfigurationError(f"the kubeconfig's credentials do not work: {error}", hint=LOOK) from None
            contended = answer.status_code == CONFLICT and _reason(answer) == "Conflict"  # of a quota, or of a change
            if answer.status_code < SERVER_ERROR and answer.status_code != TOO_MANY and not contended:
                return self._taken(answer, f"{method} {path}", none_for, text=text)
            problem = _said(answer)
        raise TransientError(
            f"the cluster at {self.server} does not answer: {problem}", hint="give the same command again later"
        )

    def _taken(self, answer: Any, asked: str, none_for: tuple[int, ...], *, text: bool) -> Any:
        if answer.status_code in none_for:
            return None
        if answer.is_success:
            return answer.text if text else answer.json()
        raise refused(answer.status_code, _said(answer), asked, self.namespace)


FORBIDS = "the cluster forbids"
LOOK = "try `kubectl auth whoami` with the same context"


def refused(status: int, said: str, asked: str, namespace: str) -> RowmillError:
    """Return the error for a request that the API server refuses.

    Args:
        status: Of the answer.
        said: Its message.
        asked: Method and path.
        namespace: Where.
    """
    if status == UNAUTHORIZED:
        return ConfigurationError(f"the cluster does not know these credentials: {said}", hint=LOOK)
    if status == FORBIDDEN and "exceeded quota" in said:
        return ConfigurationError(f"the namespace's quota is used up: {said}", hint="free some, or ask for more")
    if status == FORBIDDEN and "admission" not in said and "webhook" not in said and "violates" not in said:
        return ConfigurationError(f"{FORBIDS} {asked}: {said}", hint="docs/howto/approval.md lists the rights")
    if status == NOT_FOUND and "namespaces" in said:
        return ConfigurationError(f"there is no namespace {namespace}", hint="make it, or give another --namespace")
    if status == CONFLICT:
        return StateError(f"the cluster refuses {asked}: {said}", hint="give the same command again")
    return ConfigurationError(
        f"the cluster refuses {asked}: {said}", hint="a pod template or an admission policy is in the way"
    )


def _reason(answer: Any) -> str:
    try:
        return str(answer.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def _said(answer: Any) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


@contextmanager
def connected(context: str | None, namespace: str | None) -> Iterator[Cluster]:
    """Give the cluster of a kubeconfig's context, or the one whose pod this is.

    Args:
        context: Name of the context; None = the current one.
        namespace: Where to work; None = the context's own.

    Raises:
        ConfigurationError: There is no such context, or the kubeconfig does not read.
    """
    try:
        config = KubeConfig.from_env().get(context)
        assert config is not None  # noqa: S101 - no default was given
        http = Client(config, ConnectionParams(timeout=httpx2.Timeout(TIMEOUT_S)))
    except (ConfigError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"the kubeconfig is not usable: {error}", hint="set KUBECONFIG, or give --kube-context"
        ) from None
    server = urlsplit(config.cluster.server)  # its path may be a secret, where a proxy is in front
    with closing(http):
        yield Cluster(http, namespace or config.namespace or "default", f"{server.scheme}://{server.netloc}")
