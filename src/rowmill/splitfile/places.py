"""The workspace as the Lambda sees it: objects of S3, or files of a mounted EFS."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Place(Protocol):
    """Named objects under one URL."""

    def read(self, name: str) -> Any:
        """Return an object's JSON, None if there is no such object."""

    def names(self, folder: str) -> Iterator[str]:
        """Return the names in a folder, without it."""

    def write(self, name: str, data: bytes) -> tuple[str, str]:
        """Write an object; return its bucket and key."""


class Folder(NamedTuple):
    """Files of a mounted file system."""

    root: Path

    def read(self, name: str) -> Any:
        """Return a file's JSON."""
        try:
            return json.loads((self.root / name).read_bytes())
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> Iterator[str]:
        """Return the names of files."""
        try:
            yield from sorted(os.listdir(self.root / folder))  # noqa: PTH208 - names
        except FileNotFoundError:
            return

    def write(self, name: str, data: bytes) -> tuple[str, str]:
        """Write a file, whole or not at all."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(target)
        return "", str(target)


class Bucket(NamedTuple):
    """Objects under a prefix of a bucket."""

    client: Any
    bucket: str
    prefix: str

    def read(self, name: str) -> Any:
        """Return an object's JSON."""
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)
        except self.client.exceptions.NoSuchKey:
            return None
        with found["Body"] as body:
            return json.loads(body.read())

    def names(self, folder: str) -> Iterator[str]:
        """Return the names of objects, a thousand a request."""
        under = f"{self.prefix}{folder}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=under)
        for page in pages:
            for found in page.get("Contents", ()):
                yield found["Key"][len(under) :]

    def write(self, name: str, data: bytes) -> tuple[str, str]:
        """Write an object."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)
        return self.bucket, self.prefix + name


def opened(url: str) -> Place:
    """Return the workspace at a URL or path."""
    if not url.startswith("s3://"):
        return Folder(Path(url.removeprefix("file://")))
    import boto3  # noqa: PLC0415 - not where the workspace is mounted

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/")
    return Bucket(boto3.client("s3"), bucket, f"{prefix}/" if prefix else "")
