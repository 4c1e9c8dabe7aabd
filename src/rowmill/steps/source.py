"""The decoded bytes of an input: the file itself where it can be sought and cut by bytes, else a copy in the workspace."""

from __future__ import annotations

import codecs
import hashlib
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, InputError
from rowmill.formats.text import cuts_by_bytes
from rowmill.steps.reading import changed
from rowmill.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.storage import Reader, Storage

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
STREAM_BYTES = 1024 * 1024


class Source(NamedTuple):
    """Bytes that can be read by range, and stay what they are.

    Attributes:
        reads: The format of the decoded bytes.
        storage, name: Where they are.
        bytes: How many.
        version: Their version when the run began; of a copy its length, since partitions' digests tell the rest.
        spooled: They are a copy in the workspace.
    """

    reads: Format
    storage: Storage
    name: str
    bytes: int
    version: str
    spooled: bool

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Open them for reading."""
        with self.storage.open(self.name) as reader:
            yield reader

    def check(self) -> None:
        """Compare their version with what is there now.

        Raises:
            InputError: They changed.
        """
        now = self.storage.stat(self.name)
        if now is None or (str(now.bytes) if self.spooled else now.version) != self.version:
            raise changed().at(url=f"{self.storage.url}/{self.name}")


def source_of(run: Run, manifest: Manifest) -> Source:
    """Return the decoded bytes that the manifest was made from, checked to be the same version."""
    source = _source(run, manifest.input.bytes, manifest.input.data_version, spooled=manifest.input.spooled)
    source.check()
    return source


def spool(run: Run) -> Source:
    """Return the input's decoded bytes; copy them into the workspace once if they cannot be read in place.

    Raises:
        InputError: The input is missing, changed, or its compression is broken.
    """
    if run.record.input == "-":
        return _spooled(run)
    storage, name = input_place(run)
    found = storage.stat(name)
    if found is None:
        raise InputError(f"{run.record.input} does not exist", hint="check the path", url=run.record.input)
    if found.version != run.record.input_version:
        raise changed().at(url=run.record.input)
    with storage.open(name) as reader:
        start = reader.read(0, 4)
        if not start.startswith((GZIP, ZSTD)) and cuts_by_bytes(run.job.reads.encoding):
            return _source(run, found.bytes, found.version, spooled=False)
        with run.workspace.writer(run.name(wire.SPOOL)) as out:
            for data in decoded(_stream(reader), run.job.reads.encoding):
                out.write(data)
    return _spooled(run)


def _spooled(run: Run) -> Source:
    found = run.workspace.stat(run.name(wire.SPOOL))
    if found is None:
        raise InputError("the copy of the input is gone from the workspace", hint="give the input again")
    return _source(run, found.bytes, str(found.bytes), spooled=True)


def receive(workspace: Storage, name: str, stream: Iterator[bytes], encoding: str) -> str:
    """Keep a stream's decoded bytes under a name of the workspace; return their SHA-256, which is their version."""
    digest = hashlib.sha256()
    with workspace.writer(name) as out:
        for data in decoded(stream, encoding):
            digest.update(data)
            out.write(data)
    return digest.hexdigest()


def _source(run: Run, size: int, version: str, *, spooled: bool) -> Source:
    storage, name = (run.workspace, run.name(wire.SPOOL)) if spooled else input_place(run)
    return Source(in_utf8(run.job.reads), storage, name, size, version, spooled)


def input_place(run: Run) -> tuple[Storage, str]:
    """Return the storage of the input and its name there."""
    folder, name = place_of(run.record.input)
    return run.open_storage(folder), name


def in_utf8(reads: Format) -> Format:
    """Return the format of the decoded bytes: an encoding that cannot be cut by bytes was written anew as UTF-8."""
    if cuts_by_bytes(reads.encoding):
        return reads
    return msgspec.structs.replace(reads, encoding="utf-8")  # type: ignore[type-var]


def decoded(stream: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decompress a stream by its first bytes, and write it anew as UTF-8 if its encoding cannot be cut by bytes."""
    first = next(stream, b"")
    data = _chained(first, stream)
    if first.startswith(GZIP):
        data = gunzipped(data)
    elif first.startswith(ZSTD):
        data = unzstandard(data)
    return data if cuts_by_bytes(encoding) else _transcoded(data, encoding)


def _stream(reader: Reader) -> Iterator[bytes]:
    at = 0
    while data := reader.read(at, at + STREAM_BYTES):
        yield data
        at += len(data)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def gunzipped(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip, any number of members.

    Raises:
        InputError: It is cut short or broken, with the offset.
    """
    return _inflated(stream, "gzip", lambda: zlib.decompressobj(wbits=31), zlib.error)


def unzstandard(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress zstd, any number of frames."""
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("the input is compressed with zstd", hint="pip install 'rowmill[zstd]'") from None
    return _inflated(stream, "zstd", lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError)


def _inflated(
    stream: Iterator[bytes], kind: str, fresh: Callable[[], object], failure: type[Exception]
) -> Iterator[bytes]:
    """Run a decompressor of the `decompressobj` kind over a stream, member after member."""
    member, begun, offset, made = fresh(), False, 0, 0
    for block in stream:
        rest = block
        while rest:
            begun = True
            try:
                data = member.decompress(rest)  # type: ignore[attr-defined]
            except failure as error:
                raise InputError(
                    f"the {kind} input is broken near byte {offset:,} ({made:,} bytes decoded): {error}",
                    hint="transfer the file again",
                ) from None
            if data:
                made += len(data)
                yield data
            rest = b""
            if member.eof:  # type: ignore[attr-defined]
                rest = member.unused_data  # type: ignore[attr-defined]
                member, begun = fresh(), False
                if kind == "gzip" and not rest.strip(b"\x00"):
                    rest = b""  # padding after the last member, as gzip(1) allows
        offset += len(block)
    if begun:
        raise InputError(
            f"the {kind} input is cut short: it ends after byte {offset:,} ({made:,} bytes decoded) in the middle of data",
            hint="transfer the file again",
        )


def _transcoded(stream: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    for data in _chained(b"", stream):
        try:
            yield decoder.decode(data).encode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"the input is not {encoding} near byte {at + error.start:,}: {error.reason}",
                hint="declare the encoding that it is written in",
            ) from None
        at += len(data)
    try:
        yield decoder.decode(b"", final=True).encode()
    except UnicodeDecodeError as error:
        raise InputError(f"the input ends in the middle of a {encoding} character", hint="transfer it again") from error
