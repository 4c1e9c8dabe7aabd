"""A range of one version of an object; a body that is cut is resumed where it was cut."""

from __future__ import annotations

import random
import time
from contextlib import closing

from botocore.exceptions import HTTPClientError, IncompleteReadError

from rowmill.errors import InputError, TransientError
from rowmill.storage.s3.client import ask

BODY_BYTES = 1024 * 1024  # taken from a body at once: what came before a cut is kept
CUTS = 6  # in a row without a byte between them
PRECONDITION_FAILED, NOT_FOUND = 412, 404


def fetch(bucket: str, key: str, start: int, end: int, version: str) -> bytes:
    """Return the bytes [start, end), which are there, of one version of an object; an empty version is any.

    Raises:
        InputError: It is gone, or another version.
        TransientError: Its body is cut again and again.
    """
    got: list[bytes] = []
    at, cuts = start, 0
    condition = {"IfMatch": version} if version else {}
    while at < end:
        wanted = f"bytes={at}-{end - 1}"
        answer = ask(
            "get_object", bucket, none_for=(PRECONDITION_FAILED, NOT_FOUND), Key=key, Range=wanted, **condition
        )
        if answer is None:
            raise changed(bucket, key)
        condition = {"IfMatch": answer["ETag"]}  # what follows a cut must be of the same version
        with closing(answer["Body"]) as body:
            try:
                while data := body.read(min(BODY_BYTES, end - at)):
                    got.append(data)
                    at, cuts = at + len(data), 0
            except (HTTPClientError, IncompleteReadError) as error:
                cuts += 1
                if cuts > CUTS:
                    raise TransientError(
                        f"S3 cuts the answer again and again: {error}",
                        hint="give the same command again later",
                        url=f"s3://{bucket}/{key}",
                    ) from None
                time.sleep(random.uniform(0, min(5.0, 0.1 * 2**cuts)))  # noqa: S311 - no secret
    return got[0] if len(got) == 1 else b"".join(got)


def changed(bucket: str, key: str) -> InputError:
    """Return the error for an object that was replaced or removed while it was read."""
    url = f"s3://{bucket}/{key}"
    return InputError(
        f"{url} changed while it was read", hint="give the same command again: a changed file is a new run", url=url
    )
