"""Who asks, and whether that one may: tokens, Roles and RoleBindings."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.requests import Request, Target
    from rowmill.devcloud.kubernetes.store import Store

ADMIN, ANONYMOUS = "kubernetes-admin", "system:anonymous"
ACCOUNT = "system:serviceaccount:"
DOOR = "/~"
OPEN = ("/version", "/healthz", "/livez", "/readyz")


def door(token: str) -> str:
    """Return the path by which who has an administrator's token may come in without showing it."""
    return DOOR + hashlib.sha256(token.encode()).hexdigest()[:32]


class Tokens:
    """Bearer tokens and whose they are.

    kubectl sends no token where there is no TLS. For it the administrator's kubeconfig has a path, the door, which
    nobody else can guess either.

    Args:
        admin: The token of who may do everything.
    """

    def __init__(self, admin: str) -> None:
        self._users = {admin: ADMIN}
        self.door = door(admin)

    def issue(self, namespace: str, account: str) -> str:
        """Return a new token for a ServiceAccount."""
        token = secrets.token_urlsafe(32)
        self._users[token] = f"{ACCOUNT}{namespace}:{account}"
        return token

    def of(self, namespace: str, account: str) -> str:
        """Return a ServiceAccount's token, the same each time."""
        user = f"{ACCOUNT}{namespace}:{account}"
        known = next((token for token, whose in list(self._users.items()) if whose == user), None)
        return known or self.issue(namespace, account)

    def user(self, request: Request) -> str:
        """Return who asks.

        Raises:
            Refusal: 401, the token is none of ours.
        """
        given = request.headers.get("authorization", "")
        if not given:
            return ADMIN if request.door == self.door else ANONYMOUS
        user = self._users.get(given.removeprefix("Bearer "))
        if user is None:
            raise answers.Refusal(401, "Unauthorized", "Unauthorized")
        return user


def check(store: Store, user: str, verb: str, target: Target) -> None:
    """Make sure that a user may do that.

    Raises:
        Refusal: 403, no role allows it.
    """
    if allows(store, user, verb, target):
        return
    kind = target.kind
    resource = f"{kind.plural}/{target.part}" if target.part else kind.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    called = f'{kind.resource} "{target.name}"' if target.name else kind.resource
    details = answers.details_of(kind, target.name)
    raise answers.Refusal(403, "Forbidden", f"{called} is forbidden: {why}", details)


def check_path(user: str, verb: str, path: str) -> None:
    """Make sure that a user may see a path that is no object's.

    Raises:
        Refusal: 403, they must say who they are.
    """
    if user == ANONYMOUS and path.rstrip("/") not in OPEN:
        raise answers.Refusal(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', {})


def allows(store: Store, user: str, verb: str, target: Target) -> bool:
    """Whether a user may do that: an administrator may; a ServiceAccount where a Role that is bound to it says so."""
    if user == ADMIN or (target.kind.name == "SelfSubjectAccessReview" and user != ANONYMOUS):
        return True
    if not user.startswith(ACCOUNT) or not target.namespace:
        return False
    home, _, name = user.removeprefix(ACCOUNT).partition(":")
    for binding in store.shared("RoleBinding", target.namespace)[0]:
        subjects = binding.get("subjects", ())
        bound = any(
            each.get("kind") == "ServiceAccount"
            and each.get("name") == name
            and each.get("namespace", target.namespace) == home
            for each in subjects
        )
        role = store.get("Role", target.namespace, binding.get("roleRef", {}).get("name", "")) if bound else None
        if role is not None and any(_covers(rule, verb, target) for rule in role.get("rules", ())):
            return True
    return False


def _covers(rule: answers.Object, verb: str, target: Target) -> bool:
    resource = f"{target.kind.plural}/{target.part}" if target.part else target.kind.plural
    wanted = (("verbs", verb), ("apiGroups", target.kind.group), ("resources", resource))
    if any("*" not in rule.get(part, ()) and word not in rule.get(part, ()) for part, word in wanted):
        return False
    return not rule.get("resourceNames") or target.name in rule["resourceNames"]
