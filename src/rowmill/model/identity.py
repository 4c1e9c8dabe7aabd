"""Who is who: digests of inputs, ids of runs, ids of rows. Pure functions."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PIECE_BYTES = 256 * 1024  # the leaf of the digest tree, the unit of reading, and the grain of a cut
BLOCK_BYTES = 8 * 1024 * 1024  # fixed: it is part of the input's digest
FILE_VERSION = re.compile(r"([0-9]+)-[0-9]+")  # modification time in ns, and length
NAMESPACE = uuid.UUID("6f0f5b1e-5d0c-5c0e-9f43-7a1f2f6d3b10")


def digest_of(parts: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of the parts, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def block_digest(pieces: Iterable[bytes]) -> bytes:
    """Return a block's digest: SHA-256 over its pieces' SHA-256, in order."""
    return digest_of(pieces)


def input_digest(blocks: Iterable[bytes]) -> str:
    """Return the input's digest: SHA-256 over its blocks' digests, in order, hex."""
    return digest_of(blocks).hex()


def run_id(
    *,
    job: str,
    input_url: str,
    input_version: str,
    params: Mapping[str, str],
    output_format: str,
    output_url: str,
    table_url: str,
) -> str:
    """Return the run's id: 16 hex digits that change with what is to be done, not with how.

    Budgets, workers, partition size, workspace and code are not in it.
    """
    fields = [job, input_url, input_version, output_format, output_url, without_credentials(table_url)]
    fields += [f"{name}={params[name]}" for name in sorted(params)]
    return digest_of(f"{len(field.encode())}:{field}".encode() for field in fields).hex()[:16]


def is_older(version: str, than: str) -> bool:
    """Whether a file's version is of an earlier time than another's; object stores' versions do not tell."""
    found = FILE_VERSION.fullmatch(version), FILE_VERSION.fullmatch(than)
    return found[0] is not None and found[1] is not None and int(found[0][1]) < int(found[1][1])


def row_namespace(job: str, digest: str) -> uuid.UUID:
    """Return the namespace of a job's rows on one content: the same on any path, table or upload.

    A row's id is the UUIDv5 of `<ordinal>/<name>` in it.
    """
    return uuid.uuid5(NAMESPACE, f"{len(job)}:{job}{digest}")


def without_credentials(url: str) -> str:
    """Return `url` without user, password and query; safe to keep, show and compare."""
    scheme, mark, rest = re.split("[?#]", url, maxsplit=1)[0].partition("://")
    if not mark:
        return scheme
    place, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{place.rpartition('@')[2]}{slash}{path}"
