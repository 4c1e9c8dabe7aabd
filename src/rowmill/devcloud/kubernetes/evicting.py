"""The eviction of a pod: it is told why, then it is deleted; a PodDisruptionBudget forbids it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, decoding, selectors
from rowmill.devcloud.kubernetes.answering import Answer, Api
from rowmill.devcloud.kubernetes.kinds import BY_NAME

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.requests import Request, Target
    from rowmill.devcloud.kubernetes.store import Store

OVER = ("Succeeded", "Failed")
RETRY_S = 10
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


def answer(api: Api, request: Request, target: Target) -> Answer:
    """Answer to a POST on a pod's eviction."""
    found, _ = decoding.parsed(request.body or b"{}", target.kind)
    options = found.get("deleteOptions") or {}
    if found.get("apiVersion", "policy/v1") != "policy/v1":
        why = f'Eviction in version "{found["apiVersion"]}" cannot be handled as a Eviction: it is not served'
        raise answers.bad_request(why)
    evict(
        api.store,
        target.namespace,
        target.name,
        grace_s=options.get("gracePeriodSeconds"),
        preconditions=options.get("preconditions"),
    )
    return Answer(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})


def evict(
    store: Store,
    namespace: str,
    name: str,
    *,
    reason: str = "EvictionByEvictionAPI",
    message: str = "Eviction API: evicting",
    grace_s: int | None = None,
    preconditions: dict[str, str] | None = None,
) -> None:
    """Evict a pod as Kubernetes does: the condition `DisruptionTarget` first, then its deletion.

    Raises:
        Refusal: 404, it is not there; 429, a PodDisruptionBudget forbids it.
    """
    pod = store.get("Pod", namespace, name)
    if pod is None:
        raise answers.missing(BY_NAME["Pod"], name)
    if pod.get("status", {}).get("phase") not in OVER:
        _check_budgets(store, pod)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": store.now(),
            "reason": reason,
            "message": message,
        }
        store.update("Pod", namespace, name, lambda old: _told(old, condition), status=True)
    store.delete("Pod", namespace, name, grace_s=grace_s, preconditions=preconditions)


def _told(pod: Object, condition: Object) -> Object:
    status = pod.get("status", {})
    others = [each for each in status.get("conditions", ()) if each["type"] != condition["type"]]
    return {**pod, "status": {**status, "conditions": [*others, condition]}}


def _check_budgets(store: Store, pod: Object) -> None:
    """Make sure that no budget holds a pod: budgets are stored here and never counted, so each one does."""
    labels = pod["metadata"].get("labels", {})
    for budget in store.shared("PodDisruptionBudget", pod["metadata"]["namespace"])[0]:
        if selectors.matches(budget.get("spec", {}).get("selector", {}), labels):
            why = f"The disruption budget {budget['metadata']['name']} is still being processed by the server."
            details = {"causes": [{"reason": "DisruptionBudget", "message": why}], "retryAfterSeconds": RETRY_S}
            raise answers.Refusal(429, "TooManyRequests", VIOLATES, details)
