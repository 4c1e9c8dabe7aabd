"""Where things are as pods see them."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from rowmill import wire
from rowmill.errors import ConfigurationError
from rowmill.kubejobs.asked import Claim

CODE = "/job"
SCRATCH = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
MOST_CODE_BYTES = 1024 * 1024  # what a ConfigMap takes
KEY = re.compile(r"[-._a-zA-Z0-9]+")


def claim_of(text: str | None) -> Claim | None:
    """Read `NAME:/PATH`, as the setting has checked it."""
    if not text:
        return None
    name, _, mount = text.partition(":")
    return Claim(name, mount)


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
        return file_in_pods(given, claim, "the workspace")
    if claim is None:
        raise ConfigurationError(
            "the workspace is a folder, and pods share none",
            hint="give --workspace s3://BUCKET/PREFIX, or a volume with --claim NAME:/PATH",
        )
    if not given.startswith("/"):
        given = f"{claim.mount}/{given if given != wire.WORKSPACE else 'rowmill'}"
    return file_in_pods(given, claim, "the workspace")


def file_in_pods(given: str, claim: Claim | None, what: str) -> str:
    """Return a file's or folder's place as pods see it: a URL, or a path on the claim.

    Raises:
        ConfigurationError: Pods do not see it, or it is a secret.
    """
    refuse_password(given, what)
    if "://" in given and not given.startswith("file://"):
        return given
    if claim is None:
        raise ConfigurationError(
            f"pods do not see {what} {given}",
            hint="give a URL, as s3://BUCKET/KEY, or the volume that it is on with --claim NAME:/PATH",
        )
    path = posixpath.normpath(given.removeprefix("file://"))
    if path != claim.mount and not path.startswith(f"{claim.mount}/"):
        raise ConfigurationError(
            f"pods do not see {what} {given}: they mount the claim at {claim.mount}",
            hint=f"give its path on the claim, as {claim.mount}/{posixpath.basename(path)}",
        )
    return path


def table_in_pods(url: str, claim: Claim | None) -> str:
    """Return a table's URL as pods see it.

    Raises:
        ConfigurationError: It is a file that they do not share, or it holds a password.
    """
    refuse_password(url, "the table")
    if not url.startswith("sqlite:///"):
        return url
    path = url.removeprefix("sqlite:///")
    if claim is None or not path.startswith("/"):
        raise ConfigurationError(
            "pods do not share the table's SQLite file",
            hint="give --table postgresql://…, dynamodb://…, or none",
        )
    return f"sqlite:///{file_in_pods(path, claim, 'the table')}"


def refuse_password(text: str, what: str) -> None:
    """Refuse what would put a secret into a manifest.

    Raises:
        ConfigurationError: It is a URL with a password; it is not repeated.
    """
    if "://" in text and urlsplit(text).password is not None:
        raise ConfigurationError(
            f"{what} holds a password, and manifests hold none",
            hint="keep it in a Secret, and name that in the pod template: env, valueFrom, secretKeyRef",
        )
