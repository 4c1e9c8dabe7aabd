"""Where things are as pods see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from rowmill.kubejobs.asked import Claim

CODE = "/job"
SCRATCH = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
MOST_CODE_BYTES = 1024 * 1024  # what a ConfigMap takes
KEY = re.compile(r"[-._a-zA-Z0-9]+")


def code_reference(file: str, name: str) -> str:
    """Return the reference of a job whose file is mounted by ConfigMap.

    Args:
        file: The file's name, without its folder.
        name: The job's name in it.
    """
    return f"{CODE}/{code_key(file)}:{name}"


def code_key(file: str) -> str:
    """Return the key under which a ConfigMap holds a file: its name, if that is one for a key."""
    return file if KEY.fullmatch(file) else "job.py"


def workspace_in_pods(given: str, claim: Claim | None) -> str:
    """Return the workspace as pods see it: a URL, a path on the claim, or the claim's own `rowmill` folder.

    Raises:
        ConfigurationError: Pods would not find it again.
    """
    if "://" in given:
        return given
    if claim is None:
        raise ConfigurationError(
            "the workspace is a folder, and pods share none",
            hint="give --workspace s3://BUCKET/PREFIX, or a volume with --claim NAME:/PATH",
        )
    if not given.startswith("/"):
        return f"{claim.mount}/{given if given != wire.WORKSPACE else 'rowmill'}"
    if given != claim.mount and not given.startswith(f"{claim.mount}/"):
        raise ConfigurationError(
            f"the workspace {given} is not on the claim, which pods mount at {claim.mount}",
            hint=f"give --workspace {claim.mount}/rowmill",
        )
    return given
