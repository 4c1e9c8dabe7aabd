"""Objects under a prefix of an S3 bucket. `pip install 'rowmill[aws]'`.

Everything goes through boto3: it takes every key as it is, finds credentials in every way that AWS knows, and its waits
let signals through. What it lacks is in `reading`: bodies that are cut are resumed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError, InputError, TransientError
from rowmill.storage import Piece, Stat, claims
from rowmill.storage.ahead import in_order
from rowmill.storage.ranges import RangeReader
from rowmill.storage.s3.client import ask
from rowmill.storage.s3.joining import joined
from rowmill.storage.s3.multipart import TOKEN, Place, abort_uploads, token
from rowmill.storage.s3.parts import MOST_BYTES
from rowmill.storage.s3.reading import fetch
from rowmill.storage.s3.writing import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

NOT_FOUND, CONFLICT, PRECONDITION_FAILED = 404, 409, 412
CONFLICTS, CONFLICT_PAUSE_S = 40, 0.25
DELETED_AT_ONCE, DELETING = 1000, 16
FIRST_CLAIM = 1
FIRST_PRINTABLE = " "


class S3:
    """Objects of a bucket whose keys begin with a prefix.

    Args:
        url: `s3://bucket` or `s3://bucket/prefix`, taken as it stands; slashes at its end are nothing.
        beats: How often a claim's owner tells that it lives.
    """

    def __init__(self, url: str, beats: claims.Beats = claims.Beats()) -> None:  # noqa: B008 - it is frozen
        self.bucket, _, prefix = url.partition("://")[2].partition("/")
        if not self.bucket:
            raise ConfigurationError(f"{url} names no bucket", hint="give s3://bucket/key")
        prefix = prefix.rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._beats = beats

    @property
    def url(self) -> str:
        """Bucket and prefix."""
        return f"s3://{self.bucket}/{self._prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """Return an object's key."""
        return f"{self._prefix}{name}"

    def stat(self, name: str) -> Stat | None:
        """Return length and entity tag."""
        found = self._head(name)
        return None if found is None else Stat(found["ContentLength"], found["ETag"])

    def _head(self, name: str) -> Any:
        if not name:
            return None
        found = ask("head_object", self.bucket, none_for=(NOT_FOUND,), Key=self.key(name))
        if found is None:
            self._check_bucket()
        return found

    def _check_bucket(self) -> None:
        """Tell a missing bucket from a missing object: the answer to `HEAD` has no words."""
        try:
            found = ask("head_bucket", self.bucket, none_for=(NOT_FOUND,))
        except ConfigurationError:  # without the right to look, no object is what there is
            return
        if found is None:
            raise ConfigurationError(
                f"there is no bucket {self.bucket}", hint="check its name, account and region", url=self.url
            )

    def get(self, name: str) -> bytes | None:
        """Return the whole object."""
        key, tries = self.key(name), 3
        for _ in range(tries):
            found = self._head(name)
            if found is None:
                return None
            try:
                return fetch(self.bucket, key, 0, found["ContentLength"], found["ETag"])
            except InputError:  # it was replaced between the two questions
                continue
        raise TransientError(
            f"{self.url}/{name} changes all the time", hint="give the same command again", url=self.url
        )

    @contextmanager
    def open(self, name: str) -> Iterator[RangeReader]:
        """Open one version of an object for reading by range."""
        stat, key = self.stat(name), self.key(name)
        if stat is None:
            url = f"{self.url}/{name}"
            raise InputError(f"{url} does not exist", hint="check bucket and key", url=url)
        yield RangeReader(stat, lambda start, end: fetch(self.bucket, key, start, end, stat.version))

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none, by a conditional put.

        If the store says that there is one, it may be this call's own, whose answer was lost: its token tells.
        """
        own = token()
        for _ in range(CONFLICTS):
            refused = (CONFLICT, PRECONDITION_FAILED)
            if self._put(self.key(name), data, none_for=refused, IfNoneMatch="*", Metadata={TOKEN: own}) is not None:
                return True
            if (found := self._head(name)) is not None:
                return bool(found["Metadata"].get(TOKEN) == own)
            time.sleep(CONFLICT_PAUSE_S)  # others are writing it at this moment, or have removed it
        raise TransientError(
            f"{self.url}/{name} is being written by others all the time",
            hint="give the same command again",
            url=self.url,
        )

    def put(self, name: str, data: bytes) -> None:
        """Write or replace an object; to repeat it changes nothing."""
        self._put(self.key(name), data)

    def _put(self, key: str, data: bytes, **params: Any) -> Any:
        return ask("put_object", self.bucket, Key=key, Body=data, **params)

    @contextmanager
    def writer(self, name: str) -> Iterator[StreamWriter]:
        """Write or replace an object piece by piece; a small one by one put, a large one in parts."""
        out = StreamWriter(self.bucket, self.key(name))
        try:
            yield out
            out.finish()
        except BaseException:
            out.abort()
            raise

    def joining(self, name: str, pieces: Sequence[Piece]) -> AbstractContextManager[None]:
        """Put the pieces together out of sight; those that are in S3 are copied there by S3."""
        return joined(self.bucket, self.key(name), [(piece, self._place(piece)) for piece in pieces])

    @staticmethod
    def _place(piece: Piece) -> Place | None:
        return Place(piece.storage.bucket, piece.storage.key(piece.name)) if isinstance(piece.storage, S3) else None

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted."""
        for key in self._keys(prefix):
            yield key.removeprefix(self._prefix)

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders right under a folder, sorted."""
        start = self._folder(prefix)
        found = (one["Prefix"] for page in self._pages(start, Delimiter="/") for one in page.get("CommonPrefixes", ()))
        return sorted(key.removeprefix(start).rstrip("/") for key in found)

    def _folder(self, name: str) -> str:
        return self.key(f"{name.rstrip('/')}/" if name else "")

    def _keys(self, folder: str) -> Iterator[str]:
        start = self._folder(folder)
        for page in self._pages(start):
            yield from (one["Key"] for one in page.get("Contents", ()) if one["Key"] != start)

    def _pages(self, start: str, **how: Any) -> Iterator[dict[str, Any]]:
        marks: dict[str, Any] = {}
        while True:
            page = ask("list_objects_v2", self.bucket, Prefix=start, **how, **marks)
            yield page
            if not page.get("IsTruncated"):
                return
            marks = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, name: str) -> None:
        """Remove an object, and all that is under a folder of its name, unfinished uploads too."""
        if name:
            ask("delete_object", self.bucket, Key=self.key(name))
        keys = self._keys(name)
        some = tuple(islice(keys, DELETED_AT_ONCE))
        if some:
            abort_uploads(self.bucket, self._folder(name), exactly=False)
        while some:
            self._delete(some)
            some = tuple(islice(keys, DELETED_AT_ONCE))

    def _delete(self, keys: Sequence[str]) -> None:
        """Remove many objects; keys with characters that XML does not know one by one."""
        odd = [key for key in keys if any(char < FIRST_PRINTABLE for char in key)]
        for _ in in_order(lambda key: ask("delete_object", self.bucket, Key=key), odd, DELETING):
            pass
        if plain := [{"Key": key} for key in keys if key not in odd]:
            answer = ask("delete_objects", self.bucket, Delete={"Objects": plain, "Quiet": True})
            for failed in answer.get("Errors", ()):
                ask("delete_object", self.bucket, Key=failed["Key"])  # alone, its error is told as any other

    def move(self, name: str, target: str) -> None:
        """Copy an object within S3, then remove the first."""
        found = self.stat(name)
        if found is None:
            raise ConfigurationError(f"{self.url}/{name} does not exist", hint="give the same command again")
        if found.bytes <= MOST_BYTES:
            ask(
                "copy_object",
                self.bucket,
                Key=self.key(target),
                CopySource={"Bucket": self.bucket, "Key": self.key(name)},
            )
        else:
            with self.joining(target, [Piece(storage=self, name=name, version=found.version, bytes=found.bytes)]):
                pass
        ask("delete_object", self.bucket, Key=self.key(name))

    @contextmanager
    def claim(self, name: str) -> Iterator[claims.HeldClaim]:
        """Hold a numbered object that is rewritten with a beat.

        What dead processes left of uploads beside it is aborted.
        """
        with claims.claimed_by_me(self, name, self._beats) as claim:
            folder = name.rpartition("/")[0]
            if claim.number > FIRST_CLAIM and folder:
                abort_uploads(self.bucket, self._folder(folder), exactly=False)
            yield claim

    def claimed(self, name: str) -> bool:
        """Whether the highest number is held."""
        return claims.is_claimed(self, name, self._age_s, self._beats)

    def _age_s(self, name: str) -> float:
        found = self._head(name)
        if found is None:
            return float("inf")
        answered = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((answered - found["LastModified"]).total_seconds())
