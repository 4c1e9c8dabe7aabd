"""Names and labels: two tries never meet under one name, and whoever looks finds a run's objects by its labels."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.kubejobs.asked import Pods, Request

DOMAIN = "rowmill.dev"
RUN, REQUEST, PLACE, STEP, ATTEMPT, PARTITION = (
    f"{DOMAIN}/{it}" for it in ("run", "request", "place", "step", "attempt", "partition")
)
EXECUTION, ROUND = f"{DOMAIN}/execution", f"{DOMAIN}/round"  # of a state machine: whose, and which time
QUEUE = "kueue.x-k8s.io/queue-name"
DIGEST_LENGTH, SHORT_RUN = 10, 16
MOST_BYTES = 52  # what is left of a label's 63 for `-<index>-<5 random>`
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def request_digest(pods: Pods, request: Request) -> str:
    """Return what names a request before its run's id is known.

    It changes with all that may change what comes out, code and image included; not with the number of workers. Whoever
    asks for the same may attach to what is under way, and nobody is given the run of another's code.
    """
    words = [word for word in request.words if not word.startswith("--workers=")]
    env = [f"{name}={pods.env[name]}" for name in sorted(pods.env)]
    what = [pods.job, pods.code, pods.image, pods.service_account, pods.template, *_volume(pods)]
    fields = [*what, pods.workspace, *env, request.input, *words]
    return _digest(*(f"{len(field.encode())}:{field}" for field in fields))


def place_digest(pods: Pods, request: Request) -> str:
    """Return what names the places of a request, whatever code, image or options it has: who has them is in the way."""
    fields = [*_volume(pods), pods.workspace, request.input, request.output or f"{request.input}_Output"]
    return _digest(*(f"{len(field.encode())}:{field}" for field in fields))


def _volume(pods: Pods) -> list[str]:
    """Return which volume paths are on: the same path on another is another file."""
    return [] if pods.claim is None else [pods.claim.name, pods.claim.mount]


def job_name(key: str, step: str, attempt: int, partition: int | None = None) -> str:
    """Return the name of a step's KubernetesJob.

    Args:
        key: The request's digest, or the run's id.
        step: `split`, `process`, `merge`, `run` or `check`.
        attempt: Number of the try, from 1.
        partition: Which, where each partition has a KubernetesJob of its own.
    """
    what = step if partition is None else f"{step}-p{partition:05d}"
    name = f"rowmill-{key[:SHORT_RUN]}-{what}-{attempt}"
    if len(name) > MOST_BYTES or not LABEL.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name for a KubernetesJob", hint="this is a bug: report it")
    return name


def code_name(files: Mapping[str, str]) -> str:
    """Return the name of a ConfigMap with these files: other content, another name."""
    return f"rowmill-code-{_digest(*(f'{len(name)}:{name}{len(text)}:{text}' for name, text in sorted(files.items())))}"


def labels(pods: Pods, step: str, attempt: int, *, run_id: str = "", request: str = "") -> dict[str, str]:
    """Return the labels of a step's objects; the user's come first, so that ours stand."""
    ours = {
        "app.kubernetes.io/name": "rowmill",
        "app.kubernetes.io/instance": run_id or request,
        "app.kubernetes.io/version": wire.VERSION,
        "app.kubernetes.io/component": step,
        "app.kubernetes.io/part-of": "rowmill",
        "app.kubernetes.io/managed-by": "rowmill",
        STEP: step,
        ATTEMPT: str(attempt),
    }
    named = {RUN: run_id, REQUEST: request}
    return {**pods.labels, **ours, **{name: value for name, value in named.items() if value}}


def _digest(*fields: str) -> str:
    return hashlib.sha256("".join(fields).encode()).hexdigest()[:DIGEST_LENGTH]
