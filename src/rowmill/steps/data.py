"""A data object in the making: digested, and compressed as one gzip member if the output is."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rowmill.model.receipt import DataObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.storage import Storage, Writer

WRITE_BYTES = 256 * 1024


@contextmanager
def data_writer(workspace: Storage, name: str, *, compress: bool) -> Iterator[DataWriter]:
    """Give what takes a partition's encoded rows; the object appears whole when the block ends well."""
    with workspace.writer(name) as out:
        writer = DataWriter(out, name, zlib.compressobj(wbits=31) if compress else None)
        yield writer
        writer.finish()


class DataWriter:
    """Gathers small pieces, compresses, digests and writes."""

    def __init__(self, out: Writer, name: str, member: zlib._Compress | None) -> None:
        self._out = out
        self._name = name
        self._member = member  # its header carries no time
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Add encoded rows."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= WRITE_BYTES:
            self._flush()

    def finish(self) -> None:
        """Write what is held, and the compressed member's end."""
        self._flush()
        if self._member is not None:
            self._put(self._member.flush())

    def published(self, rows: int) -> DataObject:
        """Return what was written, which is `rows` rows."""
        return DataObject(self._name, self._bytes, self._sha256.hexdigest(), rows)

    def _flush(self) -> None:
        data = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._put(data if self._member is None else self._member.compress(data))

    def _put(self, data: bytes) -> None:
        if data:
            self._out.write(data)
            self._sha256.update(data)
            self._bytes += len(data)
