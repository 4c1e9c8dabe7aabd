"""Where files and a run's objects are kept. One file per technology; none knows another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager


class Stat(msgspec.Struct, frozen=True):
    """An object's length and what changes when it changes."""

    bytes: int
    version: str


class Piece(msgspec.Struct, frozen=True):
    """A part of a joined object: literal bytes, or another object by its URL."""

    literal: bytes = b""
    url: str = ""


class Writer(Protocol):
    """An object in the making. It appears whole when the `with` ends well, and not at all otherwise."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


class Reader(Protocol):
    """An object open for reading by range."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end); fewer only where the object ends."""


class Storage(Protocol):
    """Named objects under one URL. Names are relative, with `/` between folders.

    Every write is durable when it returns. Foreign errors are translated: unreachable or full is TransientError,
    forbidden is ConfigurationError.
    """

    @property
    def url(self) -> str:
        """The root."""

    def stat(self, name: str) -> Stat | None:
        """Return length and version, None if there is no such object."""

    def get(self, name: str) -> bytes | None:
        """Return the whole object, None if there is none."""

    def open(self, name: str) -> AbstractContextManager[Reader]:
        """Open an object for reading by range.

        Raises:
            InputError: There is none, or it may not be read.
        """

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none; return whether this call did."""

    def put(self, name: str, data: bytes) -> None:
        """Write or replace an object, whole or not at all."""

    def writer(self, name: str) -> AbstractContextManager[Writer]:
        """Write or replace an object piece by piece."""

    def joining(self, name: str, pieces: Sequence[Piece]) -> AbstractContextManager[None]:
        """Put the pieces together as one object, out of sight; it appears whole when the `with` ends well."""

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted."""

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""

    def move(self, name: str, target: str) -> None:
        """Rename an object."""

    def claim(self, name: str) -> AbstractContextManager[None]:
        """Hold `name` against other coordinators.

        Raises:
            StateError: Another holds it.
        """


def place_of(url: str) -> tuple[str, str]:
    """Part a file's URL into its folder's URL and its name."""
    folder, _, name = url.rpartition("/")
    return folder or "/", name


def open_storage(url: str) -> Storage:
    """Open the storage at a URL or path.

    Raises:
        ConfigurationError: No technology here knows the scheme.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("", "file"):
        from rowmill.storage.files import Files  # noqa: PLC0415 - a worker imports the technologies that it uses

        return Files(url)
    raise ConfigurationError(f"no storage here opens {scheme}:// addresses", hint="use a path or file://", url=url)
