"""Pod Security: what a namespace's level forbids a pod, in Kubernetes' words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.answers import Object

LABEL = "pod-security.kubernetes.io/"
ALLOWED_BASELINE = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
ALLOWED_RESTRICTED = frozenset({"NET_BIND_SERVICE"})
PROFILES = ("RuntimeDefault", "Localhost")


def level(namespace: Object, mode: str) -> tuple[str, str]:
    """Return a namespace's level and its version for a mode: `enforce`, `warn`; `privileged` forbids nothing."""
    labels = namespace["metadata"].get("labels", {})
    return labels.get(LABEL + mode, "privileged"), labels.get(f"{LABEL}{mode}-version", "latest")


def violations(spec: Object, wanted: str) -> str:
    """Return all that a level forbids in a pod's spec, in one sentence; empty if it fits."""
    if wanted == "restricted":
        return ", ".join(_restricted(spec))
    return ", ".join(_baseline(spec)) if wanted == "baseline" else ""


def _containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]


def _named(names: list[str]) -> str:
    return f"container{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _quoted(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _having(spec: Object, field: str) -> list[tuple[str, Any]]:
    return [(each["name"], each.get("securityContext", {}).get(field, {})) for each in _containers(spec)]


def _baseline(spec: Object) -> Iterator[str]:
    added = [
        (name, sorted(set(found.get("add", ())) - ALLOWED_BASELINE)) for name, found in _having(spec, "capabilities")
    ]
    wrong = [name for name, words in added if words]
    if wrong:
        words = sorted({word for _, some in added for word in some})
        must = f"{_named(wrong)} must not include {_quoted(words)} in securityContext.capabilities.add"
        yield f"non-default capabilities ({must})"
    paths = [volume["name"] for volume in spec.get("volumes", ()) if "hostPath" in volume]
    if paths:
        yield f"hostPath volumes (volume{'s' if len(paths) > 1 else ''} {_quoted(paths)})"
    unconfined = [name for name, found in _having(spec, "seccompProfile") if found.get("type") == "Unconfined"]
    whole = spec.get("securityContext", {}).get("seccompProfile", {}).get("type") == "Unconfined"
    if unconfined or whole:
        who = " and ".join((["pod"] if whole else []) + ([_named(unconfined)] if unconfined else []))
        yield f'seccompProfile ({who} must not set securityContext.seccompProfile.type to "Unconfined")'


def _restricted(spec: Object) -> Iterator[str]:
    yield from _baseline(spec)
    own = spec.get("securityContext", {})
    rising = [name for name, found in _having(spec, "allowPrivilegeEscalation") if found is not False]
    if rising:
        who = _named(rising)
        yield f"allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
    yield from _capabilities(spec)
    root = [
        name
        for name, found in _having(spec, "runAsNonRoot")
        if found is False or (found == {} and own.get("runAsNonRoot") is not True)
    ]
    if root:
        who = f"pod or {_named(root)}" if own.get("runAsNonRoot") is not False else f"pod and {_named(root)}"
        yield f"runAsNonRoot != true ({who} must set securityContext.runAsNonRoot=true)"
    zero = [name for name, found in _having(spec, "runAsUser") if found == 0]
    if zero or own.get("runAsUser") == 0:
        who = " and ".join((["pod"] if own.get("runAsUser") == 0 else []) + ([_named(zero)] if zero else []))
        yield f"runAsUser=0 ({who} must not set runAsUser=0)"
    covered = own.get("seccompProfile", {}).get("type") in PROFILES
    having = _having(spec, "seccompProfile")
    bare = [name for name, found in having if not covered and found.get("type") not in PROFILES]
    if bare:
        yield (
            f"seccompProfile (pod or {_named(bare)} must set securityContext.seccompProfile.type to "
            '"RuntimeDefault" or "Localhost")'
        )


def _capabilities(spec: Object) -> Iterator[str]:
    found = _having(spec, "capabilities")
    keeping = [name for name, words in found if "ALL" not in words.get("drop", ())]
    adding = [name for name, words in found if set(words.get("add", ())) - ALLOWED_RESTRICTED]
    texts = []
    if keeping:
        texts.append(f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        words = sorted({word for _, some in found for word in some.get("add", ())} - ALLOWED_RESTRICTED)
        texts.append(f"{_named(adding)} must not include {_quoted(words)} in securityContext.capabilities.add")
    if texts:
        yield f"unrestricted capabilities ({'; '.join(texts)})"
