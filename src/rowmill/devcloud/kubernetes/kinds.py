"""The kinds of objects that this Kubernetes knows, as discovery tells them."""

from __future__ import annotations

from typing import NamedTuple

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
FEWER_VERBS = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")


class Kind(NamedTuple):
    """A kind of object.

    Attributes:
        name, plural: `Job`, `jobs`.
        group: Its API group; empty for the core.
        namespaced: Whether its objects live in a namespace.
        short: Short names for kubectl.
        all: Whether `kubectl get all` shows it.
        generation: Whether its objects count the changes of their spec.
        status: Whether it has a status of its own.
        verbs: What can be done with it.
    """

    name: str
    plural: str
    group: str = ""
    namespaced: bool = True
    short: tuple[str, ...] = ()
    all: bool = False
    generation: bool = False
    status: bool = False
    verbs: tuple[str, ...] = ALL_VERBS

    @property
    def api_version(self) -> str:
        """The group and version, `batch/v1`."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def resource(self) -> str:
        """The plural with its group, as messages have it: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """The name with its group, as messages have it: `Job.batch`."""
        return f"{self.name}.{self.group}" if self.group else self.name


RBAC = "rbac.authorization.k8s.io"
KINDS = (
    Kind("ConfigMap", "configmaps", short=("cm",)),
    Kind("Event", "events", short=("ev",)),
    Kind("Namespace", "namespaces", namespaced=False, short=("ns",), status=True, verbs=FEWER_VERBS),
    Kind("Node", "nodes", namespaced=False, short=("no",), status=True, verbs=("get", "list", "watch")),
    Kind("PersistentVolume", "persistentvolumes", namespaced=False, short=("pv",), status=True),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), status=True),
    Kind("Pod", "pods", short=("po",), all=True, generation=True, status=True),
    Kind("ResourceQuota", "resourcequotas", short=("quota",), status=True),
    Kind("Secret", "secrets"),
    Kind("ServiceAccount", "serviceaccounts", short=("sa",)),
    Kind("Job", "jobs", "batch", all=True, generation=True, status=True),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy", short=("pdb",), generation=True, status=True),
    Kind("Role", "roles", RBAC),
    Kind("RoleBinding", "rolebindings", RBAC),
    Kind("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io", False, verbs=("create",)),
)
BY_NAME = {kind.name: kind for kind in KINDS}
BY_RESOURCE = {(kind.group, kind.plural): kind for kind in KINDS}
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS))
