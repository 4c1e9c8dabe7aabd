"""Rejected rows, corrected, done again: read, given to the user's function, shown to the table; nothing is saved."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import InputError
from rowmill.formats import Decoded, borders
from rowmill.model.counts import Counts
from rowmill.steps.contest import Entry, Rank
from rowmill.steps.function.calling import Batch
from rowmill.steps.generations import rejects_in
from rowmill.steps.merge import columns_of
from rowmill.steps.process import OVERSIZED, calling
from rowmill.steps.proof.naive import NO_ROW, NOT_LEGAL
from rowmill.steps.reading import Chunk
from rowmill.steps.results import Results, Totals
from rowmill.steps.source import in_utf8
from rowmill.steps.weaving import Added

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest, Partition
    from rowmill.model.receipt import Receipt, Reject
    from rowmill.model.repair import Correction
    from rowmill.steps import Run
    from rowmill.steps.function.preparing import Prepared
    from rowmill.steps.generations import Generation
    from rowmill.tables import Refused, Stage


class Given(NamedTuple):
    """A corrected row.

    Attributes:
        was: The reject that it stands for.
        place: How many of its partition's written rows stand before it.
        text: What is to stand in the input.
        chunk: The same as bytes, where the reject stood.
        decoded: Read: one row, or what is wrong with it.
    """

    was: Reject
    place: int
    text: str
    chunk: Chunk
    decoded: Decoded


class Redone(NamedTuple):
    """What became of a partition's corrected rows.

    Attributes:
        counts: Of these rows.
        added: Those that are written now.
        refused: Those that are refused again, by ordinal.
        entries: What the table takes.
        written: The ordinals of those that are written now.
        totals: Sums by outcome, before and after.
        filtered: The ordinals of those that the function filtered, by reason.
    """

    counts: Counts
    added: list[Added]
    refused: dict[int, Reject]
    entries: list[Entry]
    written: frozenset[int]
    totals: dict[str, dict[str, str]]
    columns: tuple[str, ...] | None
    given: list[Given]
    filtered: Mapping[str, Sequence[int]]

    @property
    def mended(self) -> list[int]:
        """The ordinals of those that are no rejects any more."""
        return [one.was.ordinal for one in self.given if one.was.ordinal not in self.refused]


def redo(
    run: Run,
    manifest: Manifest,
    generation: Generation,
    corrections: Sequence[Correction],
    stage: Stage | None,
    prepared: Prepared,
) -> dict[int, Redone]:
    """Call the function on corrected rows, by partition; nothing is saved.

    Args:
        run: The run, open in this process.
        manifest: What split published.
        generation: What counts of the run so far.
        corrections: Rows of the input that are rejects, by ordinal.
        stage: Tells which results the table refuses; None without a table.
        prepared: What this process keeps for the function.

    Raises:
        InputError: A correction speaks of a row that is no reject, or cannot be written in the input's encoding.
        ProcessingError: The function failed, or returned what cannot be saved.
    """
    columns = columns_of([generation.receipts[part.index] for part in manifest.partitions])
    done: dict[int, Redone] = {}
    for partition, wanted in by_partition(manifest, corrections):
        given = list(_given(run, manifest, generation.receipts[partition.index], wanted))
        done[partition.index] = _redone(run, manifest, partition, given, columns, stage, prepared)
        columns = columns or done[partition.index].columns
    return done


def by_partition(
    manifest: Manifest, corrections: Sequence[Correction]
) -> Iterator[tuple[Partition, dict[int, Correction]]]:
    """Give the partitions that corrections speak of, in order, each with its own."""
    found: dict[int, dict[int, Correction]] = defaultdict(dict)
    ends = [part.first_ordinal + part.rows for part in manifest.partitions]
    for one in corrections:
        index = bisect_right(ends, one.ordinal)
        if index == len(ends):
            raise no_reject(one.ordinal)
        found[index][one.ordinal] = one
    for index in sorted(found):
        yield manifest.partitions[index], found[index]


def no_reject(ordinal: int) -> InputError:
    """Return the error for a row that nobody refused."""
    return InputError(
        "this row is not among the rejects: it was written, filtered, or repaired before",
        hint="`rowmill rejects RUN` lists those that are left",
        ordinal=ordinal,
    )


def _given(run: Run, manifest: Manifest, receipt: Receipt, wanted: Mapping[int, Correction]) -> Iterator[Given]:
    reads, left = in_utf8(run.job.reads), dict(wanted)
    for reject, place in zip(rejects_in(run.workspace, receipt), receipt.reject_places, strict=True):
        if (correction := left.pop(reject.ordinal, None)) is not None:
            chunk = Chunk(_encoded(reads, correction), reject.offset, reject.line)
            yield Given(reject, place, correction.row, chunk, _read(reads, manifest.columns, chunk))
    for ordinal in left:
        raise no_reject(ordinal)


def _encoded(reads: Format, correction: Correction) -> bytes:
    try:
        return correction.row.encode(reads.encoding) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(
            f"a corrected row has a character that {reads.encoding} does not have",
            hint="nothing was changed; write it with the characters of the input",
            ordinal=correction.ordinal,
        ) from error


def _read(reads: Format, columns: tuple[str, ...] | None, chunk: Chunk) -> Decoded:
    """Read a corrected text: one row, or why it is none."""
    if len(chunk.data) > reads.max_row_bytes:
        return Decoded([], {0: OVERSIZED})
    ends = borders.row_ends(chunk.data, reads.rules)
    if ends != [len(chunk.data)]:  # two rows, a blank line, or a quote that is not closed
        return Decoded([], {0: f"the corrected text is {len(ends)} rows" if len(ends) > 1 else NO_ROW})
    try:
        return reads.decode(chunk.data, columns)
    except InputError:
        return Decoded([], {0: NOT_LEGAL})


def _redone(
    run: Run,
    manifest: Manifest,
    partition: Partition,
    given: list[Given],
    columns: tuple[str, ...] | None,
    stage: Stage | None,
    prepared: Prepared,
) -> Redone:
    reads = in_utf8(run.job.reads)
    taken = Taken(stage)
    results = Results(run, taken if stage is not None else None, first=partition.first_ordinal, budget=len(given))
    results.columns = columns
    good = [one for one in given if one.decoded.rows]
    lines = {one.was.ordinal: one.was.line for one in good}
    batch = Batch([one.decoded.rows[0] for one in good], list(lines), lines.__getitem__)
    added: list[Added] = []
    written: set[int] = set()
    with calling(run, manifest, reads, lambda: iter([one.chunk for one in good]), prepared) as call:
        for one, outcome in zip(good, call(batch) if good else [], strict=True):
            alone = Batch(one.decoded.rows, [one.was.ordinal], lines.__getitem__)
            before = results.counts.written
            data = results.take(alone, [outcome], one.decoded, one.chunk, reads, one.was.ordinal)
            if results.counts.written > before:
                added.append(Added(one.place, data))
                written.add(one.was.ordinal)
                taken.name(Rank(partition.index, one.place, 0, one.was.ordinal))
    unread = {one.was.ordinal: one.decoded.malformed[0] for one in given if not one.decoded.rows}
    reasons = unread | {reject.ordinal: reject.reason for reject in results.rejects}
    refused = {
        one.was.ordinal: msgspec.structs.replace(
            one.was, reason=reasons[one.was.ordinal], raw=one.text, truncated=False
        )
        for one in given
        if one.was.ordinal in reasons
    }
    counts = results.counts
    counts = Counts(len(given), counts.written, counts.filtered, len(refused))
    totals = results.totals.less(_totals_before(run, manifest, given)).as_text()
    done = (counts, added, refused, taken.entries, frozenset(written), totals, results.columns, given)
    return Redone(*done, results.filtered)


class Taken:
    """Stands between results and a stage that is not committed: remembers what the table takes."""

    def __init__(self, stage: Stage | None) -> None:
        self._stage = stage
        self._latest: list[Mapping[str, Any]] = []
        self.entries: list[Entry] = []

    def add(self, values: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """Ask the table."""
        refused = [] if self._stage is None else self._stage.add(values)
        bad = {one.place for one in refused}
        self._latest = [value for place, value in enumerate(values) if place not in bad]
        return refused

    def name(self, rank: Rank) -> None:
        """Tell where the row stands that was taken last."""
        self.entries += [Entry(rank, value) for value in self._latest]
        self._latest = []

    def commit(self) -> int:
        """Return how many rows were taken; nothing is saved."""
        return len(self.entries)


def _totals_before(run: Run, manifest: Manifest, given: Sequence[Given]) -> Totals:
    """Return what these rows came to when they were rejected."""
    totals, reads = Totals(run.job.totals), in_utf8(run.job.reads)
    for one in given if totals.columns else ():
        decoded = _read(reads, manifest.columns, one.chunk._replace(data=one.was.raw.encode(reads.encoding) + b"\n"))
        if decoded.rows and not one.was.truncated:
            totals.add("rejected", decoded.rows[0])
    return totals
