"""Pieces of a joined object, opened wherever they are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rowmill.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.storage import OpenObject, Piece, Storage


@contextmanager
def opened(storage: Storage, piece: Piece) -> Iterator[OpenObject]:
    """Open a piece for reading, and make sure that it is the version that was asked for.

    Raises:
        IntegrityError: It is not, or it is gone, or it changes while it is read.
    """
    try:
        with storage.open(piece.name) as reader:
            if piece.version in ("", reader.stat.version):
                yield reader
                return
    except InputError as error:
        raise unjoinable(storage, piece, error.message) from None
    raise unjoinable(storage, piece, "it changed since it was verified")


def unjoinable(storage: Storage, piece: Piece, why: str) -> IntegrityError:
    """Return the error for a piece that is not what it was."""
    url = f"{storage.url}/{piece.name}"
    return IntegrityError(
        f"{url} cannot be joined: {why}", hint="nothing was published; give the same command again", url=url
    )
