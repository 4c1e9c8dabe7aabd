"""Where the other parts of the local AWS are; the launcher's environment says it."""

import os
from pathlib import Path

HOST = "127.0.0.1"


def kubernetes_url() -> str:
    """Return the address of the small Kubernetes."""
    return os.environ["ROWMILL_KUBERNETES_URL"]


def kubernetes_folder() -> Path:
    """Return the folder of the small Kubernetes: its token, and what its node gives pods."""
    return Path(os.environ["ROWMILL_DATA"], "kubernetes")


def efs() -> Path:
    """Return the folder that stands in for EFS."""
    return Path(os.environ["ROWMILL_DATA"], "efs")


def valkey_port() -> int:
    """Return where Valkey listens."""
    return int(os.environ["REDIS_PORT"])


def endpoint() -> str:
    """Return the address of all AWS services."""
    return f"http://{HOST}:{os.environ['GATEWAY_PORT']}"
