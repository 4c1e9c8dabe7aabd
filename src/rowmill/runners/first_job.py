"""A first job for a file: samples of it are looked at, and what was guessed becomes a file of Python."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import InputError, StateError
from rowmill.formats.guessing import Look, look
from rowmill.runners.job_text import job_text
from rowmill.runners.starting import absolute
from rowmill.steps.source import GZIP, ZSTD, decoded
from rowmill.storage import open_storage, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.storage import Reader

HEAD_BYTES, OTHER_BYTES, OTHERS = 1024 * 1024, 64 * 1024, 8


class FirstJob(NamedTuple):
    """A job that was written for a file.

    Attributes:
        file: Where it is.
        looked_at: Bytes that the guesses stand on.
        look: The guesses.
    """

    file: str
    looked_at: int
    look: Look


class Samples(NamedTuple):
    """Bytes of an input: its head, decompressed, and pieces from other places; `whole` if the head is all of it."""

    head: bytes
    others: tuple[bytes, ...]
    whole: bool


def first_job(given: str, file: str, *, overwrite: bool) -> FirstJob:
    """Look at an input's head and at samples of the rest, and write a job for it.

    Args:
        given: The input's path or URL.
        file: Where the job goes.
        overwrite: Whether it may replace what is there.

    Raises:
        InputError: There is no such input, or nothing in it.
        StateError: There is such a file, and it is not to be replaced.
    """
    url, path = absolute(given), absolute(file)
    head, others, whole = samples(url)
    found = look(head, others, whole=whole)
    size = len(head) + sum(map(len, others))
    text = job_text(url, PurePosixPath(path).name, found, size).encode()
    folder, name = place_of(path)
    if overwrite:
        open_storage(folder).put(name, text)
    elif not open_storage(folder).create(name, text):
        raise StateError(f"{file} is there already", hint="give another --job-file, or --overwrite")
    return FirstJob(path, size, found)


def samples(url: str) -> Samples:
    """Read an input here and there.

    Raises:
        InputError: There is no such input, or its compression is broken.
    """
    folder, name = place_of(url)
    storage = open_storage(folder)
    stat = storage.stat(name)
    if stat is None:
        raise InputError(f"{url} does not exist", hint="check the path", url=url)
    with storage.open(name) as reader:
        head = reader.read(0, min(HEAD_BYTES, stat.bytes))
        if head.startswith((GZIP, ZSTD)):
            return _decompressed(reader, stat.bytes)
        starts = range(len(head), stat.bytes, max(OTHER_BYTES, (stat.bytes - len(head)) // OTHERS))
        others = tuple(reader.read(at, min(at + OTHER_BYTES, stat.bytes)) for at in starts)
    return Samples(head, others, len(head) == stat.bytes)


def _decompressed(reader: Reader, size: int) -> Samples:
    """Return the head of what is compressed; other places cannot be read without all that is before them."""

    def stream() -> Iterator[bytes]:
        for at in range(0, size, OTHER_BYTES):
            yield reader.read(at, min(at + OTHER_BYTES, size))

    held = b""
    for data in decoded(stream(), "utf-8"):
        held += data
        if len(held) > HEAD_BYTES:
            return Samples(held[:HEAD_BYTES], (), whole=False)
    return Samples(held, (), whole=True)
