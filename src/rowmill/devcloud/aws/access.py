"""Who an AWS role is in Kubernetes: by the cluster's access entries, as EKS' authenticator has it."""

from ministack.services import eks

from rowmill.devcloud.aws.asking import Identity

ADMINISTRATOR = "AmazonEKSClusterAdminPolicy"
MASTERS = "system:masters"


def identity(cluster: str, role: str, session: str) -> Identity | None:
    """Return who a role is in a cluster; None = nobody.

    Args:
        cluster: The cluster's name.
        role: The role's ARN.
        session: What the session is called.
    """
    entry = eks._access_entries.get(eks._ae_key(cluster, role))  # noqa: SLF001 - there is no other way in
    if entry is None:
        return None
    policies = [key for key in list(eks._access_policies) if key.startswith(eks._ap_key(cluster, role, ""))]  # noqa: SLF001
    masters = (MASTERS,) if any(key.endswith(ADMINISTRATOR) for key in policies) else ()
    return Identity(entry["username"] or _assumed(role, session), (*entry["kubernetesGroups"], *masters))


def _assumed(role: str, session: str) -> str:
    account, name = role.split(":")[4], role.rpartition("/")[2]
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
