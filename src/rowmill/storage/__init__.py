"""Where files and a run's objects are kept. One file per technology; none knows another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager


UNDER_WAY = "the run is under way in"  # how an error begins that says that another holds a claim


class Stat(msgspec.Struct, frozen=True):
    """An object's length and what changes when it changes."""

    bytes: int
    version: str


class Piece(msgspec.Struct, frozen=True):
    """A part of a joined object: literal bytes, or another object.

    Attributes:
        literal: The bytes, where `storage` is None.
        storage, name: Where the object is.
        version: What it must be when it is copied; empty = whatever is there.
        bytes: Its length, if that is known.
    """

    literal: bytes = b""
    storage: Storage | None = None
    name: str = ""
    version: str = ""
    bytes: int | None = None


class Writer(Protocol):
    """An object in the making. It appears whole when the `with` ends well, and not at all otherwise."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


class Reader(Protocol):
    """Bytes that are read by range."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end); fewer only where they end."""


class OpenObject(Reader, Protocol):
    """An object open for reading, by several threads at once; all that it reads is of one version."""

    @property
    def stat(self) -> Stat:
        """Its length and version when it was opened."""


class Claim(Protocol):
    """A claim that is held."""

    def check(self) -> None:
        """Make sure that nobody has taken the claim over meanwhile.

        Raises:
            StateError: Another has.
        """


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

    def open(self, name: str) -> AbstractContextManager[OpenObject]:
        """Open an object for reading by range.

        Raises:
            InputError: There is none, or it may not be read.
        """

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none; return whether this call did.

        Another's object is never taken for one's own, even if it has the same bytes.
        """

    def put(self, name: str, data: bytes) -> None:
        """Write or replace an object, whole or not at all."""

    def writer(self, name: str) -> AbstractContextManager[Writer]:
        """Write or replace an object piece by piece."""

    def joining(self, name: str, pieces: Sequence[Piece]) -> AbstractContextManager[None]:
        """Put the pieces together as one object, out of sight; it appears whole when the `with` ends well.

        Raises:
            IntegrityError: A piece is gone, or not the version that was asked for.
        """

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted."""

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders that are right under a folder, sorted; what is in them is not asked for."""

    def delete(self, name: str) -> None:
        """Remove an object, or all that is under a folder; what is not there is no error."""

    def move(self, name: str, target: str) -> None:
        """Rename an object."""

    def claim(self, name: str) -> AbstractContextManager[Claim]:
        """Hold `name` against other coordinators.

        Raises:
            StateError: Another holds it.
        """

    def claimed(self, name: str) -> bool:
        """Whether somebody holds `name`; only looks."""


def place_of(url: str) -> tuple[str, str]:
    """Part a file's URL into its folder's URL and its name; of an object store, into the bucket's URL and the key.

    A key is text and no path: `?`, `#`, `%`, `//` and `..` are part of it.
    """
    scheme = scheme_of(url)
    if scheme in ("", "file"):
        folder, _, name = url.rpartition("/")
        return folder or "/", name
    bucket, _, key = url.removeprefix(f"{scheme}://").partition("/")
    return f"{scheme}://{bucket}", key


def scheme_of(url: str) -> str:
    """Return what stands before `://`, empty for a path."""
    return url.partition("://")[0].lower() if "://" in url else ""


def open_storage(url: str) -> Storage:
    """Open the storage at a URL or path.

    Raises:
        ConfigurationError: No technology here knows the scheme.
    """
    # A worker imports the technologies that it uses.
    scheme = scheme_of(url)
    if scheme in ("", "file"):
        from rowmill.storage.files import Files  # noqa: PLC0415

        return Files(url)
    if scheme == "s3":
        from rowmill.storage.s3 import S3  # noqa: PLC0415

        return S3(url)
    if scheme in ("gs", "az"):
        from rowmill.storage.clouds import Cloud  # noqa: PLC0415

        return Cloud(url)
    raise ConfigurationError(
        f"no storage here opens {scheme}:// addresses", hint="use a path, s3://, gs:// or az://", url=url
    )
