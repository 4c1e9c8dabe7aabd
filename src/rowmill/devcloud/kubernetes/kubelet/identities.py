"""What the node gives pods beside what they ask for: their ServiceAccount's AWS credentials, and whom to trust.

`identities.json` in the node's folder has an environment by `NAMESPACE/ACCOUNT`, as EKS Pod Identity gives one;
`trust.pem` has the certificates by which clients know the servers of this cloud.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object

IDENTITIES, TRUST = "identities.json", "trust.pem"
TRUST_PATH = "/etc/ssl/devcloud.pem"


class Given(NamedTuple):
    """Variables and mounts that a pod is given."""

    env: dict[str, str]
    mounts: tuple[Object, ...]


NOTHING = Given({}, ())


def given(pod: Object, folder: Path) -> Given:
    """Return what a pod is given."""
    file, trust = folder / IDENTITIES, folder / TRUST
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    account = pod["spec"].get("serviceAccountName") or "default"
    env = dict(known.get(f"{pod['metadata']['namespace']}/{account}", {}))
    if not trust.exists():
        return Given(env, ())
    mount = {"source": str(trust), "target": TRUST_PATH, "read_only": True}
    return Given(env | {"SSL_CERT_FILE": TRUST_PATH}, (mount,))
