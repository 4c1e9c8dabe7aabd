"""What a run's pods may do: on their prefix, their outputs, their table, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aws_cdk import aws_iam as iam

from rowmill.model.permissions import READ, TABLE, WRITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk.aws_dynamodb import ITable
    from aws_cdk.aws_s3 import IBucket

OUTPUTS = ("_Output", "_Output_Rejects", "_Output_Repairs")
LISTS = ("s3:ListBucket",)
UPLOADS = ("s3:ListBucketMultipartUploads",)


class Folder(NamedTuple):
    """Objects of a bucket.

    Attributes:
        bucket: Where they are.
        prefix: What their keys begin with.
    """

    bucket: IBucket
    prefix: str = ""


def statement(actions: Sequence[str], resources: Sequence[str], **conditions: object) -> iam.PolicyStatement:
    """Return a statement that allows actions on resources."""
    return iam.PolicyStatement(actions=sorted(actions), resources=list(resources), conditions=conditions or None)


def read_input(role: iam.Role, folder: Folder) -> None:
    """Let pods read what may start a run, and see that something is not there."""
    role.add_to_policy(statement(READ, [folder.bucket.arn_for_objects(f"{folder.prefix}*")]))
    role.add_to_policy(_lists(folder))
    if folder.bucket.encryption_key is not None:
        folder.bucket.encryption_key.grant_decrypt(role)


def write_output(role: iam.Role, folder: Folder) -> None:
    """Let pods write outputs, rejects and repairs, and no other object: an input stays as it is."""
    names = [folder.bucket.arn_for_objects(f"{folder.prefix}*{ending}") for ending in OUTPUTS]
    _write(role, folder, names)


def keep_workspace(role: iam.Role, folder: Folder) -> None:
    """Let pods keep their workspace under its prefix."""
    _write(role, folder, [folder.bucket.arn_for_objects(f"{folder.prefix}*")])


def _write(role: iam.Role, folder: Folder, names: Sequence[str]) -> None:
    """Let pods write under names, and see what is there and which uploads are under way."""
    role.add_to_policy(statement(WRITE, names))
    role.add_to_policy(_lists(folder))
    role.add_to_policy(statement(UPLOADS, [folder.bucket.bucket_arn]))
    if folder.bucket.encryption_key is not None:
        folder.bucket.encryption_key.grant_encrypt_decrypt(role)


def _lists(folder: Folder) -> iam.PolicyStatement:
    under = {"StringLike": {"s3:prefix": f"{folder.prefix}*"}} if folder.prefix else {}
    return statement(LISTS, [folder.bucket.bucket_arn], **under)


def save_rows(role: iam.Role, table: ITable | None) -> None:
    """Let pods write the table's items and read them again."""
    if table is None:
        return
    role.add_to_policy(statement(TABLE, [table.table_arn]))
    if table.encryption_key is not None:
        table.encryption_key.grant_encrypt_decrypt(role)
