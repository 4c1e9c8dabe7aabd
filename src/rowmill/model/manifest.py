"""The manifest: the immutable, ordered, digested list of partitions that split publishes."""

from __future__ import annotations

import msgspec

from rowmill.errors import IntegrityError

SCHEMA = "rowmill.manifest/1"


class Partition(msgspec.Struct, frozen=True):
    """What one worker takes: a half-open byte range on row borders.

    Attributes:
        index: 0-based place in the manifest.
        start: First byte, in the decoded input.
        end: One past the last byte.
        rows: Logical rows; blank lines are no rows where the format says so.
        first_ordinal: Ordinal of its first row, header not counted.
        first_line: 1-based physical line on which the range starts.
        digest: SHA-256 over the digests of its pieces (`identity.PIECE_BYTES`).
    """

    index: int
    start: int
    end: int
    rows: int
    first_ordinal: int
    first_line: int
    digest: str

    @property
    def bytes(self) -> int:
        """Length of the range."""
        return self.end - self.start


class InputVersion(msgspec.Struct, frozen=True):
    """The input as split saw it.

    Attributes:
        url: Where the user's file is.
        version: What changes when the file changes: size and modification time, version id or etag.
        digest: Tree SHA-256 of the decoded bytes.
        bytes: Length of the decoded bytes.
        spooled: The decoded bytes are a copy in the workspace, since the input cannot be sought.
        data_version: The version of the decoded bytes: the input's, or its copy's.
    """

    url: str
    version: str
    digest: str
    bytes: int
    spooled: bool
    data_version: str


class Manifest(msgspec.Struct, frozen=True):
    """Which rows there are and how they are shared out.

    Attributes:
        columns: Names from the header or the declaration; None where rows have no names.
        body_start: First byte after BOM, skipped lines and header.
        trailer_start: First byte of the trailer, None if there is none.
        sums: By column that the trailer tells of, the exact sum of the rows that read, as text.
    """

    run_id: str
    input: InputVersion
    columns: tuple[str, ...] | None
    body_start: int
    rows: int
    partitions: tuple[Partition, ...]
    trailer_start: int | None = None
    sums: dict[str, str] = {}
    schema: str = SCHEMA

    @property
    def body_end(self) -> int:
        """One past the last byte of the rows."""
        return self.input.bytes if self.trailer_start is None else self.trailer_start


def tiles(manifest: Manifest) -> None:
    """Check that the partitions tile the input exactly, and that ordinals do too.

    Raises:
        IntegrityError: A byte or a row belongs to no partition or to two.
    """
    at, ordinal = manifest.body_start, 0
    for index, part in enumerate(manifest.partitions):
        if (part.index, part.start, part.first_ordinal) != (index, at, ordinal) or part.end < part.start:
            raise IntegrityError(f"the manifest's partition {index} does not follow the one before it", partition=index)
        at, ordinal = part.end, ordinal + part.rows
    if at != manifest.body_end or ordinal != manifest.rows:
        raise IntegrityError(
            f"the manifest covers {at:,} of {manifest.body_end:,} bytes, {ordinal:,} of {manifest.rows:,} rows"
        )
