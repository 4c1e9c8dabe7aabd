"""An object made of parts, out of sight until it is completed."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from rowmill.errors import ConfigurationError, IntegrityError, RowmillError
from rowmill.storage.s3.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "rowmill-token"  # noqa: S105 - metadata by which a call knows its own object when its first answer was lost
NOT_FOUND, PRECONDITION_FAILED = 404, 412


class Place(NamedTuple):
    """Where an object is."""

    bucket: str
    key: str


def token() -> str:
    """Return a name that no other call has."""
    return os.urandom(12).hex()


class Upload:
    """Parts under way; they may be sent in any order, by several threads."""

    def __init__(self, bucket: str, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._token = token()
        begun = ask("create_multipart_upload", bucket, Key=key, Metadata={TOKEN: self._token})
        self._id: str = begun["UploadId"]
        self._parts: dict[int, dict[str, Any]] = {}

    def send(self, number: int, data: bytes) -> None:
        """Send a part's bytes."""
        self._keep(number, self._ask("upload_part", PartNumber=number, Body=data))

    def copy(self, number: int, source: Place, version: str, span: tuple[int, int] | None) -> bool:
        """Let S3 copy an object, or a span of it, as a part; return False if that is gone or another version."""
        condition = {"CopySourceIfMatch": version} if version else {}
        if span is not None:
            condition["CopySourceRange"] = f"bytes={span[0]}-{span[1] - 1}"
        answer = ask(
            "upload_part_copy",
            self._bucket,
            none_for=(PRECONDITION_FAILED, NOT_FOUND),
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            CopySource={"Bucket": source.bucket, "Key": source.key},
            **condition,
        )
        if answer is not None:
            self._keep(number, answer["CopyPartResult"])
        return answer is not None

    def _keep(self, number: int, answer: dict[str, Any]) -> None:
        known = {name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")}
        known.pop("ChecksumType", None)
        self._parts[number] = {"PartNumber": number, **known}

    def complete(self) -> None:
        """Make the object appear."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        done = self._ask("complete_multipart_upload", none_for=(NOT_FOUND,), MultipartUpload={"Parts": parts})
        if done is None and not is_mine(self._bucket, self._key, self._token):
            raise IntegrityError(
                "the upload was taken away before it was complete: another is writing the same object",
                hint="give the same command again",
                url=f"s3://{self._bucket}/{self._key}",
            )

    def abort(self) -> None:
        """Forget the parts."""
        self._ask("abort_multipart_upload", none_for=(NOT_FOUND,))

    def _ask(self, operation: str, **params: Any) -> Any:
        return ask(operation, self._bucket, Key=self._key, UploadId=self._id, **params)


@contextmanager
def uploading(bucket: str, key: str) -> Iterator[Upload]:
    """Give an upload that is aborted unless the block ends well; completing it is the caller's."""
    upload = Upload(bucket, key)
    try:
        yield upload
    except BaseException:
        with suppress(RowmillError):  # the first error is the one to tell
            upload.abort()
        raise


def is_mine(bucket: str, key: str, own: str) -> bool:
    """Whether the object that is there is the one that was written with this token."""
    found = ask("head_object", bucket, none_for=(NOT_FOUND,), Key=key)
    return found is not None and found["Metadata"].get(TOKEN) == own


def abort_uploads(bucket: str, prefix: str, *, exactly: bool) -> None:
    """Abort what dead processes left of uploads of a key, or of all keys with a prefix.

    Without the right to list uploads they stay: a rule of the bucket's life cycle takes them away in the end.
    """
    marks: dict[str, Any] = {}
    while True:
        try:
            page = ask("list_multipart_uploads", bucket, Prefix=prefix, EncodingType="url", **marks)
        except ConfigurationError:
            return
        for upload in page.get("Uploads", ()):
            key = unquote_plus(upload["Key"]) if page.get("EncodingType") == "url" else upload["Key"]
            if key == prefix or not exactly:
                ask("abort_multipart_upload", bucket, none_for=(NOT_FOUND,), Key=key, UploadId=upload["UploadId"])
        if not page.get("IsTruncated"):
            return
        marks = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
