"""Which events start the machine: a new object, and never one that a run itself has written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = (".csv", ".CSV", ".csv.gz", ".csv.zst")
WRITTEN = ("_Output", "_Rejects", "_Repairs")  # what names end in that a run writes beside its input
WRITES = ("PutObject", "CompleteMultipartUpload", "CopyObject")


def created(
    bucket: str, prefix: str = "", suffixes: Sequence[str] = SUFFIXES, *, workspace_prefix: str | None = None
) -> dict[str, Any]:
    """Return the pattern of S3's own event for a new object.

    Args:
        bucket: Its name.
        prefix: What keys begin with.
        suffixes: What keys end in; empty = any key, without a prefix only.
        workspace_prefix: Where the workspace is, if it is in the same bucket.

    Raises:
        ConfigurationError: What a run writes would start another one.
    """
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": _keys(prefix, suffixes, workspace_prefix)}},
    }


def cloudtrail(
    bucket: str, prefix: str = "", suffixes: Sequence[str] = SUFFIXES, *, workspace_prefix: str | None = None
) -> dict[str, Any]:
    """Return the pattern of CloudTrail's event for a write that was not refused; the arguments are those of `created`.

    Raises:
        ConfigurationError: As `created`.
    """
    return {
        "source": ["aws.s3"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["s3.amazonaws.com"],
            "eventName": list(WRITES),
            "errorCode": [{"exists": False}],
            "requestParameters": {"bucketName": [bucket], "key": _keys(prefix, suffixes, workspace_prefix)},
        },
    }


def _keys(prefix: str, suffixes: Sequence[str], workspace_prefix: str | None) -> list[Any]:
    """Return what a key must match; a pattern cannot say both "begins with" and "is none of" of one field."""
    if not prefix and not suffixes:
        others = [f"*{end}" for end in WRITTEN]
        others += [] if workspace_prefix is None else [f"{_plain(_refuse_all(workspace_prefix))}*"]
        return [{"anything-but": {"wildcard": others}}]
    for suffix in suffixes or ("",):
        if not suffix or any(end.endswith(suffix) or suffix.endswith(end) for end in WRITTEN):
            raise ConfigurationError(
                "outputs would start runs of their own: their names end in _Output, _Rejects and _Repairs",
                hint="give suffixes that these do not have, as '.csv'",
            )
    if workspace_prefix is not None and (workspace_prefix.startswith(prefix) or prefix.startswith(workspace_prefix)):
        raise ConfigurationError(
            f"objects of the workspace, under {workspace_prefix!r}, could start runs",
            hint="give inputs a prefix of their own, or the workspace another bucket",
        )
    return [{"wildcard": f"{_plain(prefix)}*{_plain(suffix)}"} if prefix else {"suffix": suffix} for suffix in suffixes]


def _refuse_all(workspace_prefix: str) -> str:
    if not workspace_prefix:
        raise ConfigurationError(
            "the workspace is the whole input bucket", hint="give the workspace a prefix, or another bucket"
        )
    return workspace_prefix


def _plain(text: str) -> str:
    """Return text as a wildcard pattern has it literally."""
    return text.replace("\\", "\\\\").replace("*", "\\*")
