"""The decoded bytes of an input: the file itself where it can be cut by bytes, else a copy in the workspace."""

from __future__ import annotations

import codecs
import hashlib
import zlib
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, InputError
from rowmill.formats.text import UTF_8, canonical, cuts_by_bytes
from rowmill.steps.reading import changed
from rowmill.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.storage import Reader, Stat, Storage

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
STREAM_BYTES = 1024 * 1024
SLICE_BYTES = 1024  # decompressed at once: however well it is compressed, it comes to some 32 MiB at most


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
        """Open them for reading; what is read is what the run began with.

        Raises:
            InputError: They changed.
        """
        with self.storage.open(self.name) as reader:
            self._compare(reader.stat)
            yield reader

    def check(self) -> None:
        """Compare their version with what is there now.

        Raises:
            InputError: They changed.
        """
        self._compare(self.storage.stat(self.name))

    def _compare(self, found: Stat | None) -> None:
        if found is None or (str(found.bytes) if self.spooled else found.version) != self.version:
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
                run.border()
                out.write(data)
    return _spooled(run)


def check_not_replaced(run: Run) -> None:
    """Refuse to publish what came of an input that was replaced: it would go over what comes of the newer one.

    An input that is gone has no newer one.

    Raises:
        InputError: It was replaced.
    """
    if run.record.input == "-":
        return
    storage, name = input_place(run)
    found = storage.stat(name)
    if found is not None and found.version != run.record.input_version:
        raise changed().at(url=run.record.input)


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
    """Return the format of the decoded bytes: what cannot be cut by bytes was written anew as UTF-8."""
    if reads.encoding == "utf-8" or (cuts_by_bytes(reads.encoding) and canonical(reads.encoding) not in UTF_8):
        return reads
    return msgspec.structs.replace(reads, encoding="utf-8")  # type: ignore[type-var]


def decoded(stream: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decompress a stream by its first bytes, and write it anew as UTF-8 if its encoding cannot be cut by bytes."""
    first = b""
    while len(first) < len(ZSTD) and (more := next(stream, b"")):
        first += more
    data: Iterator[bytes] = chain((first,), stream)
    if first.startswith(GZIP):
        data = _gathered(gunzipped(data))
    elif first.startswith(ZSTD):
        data = _gathered(unzstandard(data))
    return data if cuts_by_bytes(encoding) else _transcoded(data, encoding)


def _stream(reader: Reader) -> Iterator[bytes]:
    at = 0
    while data := reader.read(at, at + STREAM_BYTES):
        yield data
        at += len(data)


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
    stream: Iterator[bytes], kind: str, fresh: Callable[[], Any], failure: type[Exception]
) -> Iterator[bytes]:
    """Run a decompressor of the `decompressobj` kind over a stream, member after member."""
    member, begun, offset, made = fresh(), False, 0, 0
    for part in _slices(stream):
        offset, rest = offset + len(part), part
        while rest:
            if not begun and kind == "gzip":
                rest = rest.lstrip(b"\x00")  # padding after a member, as gzip(1) allows
            begun = begun or bool(rest)
            try:
                data = member.decompress(rest)
            except failure as error:
                raise InputError(
                    f"the {kind} input is broken near byte {offset - len(rest):,} ({made:,} bytes decoded): {error}",
                    hint="transfer the file again",
                ) from None
            made += len(data)
            yield data
            rest = b""
            if member.eof:
                rest, member, begun = member.unused_data, fresh(), False
    if begun:
        raise InputError(
            f"the {kind} input is cut short: it ends after byte {offset:,} ({made:,} bytes decoded) amid data",
            hint="transfer the file again",
        )


def _slices(stream: Iterator[bytes]) -> Iterator[bytes]:
    for block in stream:
        for at in range(0, len(block), SLICE_BYTES):
            yield block[at : at + SLICE_BYTES]


def _gathered(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces to such of at least `STREAM_BYTES`."""
    held: list[bytes] = []
    size = 0
    for data in stream:
        held.append(data)
        size += len(data)
        if size >= STREAM_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _transcoded(stream: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Write text anew as UTF-8; what does not read becomes bytes that are not UTF-8, so that its row alone suffers."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    for data in chain(stream, (None,)):
        try:
            text = decoder.decode(data or b"", final=data is None)
        except UnicodeDecodeError as error:
            raise InputError(
                f"the input is not {encoding}: {error.reason}", hint="declare the encoding that it is written in"
            ) from None
        yield text.encode("utf-8", "surrogatepass")
