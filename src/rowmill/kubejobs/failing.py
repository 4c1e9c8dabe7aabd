"""What Kubernetes does when a pod ends badly: built from the error classes, so that both tell the same."""

from __future__ import annotations

from typing import Any

from rowmill.errors import (
    BY_NAME,
    ConfigurationError,
    HeldError,
    InputError,
    IntegrityError,
    ProcessingError,
    RowmillError,
    StateError,
    TransientError,
)

CONTAINER = "rowmill"
STOPPED = 143  # SIGTERM, after a clean stop
FAIL_JOB, FAIL_INDEX, COUNT, IGNORE = "FailJob", "FailIndex", "Count", "Ignore"
INDEXED_STEP = "process"

ACTIONS: dict[type[RowmillError], str] = {
    ConfigurationError: FAIL_JOB,
    InputError: FAIL_JOB,
    ProcessingError: FAIL_INDEX,  # with maxFailedIndexes 0: the KubernetesJob fails, told by the index that did
    StateError: FAIL_JOB,
    IntegrityError: FAIL_JOB,
    HeldError: FAIL_JOB,  # a pod that comes again would hold the output again
    TransientError: COUNT,
    RowmillError: COUNT,
}


def action_of(kind: type[RowmillError], *, indexed: bool) -> str:
    """Return what Kubernetes does with a pod that ended with this error; without indexes, none can fail alone."""
    action = ACTIONS[kind]
    return FAIL_JOB if action == FAIL_INDEX and not indexed else action


def pod_failure_policy(step: str, *, indexed: bool | None = None) -> dict[str, Any]:
    """Return the podFailurePolicy of a step's KubernetesJob; the first rule that fits decides.

    Args:
        step: `split`, `process`, `merge`, `run` or `check`.
        indexed: Whether the KubernetesJob is; by default, whether the step's own is.
    """
    by_index = step == INDEXED_STEP if indexed is None else indexed
    codes: dict[str, list[int]] = {}
    for kind in BY_NAME.values():
        codes.setdefault(action_of(kind, indexed=by_index), []).append(kind.exit_code)
    rules = [_on_codes(action, codes[action]) for action in (FAIL_JOB, FAIL_INDEX, COUNT) if action in codes]
    disrupted = {"action": IGNORE, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {"rules": [disrupted, _on_codes(IGNORE, [STOPPED]), *rules]}


def _on_codes(action: str, codes: list[int]) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": sorted(codes)}}
