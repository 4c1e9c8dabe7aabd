"""Pieces put together as one object: large ones copied by S3, neighbours that are too small gathered here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import InputError
from rowmill.storage.ahead import in_order
from rowmill.storage.pieces import opened, unjoinable
from rowmill.storage.s3.client import ask
from rowmill.storage.s3.multipart import Place, Upload, abort_uploads, uploading
from rowmill.storage.s3.parts import LEAST_BYTES, Slice, plan
from rowmill.storage.s3.reading import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.storage import Piece

ASKED_AT_ONCE, PARTS_AT_ONCE = 16, 8
GATHERED_BYTES = 256 * 1024 * 1024  # held by all parts under way


class Source(NamedTuple):
    """A piece whose length is known.

    Attributes:
        place: Where it is, if it is in S3.
    """

    piece: Piece
    place: Place | None
    bytes: int
    version: str


@contextmanager
def joined(bucket: str, key: str, pieces: Sequence[tuple[Piece, Place | None]]) -> Iterator[None]:
    """Put the pieces together out of sight; the object appears when the block ends well.

    Restart: what a dead process left of an upload of the same key is thrown away first.
    """
    abort_uploads(bucket, key, exactly=True)
    sources = list(in_order(_source, pieces, ASKED_AT_ONCE))
    parts = plan([source.bytes for source in sources])
    if not parts or (len(parts) == 1 and not _is_copied(sources, parts[0])):
        data = _gathered(sources, parts[0]) if parts else b""
        yield
        ask("put_object", bucket, Key=key, Body=data)
        return
    with uploading(bucket, key) as upload:
        longest = max((_bytes(part) for part in parts if not _is_copied(sources, part)), default=1)
        width = max(1, min(PARTS_AT_ONCE, GATHERED_BYTES // longest))
        for _ in in_order(lambda numbered: _send(upload, sources, *numbered), enumerate(parts, 1), width):
            pass
        yield
        upload.complete()


def _source(given: tuple[Piece, Place | None]) -> Source:
    piece, place = given
    if piece.storage is None:
        return Source(piece, place, len(piece.literal), "")
    if piece.bytes is not None and piece.version:
        return Source(piece, place, piece.bytes, piece.version)
    found = piece.storage.stat(piece.name)
    if found is None:
        raise unjoinable(piece.storage, piece, "it does not exist")
    if piece.version not in ("", found.version):
        raise unjoinable(piece.storage, piece, "it changed since it was verified")
    return Source(piece, place, found.bytes, found.version)


def _bytes(part: Sequence[Slice]) -> int:
    return sum(one.end - one.start for one in part)


def _is_copied(sources: Sequence[Source], part: Sequence[Slice]) -> bool:
    return len(part) == 1 and sources[part[0].piece].place is not None and _bytes(part) >= LEAST_BYTES


def _send(upload: Upload, sources: Sequence[Source], number: int, part: Sequence[Slice]) -> None:
    place = sources[part[0].piece].place
    if place is None or not _is_copied(sources, part):
        upload.send(number, _gathered(sources, part))
        return
    (one,), source = part, sources[part[0].piece]
    span = None if one.end - one.start == source.bytes else (one.start, one.end)
    if not upload.copy(number, place, source.version, span):
        raise _gone(source)


def _gathered(sources: Sequence[Source], part: Sequence[Slice]) -> bytes:
    return b"".join(_read(sources[one.piece], one) for one in part)


def _read(source: Source, one: Slice) -> bytes:
    piece = source.piece
    if piece.storage is None:
        return piece.literal[one.start : one.end]
    if source.place is None:
        with opened(piece.storage, piece) as reader:
            data = reader.read(one.start, one.end)
    else:
        try:
            data = fetch(*source.place, one.start, one.end, source.version)
        except InputError:
            raise _gone(source) from None
    if len(data) != one.end - one.start:
        raise _gone(source)
    return data


def _gone(source: Source) -> Exception:
    assert source.piece.storage is not None  # noqa: S101 - a literal is always there
    return unjoinable(source.piece.storage, source.piece, "it changed since it was verified")
