"""A stream of unknown length: one put if it is short, else parts that are sent while the next is filled."""

from __future__ import annotations

from collections import deque
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING

from rowmill.errors import RowmillError
from rowmill.storage.ahead import started
from rowmill.storage.s3.client import ask
from rowmill.storage.s3.multipart import Upload
from rowmill.storage.s3.parts import part_bytes

if TYPE_CHECKING:
    from concurrent.futures import Future

SENT_AT_ONCE = 3
PATIENCE_S = 5.0  # for parts under way when the rest is given up


class StreamWriter:
    """An object in the making.

    Cost: memory for four parts of 8 MiB; more after the first gigabytes, as parts grow.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._number = 0
        self._upload: Upload | None = None
        self._sending: deque[Future[None]] = deque()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._held.append(bytes(data))
        self._held_bytes += len(data)
        if self._held_bytes >= part_bytes(self._number + 1):
            self._send(self._upload or self._begun())

    def _begun(self) -> Upload:
        self._upload = Upload(self._bucket, self._key)
        return self._upload

    def _send(self, upload: Upload) -> None:
        while len(self._sending) >= SENT_AT_ONCE:
            self._sending.popleft().result()
        self._number += 1
        number, data = self._number, b"".join(self._held)
        self._held, self._held_bytes = [], 0
        self._sending.append(started(lambda: upload.send(number, data)))

    def finish(self) -> None:
        """Make the object appear."""
        if self._upload is None:
            ask("put_object", self._bucket, Key=self._key, Body=b"".join(self._held))
            return
        if self._held_bytes:
            self._send(self._upload)
        while self._sending:
            self._sending.popleft().result()
        self._upload.complete()

    def abort(self) -> None:
        """Forget what was sent."""
        if self._upload is not None:
            wait(self._sending, PATIENCE_S)
            with suppress(RowmillError):  # the first error is the one to tell
                self._upload.abort()
