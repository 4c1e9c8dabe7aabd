"""Objects of Google Cloud Storage (`gs://`) and Azure Blob Storage (`az://`), by obstore. **Untested** against either.

Tests run this code on an S3 server, since obstore has one interface for all. A blocking call of obstore holds back
signal handlers, so each is made in a thread and waited for. There are no joins by the store: what is joined or streamed
is gathered in a temporary file, and sent when it is whole.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

from rowmill.errors import ConfigurationError, InputError, RowmillError, TransientError
from rowmill.storage import Stat, claims
from rowmill.storage.ahead import started
from rowmill.storage.pieces import opened
from rowmill.storage.ranges import BLOCK_BYTES, RangeReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.storage import Piece

try:
    import obstore
    from obstore import exceptions
except ImportError:
    raise ConfigurationError("gs:// and az:// need a library", hint="pip install 'rowmill[clouds]'") from None

TOKEN = "rowmill_token"  # noqa: S105 - metadata by which a call knows its own object when its first answer was lost
FIRST_PRINTABLE = " "
R = TypeVar("R")


class Cloud:
    """Objects of a bucket or container whose keys begin with a prefix.

    Args:
        url: `gs://bucket/prefix` or `az://container/prefix`; slashes at its end are nothing.
        store: obstore's; by default what the scheme says, with credentials from the environment.
        beats: How often a claim's owner tells that it lives.
    """

    def __init__(self, url: str, store: Any = None, beats: claims.Beats = claims.Beats()) -> None:  # noqa: B008
        self._root, _, prefix = url.partition("://")[2].partition("/")
        self._scheme = url.partition("://")[0].lower()
        if not self._root:
            raise ConfigurationError(f"{url} names no bucket", hint=f"give {self._scheme}://bucket/key")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
        self._beats = beats
        self._store = store if store is not None else self._opened()

    def _opened(self) -> Any:
        from obstore.store import AzureStore, GCSStore  # noqa: PLC0415 - tests give a store of their own

        kind: Any = GCSStore if self._scheme == "gs" else AzureStore
        return self._do(lambda: kind(self._root))

    @property
    def url(self) -> str:
        """Bucket and prefix."""
        return f"{self._scheme}://{self._root}/{self._prefix}".rstrip("/")

    def _key(self, name: str) -> str:
        """Return an object's key.

        Raises:
            ConfigurationError: The library would take it for another one.
        """
        key = f"{self._prefix}{name}"
        if {"", ".", ".."} & set(key.split("/")) or any(char < FIRST_PRINTABLE for char in key):
            raise ConfigurationError(
                f"the key {key!r} cannot be used",
                hint="choose one without control characters and `//`, `.`, `..` parts",
            )
        return key

    def _do(self, call: Callable[[], R]) -> R:
        """Make a call in a thread, and let its errors come out as ours, but for those that answer a question."""
        try:
            return started(call).result()
        except (FileNotFoundError, exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise _translated(error, self.url) from None

    def _head(self, name: str) -> Any:
        try:
            return self._do(partial(obstore.head, self._store, self._key(name)))
        except FileNotFoundError:
            return None

    def stat(self, name: str) -> Stat | None:
        """Return length and entity tag."""
        found = self._head(name) if name else None
        return None if found is None else Stat(found["size"], found["e_tag"] or str(found["last_modified"]))

    def get(self, name: str) -> bytes | None:
        """Return the whole object."""
        try:
            return self._do(lambda: bytes(obstore.get(self._store, self._key(name)).bytes()))
        except FileNotFoundError:
            return None

    @contextmanager
    def open(self, name: str) -> Iterator[RangeReader]:
        """Open one version of an object for reading by range."""
        stat, url = self.stat(name), f"{self.url}/{name}"
        if stat is None:
            raise InputError(f"{url} does not exist", hint="check bucket and key", url=url)

        def fetch(start: int, end: int) -> bytes:
            options: Any = {"range": (start, end), "if_match": stat.version}
            try:
                return self._do(lambda: bytes(obstore.get(self._store, self._key(name), options=options).bytes()))
            except (FileNotFoundError, exceptions.PreconditionError):
                raise InputError(
                    f"{url} changed while it was read",
                    hint="give the same command again: a changed file is a new run",
                    url=url,
                ) from None

        yield RangeReader(stat, fetch)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none; its token tells whether one that is there is this call's own."""
        own, key = os.urandom(12).hex(), self._key(name)
        put = partial(obstore.put, self._store, key, data, mode="create", attributes={TOKEN: own}, use_multipart=False)
        try:
            self._do(put)
        except exceptions.AlreadyExistsError:
            return bool(self._do(lambda: obstore.get(self._store, key).attributes).get(TOKEN) == own)
        return True

    def put(self, name: str, data: bytes) -> None:
        """Write or replace an object."""
        self._do(partial(obstore.put, self._store, self._key(name), data))

    @contextmanager
    def writer(self, name: str) -> Iterator[HeldWriter]:
        """Write or replace an object piece by piece; it is sent when the block ends well."""
        key = self._key(name)
        with tempfile.TemporaryFile() as held:
            yield HeldWriter(held)
            self._send(key, held)

    @contextmanager
    def joining(self, name: str, pieces: Sequence[Piece]) -> Iterator[None]:
        """Put the pieces together here; they are sent when the block ends well."""
        key = self._key(name)
        with tempfile.TemporaryFile() as held:
            for piece in pieces:
                _add(held, piece)
            yield
            self._send(key, held)

    def _send(self, key: str, held: BinaryIO) -> None:
        held.seek(0)
        self._do(partial(obstore.put, self._store, key, held))

    def list(self, prefix: str) -> Iterator[str]:
        """Return the names under a folder, sorted."""
        folder = self._key(prefix) if prefix else self._prefix.rstrip("/")
        found = self._do(lambda: [one["path"] for page in obstore.list(self._store, folder or None) for one in page])
        for key in sorted(found):
            yield key.removeprefix(self._prefix)

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders right under a folder, sorted."""
        folder = self._key(prefix) if prefix else self._prefix.rstrip("/")
        found = self._do(lambda: obstore.list_with_delimiter(self._store, folder or None)["common_prefixes"])
        return sorted(key.rstrip("/").rpartition("/")[2] for key in found)

    def delete(self, name: str) -> None:
        """Remove an object, and all that is under a folder of its name."""
        for key in ([self._key(name)] if name else []) + [self._key(one) for one in self.list(name)]:
            try:
                self._do(partial(obstore.delete, self._store, key))
            except FileNotFoundError:
                continue

    def move(self, name: str, target: str) -> None:
        """Copy an object within the store, then remove the first."""
        key = self._key(name)
        try:
            self._do(partial(obstore.copy, self._store, key, self._key(target)))
        except FileNotFoundError:
            _missing(f"{self.url}/{name}")
        self._do(partial(obstore.delete, self._store, key))

    @contextmanager
    def claim(self, name: str) -> Iterator[claims.HeldClaim]:
        """Hold a numbered object that is rewritten with a beat."""
        with claims.claimed_by_me(self, name, self._beats) as claim:
            yield claim

    def claimed(self, name: str) -> bool:
        """Whether the highest number is held; of an owner elsewhere told by this machine's clock."""
        return claims.is_claimed(self, name, self._age_s, self._beats)

    def _age_s(self, name: str) -> float:
        found = self._head(name)
        return float("inf") if found is None else (datetime.now(UTC) - found["last_modified"]).total_seconds()


class HeldWriter:
    """An object in the making, in a temporary file."""

    def __init__(self, held: BinaryIO) -> None:
        self._held = held

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._held.write(data)


def _add(held: BinaryIO, piece: Piece) -> None:
    if piece.storage is None:
        held.write(piece.literal)
        return
    with opened(piece.storage, piece) as reader:
        held.writelines(reader.read(at, at + BLOCK_BYTES) for at in range(0, reader.stat.bytes, BLOCK_BYTES))


def _missing(url: str) -> NoReturn:
    raise ConfigurationError(f"{url} does not exist", hint="give the same command again", url=url)


def _translated(error: Exception, url: str) -> RowmillError:
    """Return a foreign error as ours: what the library gave up after its own tries may pass."""
    said = str(error).partition("\n\nDebug source")[0]
    if isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)):
        return ConfigurationError(f"{url} refuses: {said}", hint="check credentials and rights", url=url)
    if isinstance(error, exceptions.GenericError):
        return TransientError(f"{url} does not answer well: {said}", hint="give the same command again later", url=url)
    return ConfigurationError(f"{url} cannot be used: {said}", hint="check address and settings", url=url)
