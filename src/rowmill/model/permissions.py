"""The least rights on AWS that a run needs, as an IAM policy document; pure."""

from __future__ import annotations

from typing import Any, NamedTuple

S3, DYNAMODB = "s3://", "dynamodb://"
READ = ("s3:GetObject",)
WRITE = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
TABLE = ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DescribeTable", "dynamodb:Scan")


class Places(NamedTuple):
    """What a run reads and writes.

    Attributes:
        input, output, workspace, table: URLs; those that are not on AWS need no right there.
        account: The AWS account of the table, or `*`.
        create_table: The run may make the table.
        kms_key: ARN of the key by which objects are encrypted, or empty.
    """

    input: str
    output: str
    workspace: str
    table: str
    account: str = "*"
    create_table: bool = False
    kms_key: str = ""


def policy(places: Places) -> dict[str, Any]:
    """Return the policy: each statement names the objects, prefixes and the table that it is for."""
    outputs = [places.output, f"{places.output}_Rejects", f"{places.output}_Repairs"]
    statements = [
        _objects("ReadInput", READ, [places.input]),
        _objects("WriteOutput", WRITE, outputs),
        _objects("KeepWorkspace", WRITE, [f"{places.workspace.rstrip('/')}/*"]),
        *_listings([places.input, *outputs], places.workspace),
        _table(places),
        _key(places),
    ]
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one is not None]}


def _objects(sid: str, actions: tuple[str, ...], urls: list[str]) -> dict[str, Any] | None:
    arns = [f"arn:aws:s3:::{_literal(url.removeprefix(S3))}" for url in urls if url.startswith(S3)]
    return _statement(sid, actions, arns) if arns else None


def _literal(key: str) -> str:
    """Return a key as a policy takes it literally; the `*` at the end of a prefix is meant."""
    body, star = (key[:-1], "*") if key.endswith("/*") else (key, "")
    return "".join(f"${{{char}}}" if char in "*?$" else char for char in body) + star


def _listings(objects: list[str], workspace: str) -> list[dict[str, Any]]:
    """Without the right to list, S3 answers for a missing object as for a forbidden one."""
    prefixes: dict[str, list[str]] = {}
    for url in [*objects, f"{workspace.rstrip('/')}/*"]:
        if url.startswith(S3):
            bucket, _, key = url.removeprefix(S3).partition("/")
            prefixes.setdefault(bucket, []).append(_literal(key))
    return [
        {
            **_statement(f"List{number}", ("s3:ListBucket",), [f"arn:aws:s3:::{bucket}"]),
            "Condition": {"StringLike": {"s3:prefix": sorted(set(keys))}},
        }
        for number, (bucket, keys) in enumerate(sorted(prefixes.items()))
    ] + [
        _statement(f"FindUploads{number}", ("s3:ListBucketMultipartUploads",), [f"arn:aws:s3:::{bucket}"])
        for number, bucket in enumerate(sorted(prefixes))
    ]


def _table(places: Places) -> dict[str, Any] | None:
    if not places.table.startswith(DYNAMODB):
        return None
    region, _, name = places.table.removeprefix(DYNAMODB).rpartition("/")
    actions = (*TABLE, "dynamodb:CreateTable") if places.create_table else TABLE
    return _statement("SaveRows", actions, [f"arn:aws:dynamodb:{region or '*'}:{places.account}:table/{name}"])


def _key(places: Places) -> dict[str, Any] | None:
    if not places.kms_key:
        return None
    return _statement("UseKey", ("kms:Decrypt", "kms:GenerateDataKey"), [places.kms_key])


def _statement(sid: str, actions: tuple[str, ...], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
