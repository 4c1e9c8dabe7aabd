"""Every row of an input looked at without the job's function: what does not read, and keys that come again."""

from __future__ import annotations

from array import array
from collections import defaultdict
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.formats.jsonl import Jsonl
from rowmill.formats.masking import hidden
from rowmill.steps.function.converting import converter
from rowmill.steps.function.outcome import Rejected
from rowmill.steps.process import decode_chunk
from rowmill.steps.reading import Chunk, chunks, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rowmill.formats import Decoded
    from rowmill.job import Job
    from rowmill.model.manifest import Manifest
    from rowmill.steps.source import Source

MOST_FINDINGS = 1_000
BUCKETS = 256


class Finding(NamedTuple):
    """What is wrong with a row.

    Attributes:
        line, ordinal: Its place.
        reason: In words that show no value of it.
    """

    line: int
    ordinal: int
    reason: str


class Scan(NamedTuple):
    """What a look at all rows came to.

    Attributes:
        rows: How many there are.
        malformed: Rows that would be rejected before the function sees them.
        keys: Columns by which rows are told apart, as far as the input has them; empty = not looked at.
        doubled: Rows whose key another row has as well.
        findings: The first of them, in the order of the input.
    """

    rows: int
    malformed: int
    keys: tuple[str, ...]
    doubled: int
    findings: tuple[Finding, ...]


def scan(job: Job, source: Source, manifest: Manifest) -> Scan:
    """Read all rows.

    Args:
        job: Its function's annotation, and the key of its table.
        source: The input's bytes.
        manifest: How many rows there are, and their columns.

    Raises:
        InputError: The text breaks the declared rules.

    Cost: a pass over the input, and 8 bytes a row where there is a key; another pass where keys come again.
    """
    rows = Rows(job, source, manifest)
    seen = Seen()
    malformed: list[Finding] = []
    count = 0
    for chunk, ordinal, decoded in rows.read():
        found = rows.refused(decoded)
        count += len(found)
        if found and len(malformed) < MOST_FINDINGS:
            malformed += rows.findings(chunk, ordinal, found)
        if rows.key is not None:
            seen.add(map(rows.key, decoded.rows))
    doubled = _doubled(rows, seen)
    first = sorted([*malformed[:MOST_FINDINGS], *doubled])[:MOST_FINDINGS]
    return Scan(manifest.rows, count, rows.keys, len(doubled), tuple(first))


class Rows:
    """The rows of an input, chunk by chunk, and what the job's declarations say of them."""

    def __init__(self, job: Job, source: Source, manifest: Manifest) -> None:
        self._source, self._manifest = source, manifest
        self._convert = converter(job.row_type, manifest.columns)
        self._sensitive = job.sensitive
        keys = job.table.keys if job.table is not None else ()
        objects, columns = isinstance(source.reads, Jsonl), manifest.columns or ()
        self.keys: tuple[str, ...] = keys if objects or all(key in columns for key in keys) else ()
        of_row = partial(key_in, self.keys) if objects else itemgetter(*self.keys) if self.keys else None
        self.key: Callable[[Any], Any] | None = of_row if self.keys else None

    def read(self) -> Iterator[tuple[Chunk, int, Decoded]]:
        """Give each chunk, the ordinal of its first row, and its rows."""
        ordinal, manifest, reads = 0, self._manifest, self._source.reads
        with self._source.open() as reader:
            line = reader.read(0, manifest.body_start).count(b"\n") + 1
            for chunk in chunks(reads, reader, manifest.body_start, manifest.body_end, first_line=line):
                decoded = decode_chunk(reads, manifest.columns, chunk, ordinal)
                yield chunk, ordinal, decoded
                ordinal += len(decoded.rows) + len(decoded.malformed)

    def refused(self, decoded: Decoded) -> dict[int, str]:
        """Return what is wrong by the row's place in its chunk, with values that do not fit the annotation."""
        if self._convert is None:
            return decoded.malformed
        found = dict(decoded.malformed)
        for place, row in zip(good_places(decoded), decoded.rows, strict=True):
            if type(made := self._convert(row)) is Rejected:
                found[place] = hidden(made.reason, row, self._sensitive)
        return found

    def findings(self, chunk: Chunk, ordinal: int, reasons: dict[int, str]) -> list[Finding]:
        """Return rows of a chunk with their lines."""
        where = places(self._source.reads, chunk)
        return [Finding(where[place].line, ordinal + place, reasons[place]) for place in sorted(reasons)]


def key_in(keys: tuple[str, ...], row: Any) -> Any:
    """Return the key in a JSON value; one without it, or whose key is no single value, has one that no other has."""
    try:
        key = tuple(row[name] for name in keys)
        hash(key)
    except (KeyError, TypeError):
        return object()
    return key


def good_places(decoded: Decoded) -> Sequence[int]:
    """Return the place in its chunk of each row that reads well."""
    total = range(len(decoded.rows) + len(decoded.malformed))
    return total if not decoded.malformed else [place for place in total if place not in decoded.malformed]


class Seen:
    """Keys by their hashes, in buckets that are small enough to be sorted one by one."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]

    def add(self, keys: Iterator[Any]) -> None:
        """Take keys."""
        buckets = self._buckets
        for number in map(hash, keys):
            buckets[number % BUCKETS].append(number)

    def again(self) -> set[int]:
        """Return the hashes that came more than once."""
        found: set[int] = set()
        for bucket in self._buckets:
            ordered = sorted(bucket)
            found.update(one for one, after in pairwise(ordered) if one == after)
        return found


def _doubled(rows: Rows, seen: Seen) -> list[Finding]:
    """Return all rows whose key another has, by the keys themselves: hashes only say where to look."""
    again = seen.again()
    if not again or rows.key is None:
        return []
    by_key: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for chunk, ordinal, decoded in rows.read():
        hits = {
            place: key
            for place, key in zip(good_places(decoded), map(rows.key, decoded.rows), strict=True)
            if hash(key) in again
        }
        for finding in rows.findings(chunk, ordinal, dict.fromkeys(hits, "")):
            by_key[hits[finding.ordinal - ordinal]].append((finding.line, finding.ordinal))
    name = ", ".join(rows.keys)
    return [
        Finding(line, ordinal, f"its key ({name}) is that of line {first if ordinal != at else others[1][0]}")
        for others in by_key.values()
        if len(others) > 1
        for first, at in [others[0]]
        for line, ordinal in others
    ]
