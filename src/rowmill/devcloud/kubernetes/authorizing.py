"""Who asks, and whether that one may: tokens, impersonation, Roles and RoleBindings."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.requests import Request, Target
    from rowmill.devcloud.kubernetes.store import Store

ACCOUNT = "system:serviceaccount:"
MASTERS, KNOWN, UNKNOWN = "system:masters", "system:authenticated", "system:unauthenticated"
AS_USER, AS_GROUP = "impersonate-user", "impersonate-group"
DOOR = "/~"
OPEN = ("/version", "/healthz", "/livez", "/readyz")


def door(token: str) -> str:
    """Return the path by which who has an administrator's token may come in without showing it."""
    return DOOR + hashlib.sha256(token.encode()).hexdigest()[:32]


class User(NamedTuple):
    """Who asks.

    Attributes:
        groups: The groups that one belongs to, for RoleBindings.
    """

    name: str
    groups: tuple[str, ...] = ()

    @property
    def may_all(self) -> bool:
        """Whether nothing is refused."""
        return MASTERS in self.groups


ADMIN = User("kubernetes-admin", (MASTERS, KNOWN))
ANONYMOUS = User("system:anonymous", (UNKNOWN,))


def account(namespace: str, name: str) -> User:
    """Return a ServiceAccount as a user."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", KNOWN)
    return User(f"{ACCOUNT}{namespace}:{name}", groups)


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

    def issue(self, namespace: str, name: str) -> str:
        """Return a new token for a ServiceAccount."""
        token = secrets.token_urlsafe(32)
        self._users[token] = account(namespace, name)
        return token

    def of(self, namespace: str, name: str) -> str:
        """Return a ServiceAccount's token, the same each time."""
        user = account(namespace, name)
        known = next((token for token, whose in list(self._users.items()) if whose == user), None)
        return known or self.issue(namespace, name)

    def user(self, request: Request) -> User:
        """Return who asks, or as whom an administrator asks.

        Raises:
            Refusal: 401, the token is none of ours; 403, another than an administrator asks as somebody else.
        """
        user, other = self._asking(request), request.headers.get(AS_USER, "")
        if not other and AS_GROUP not in request.headers:
            return user
        if not user.may_all:
            why = f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
            raise answers.Refusal(403, "Forbidden", f'users "{other}" is forbidden: {why}', {})
        groups = [group.strip() for group in request.headers.get(AS_GROUP, "").split(",") if group.strip()]
        return User(other, (*groups, KNOWN))

    def _asking(self, request: Request) -> User:
        given = request.headers.get("authorization", "")
        if not given:
            return ADMIN if request.door == self.door else ANONYMOUS
        user = self._users.get(given.removeprefix("Bearer "))
        if user is None:
            raise answers.Refusal(401, "Unauthorized", "Unauthorized")
        return user


def check(store: Store, user: User, verb: str, target: Target) -> None:
    """Make sure that a user may do that.

    Raises:
        Refusal: 403, no role allows it.
    """
    if allows(store, user, verb, target):
        return
    kind = target.kind
    resource = f"{kind.plural}/{target.part}" if target.part else kind.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    called = f'{kind.resource} "{target.name}"' if target.name else kind.resource
    details = answers.details_of(kind, target.name)
    raise answers.Refusal(403, "Forbidden", f"{called} is forbidden: {why}", details)


def check_path(user: User, verb: str, path: str) -> None:
    """Make sure that a user may see a path that is no object's.

    Raises:
        Refusal: 403, they must say who they are.
    """
    if user == ANONYMOUS and path.rstrip("/") not in OPEN:
        raise answers.Refusal(403, "Forbidden", f'forbidden: User "{user.name}" cannot {verb} path "{path}"', {})


def allows(store: Store, user: User, verb: str, target: Target) -> bool:
    """Whether a user may do that: an administrator may, others where a Role that is bound to them says so."""
    if user.may_all or (target.kind.name == "SelfSubjectAccessReview" and user != ANONYMOUS):
        return True
    if not target.namespace:
        return False
    for binding in store.shared("RoleBinding", target.namespace)[0]:
        bound = any(_means(subject, user, target.namespace) for subject in binding.get("subjects", ()))
        role = store.get("Role", target.namespace, binding.get("roleRef", {}).get("name", "")) if bound else None
        if role is not None and any(_covers(rule, verb, target) for rule in role.get("rules", ())):
            return True
    return False


def _means(subject: answers.Object, user: User, namespace: str) -> bool:
    """Whether a subject of a RoleBinding is a user, or a group of that one."""
    name = subject.get("name", "")
    if subject.get("kind") == "Group":
        return name in user.groups
    if subject.get("kind") == "ServiceAccount":
        return user.name == f"{ACCOUNT}{subject.get('namespace', namespace)}:{name}"
    return subject.get("kind") == "User" and name == user.name


def _covers(rule: answers.Object, verb: str, target: Target) -> bool:
    resource = f"{target.kind.plural}/{target.part}" if target.part else target.kind.plural
    wanted = (("verbs", verb), ("apiGroups", target.kind.group), ("resources", resource))
    if any("*" not in rule.get(part, ()) and word not in rule.get(part, ()) for part, word in wanted):
        return False
    return not rule.get("resourceNames") or target.name in rule["resourceNames"]
