"""ResourceQuotas: how many pods and KubernetesJobs a namespace may have, and what its pods may claim."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, quantities
from rowmill.devcloud.kubernetes.answers import Cause, Object
from rowmill.devcloud.kubernetes.kinds import BY_NAME, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.store import Store

COUNTED = {"pods": "Pod"} | {f"count/{kind.resource}": kind.name for kind in KINDS if kind.namespaced}
CLAIMED = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    **{f"{half}.{name}": (half, name) for half in ("requests", "limits") for name in ("cpu", "memory")},
}
OVER = ("Succeeded", "Failed")


def lacking(quota: Object) -> Iterator[Cause]:
    """Tell what a quota limits that is not counted here."""
    for name in quota.get("spec", {}).get("hard", {}):
        if name not in COUNTED and name not in CLAIMED:
            yield Cause("FieldValueForbidden", answers.LACKING, f"spec.hard[{name}]")


def used(store: Store, quota: Object) -> dict[str, str]:
    """Return how much of a quota is used, by what it limits."""
    namespace = quota["metadata"]["namespace"]
    return {name: _shown(_used(store, namespace, name)) for name in quota.get("spec", {}).get("hard", {})}


def _used(store: Store, namespace: str, name: str) -> Decimal:
    kind = COUNTED.get(name, "Pod")
    found, _ = store.shared(kind, namespace)
    if name in COUNTED and name != "pods":
        return Decimal(len(found))
    live = [each for each in found if each.get("status", {}).get("phase") not in OVER]
    return (
        Decimal(len(live)) if name == "pods" else sum((_claim(each, name) or Decimal(0) for each in live), Decimal(0))
    )


def _claim(pod: Object, name: str) -> Decimal | None:
    """Return what a pod claims; None if one of its containers does not say."""
    half, what = CLAIMED[name]
    found = [each.get("resources", {}).get(half, {}).get(what) for each in pod["spec"].get("containers", ())]
    return None if None in found else sum(map(quantities.number, found), Decimal(0))


def check(store: Store, new: Object) -> None:
    """Make sure that a new object stays within its namespace's quotas.

    Raises:
        Refusal: It does not, or it does not say what it claims.
    """
    if new["kind"] == "ResourceQuota" or not BY_NAME[new["kind"]].namespaced:
        return
    for quota in store.shared("ResourceQuota", new["metadata"]["namespace"])[0]:
        _check(store, quota, new)


def _check(store: Store, quota: Object, new: Object) -> None:
    kind, name, over = BY_NAME[new["kind"]], new["metadata"]["name"], []
    for limited, most in sorted(quota.get("spec", {}).get("hard", {}).items()):
        wanted = _wanted(quota, new, limited)
        if wanted is None:
            continue
        before = _used(store, new["metadata"]["namespace"], limited)
        if before + wanted > quantities.number(most):
            over.append((limited, _shown(wanted), _shown(before), most))
    if over:
        parts = [
            f"{word}: {','.join(f'{each[0]}={each[place]}' for each in over)}"
            for place, word in enumerate(("requested", "used", "limited"), 1)
        ]
        raise answers.forbidden(kind, name, f"exceeded quota: {quota['metadata']['name']}, {', '.join(parts)}")


def _wanted(quota: Object, new: Object, limited: str) -> Decimal | None:
    if limited in COUNTED:
        return Decimal(1) if COUNTED[limited] == new["kind"] else None
    if new["kind"] != "Pod":
        return None
    claim = _claim(new, limited)
    if claim is None:
        half, what = CLAIMED[limited]
        silent = [
            each["name"] for each in new["spec"]["containers"] if what not in each.get("resources", {}).get(half, {})
        ]
        why = f"failed quota: {quota['metadata']['name']}: must specify {limited} for: {','.join(silent)}"
        raise answers.forbidden(BY_NAME["Pod"], new["metadata"]["name"], why)
    return claim


def _shown(value: Decimal) -> str:
    return str(int(value)) if value == value.to_integral_value() else f"{int(value * 1000)}m"
