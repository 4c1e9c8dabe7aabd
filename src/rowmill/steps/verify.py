"""Verify: a finished run read again from outside, by the standard library's readers, never by the engine's own counts.

Three levels: `digests` (files against manifest, receipts and report), `table` (the live rows against the output),
`replay` (output, rejects and table against the oracle).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from rowmill.errors import InputError, IntegrityError
from rowmill.formats.jsonl import Jsonl
from rowmill.model import counts as rules
from rowmill.model import identity
from rowmill.model.identity import BLOCK_BYTES, PIECE_BYTES
from rowmill.model.manifest import Manifest, tiles
from rowmill.model.verification import Check, Verification
from rowmill.steps.proof import naive
from rowmill.steps.proof.comparing import DAMAGE, holds, replayed, settled_rows
from rowmill.steps.proof.finished import (
    Finished,
    finished,
    input_bytes,
    output_bytes,
    output_rows,
    receipts_of,
    reject_lines,
    reject_of,
    resized,
)
from rowmill.steps.proof.winners import Winners, same, same_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.steps import Run
    from rowmill.storage import Storage


def verify(place: Storage, run_id: str, made: Run | None, *, digests: bool, table: bool, replay: bool) -> Verification:
    """Check a finished run on the levels that are asked for.

    Args:
        place: The workspace.
        run_id: Which run.
        made: The run with its job, for the levels that need it.
        digests: Files against manifest, receipts and report.
        table: The live table against the output.
        replay: Everything against the oracle; the user's function runs again on every row.

    Raises:
        StateError: The run has not ended well, or its input cannot be replayed.
    """
    run = finished(place, run_id)
    checks: list[Check] = []
    if digests:
        checks += _digests(run)
    if table and made is not None:
        checks.append(_check("table", lambda: _table(run, made)) if made.table else _unknown("table", NO_TABLE))
    if replay and made is not None:
        checks += replayed(run, made)
    return Verification(run_id, all(check.ok is not False for check in checks), tuple(checks))


NO_TABLE = "the run saved no table"
NO_INPUT = "standard input is not kept, so that it cannot be read again"


def _digests(run: Finished) -> list[Check]:
    return [
        _check("manifest", lambda: _manifest(run)),
        _check("input", lambda: _input(run)) if run.keeps_input else _unknown("input", NO_INPUT),
        _check("receipts", lambda: _receipts(run)),
        _check("output", lambda: _output(run)),
        _check("rejects", lambda: _rejects(run)),
    ]


def _check(name: str, examine: Callable[[], str]) -> Check:
    try:
        return Check(name, True, examine())
    except DAMAGE as broken:
        return Check(name, False, broken.message)


def _unknown(name: str, why: str) -> Check:
    return Check(name, None, why)


def _manifest(run: Finished) -> str:
    manifest, report = run.manifest, run.report
    tiles(manifest)
    known = (report.input.digest, report.input.bytes, report.input.rows, report.partitions)
    holds(
        known == (manifest.input.digest, manifest.input.bytes, manifest.rows, len(manifest.partitions)),
        "the report speaks of another input than the manifest",
    )
    return f"{len(manifest.partitions):,} partitions tile {manifest.input.bytes:,} bytes and {manifest.rows:,} rows"


def _input(run: Finished) -> str:
    """Read the input once: digest it whole and by partition as its bytes go by, and count its rows."""
    seen = _Seen(run.manifest)
    rows = sum(1 for _ in naive.rows(run.reads, naive.file_of(seen.passed(input_bytes(run)))))
    seen.verdict()
    holds(rows == run.manifest.rows, f"the input has {rows:,} rows, the manifest {run.manifest.rows:,}")
    return f"{rows:,} rows in {seen.bytes:,} bytes; digests as in the manifest"


class _Seen:
    """Digests of the bytes that went by, as the manifest has them."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._open = list(reversed(manifest.partitions))
        self._own = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._broken: list[int] = []
        self.bytes = 0

    def passed(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Hand the bytes on, in the pieces that the manifest's digests are made of."""
        return map(self._taken, resized(stream, PIECE_BYTES))

    def _taken(self, piece: bytes) -> bytes:
        low, high = self.bytes, self.bytes + len(piece)
        self._pieces.append(hashlib.sha256(piece).digest())
        while self._open and self._open[-1].start < high:
            part = self._open[-1]
            start, end = max(part.start, low), min(part.end, high)
            self._own.update(hashlib.sha256(piece[start - low : end - low]).digest())
            if part.end > high:
                break
            self._close()
        self.bytes = high
        return piece

    def _close(self) -> None:
        part = self._open.pop()
        if self._own.hexdigest() != part.digest:
            self._broken.append(part.index)
        self._own = hashlib.sha256()

    def verdict(self) -> None:
        """Compare.

        Raises:
            IntegrityError: The bytes are not those that the run read.
        """
        known, step = self._manifest.input, BLOCK_BYTES // PIECE_BYTES
        blocks = (self._pieces[at : at + step] for at in range(0, len(self._pieces), step))
        digest = identity.input_digest(identity.block_digest(block) for block in blocks)
        where = f", first in partition {self._broken[0]}" if self._broken else ""
        holds(
            (self.bytes, digest) == (known.bytes, known.digest),
            f"the input is not what the run read: {self.bytes:,} bytes now, {known.bytes:,} then{where}",
        )
        holds(not self._broken and not self._open, f"a partition's digest does not hold{where}")


def _receipts(run: Finished) -> str:
    receipts = receipts_of(run)
    for partition, receipt in zip(run.manifest.partitions, receipts, strict=True):
        where = f"partition {partition.index}"
        rules.conserve(partition.rows, receipt.counts, where=where)
        rejects = 0 if receipt.rejects is None else receipt.rejects.rows
        holds(
            (receipt.data.rows, rejects) == (receipt.counts.written, receipt.counts.rejected)
            and receipt.table_rows in (None, receipt.counts.written),
            f"{where} has other numbers of rows in its data, rejects or table than in its counts",
        )
    counts, told = rules.add(receipt.counts for receipt in receipts), run.report.counts
    rules.conserve(run.manifest.rows, counts, where="the run")
    holds(msgspec.structs.replace(told, duplicates=0) == counts, "the report's counts are not its receipts' sum")
    return (
        f"{counts.read:,} read = {counts.written:,} written + {counts.all_filtered:,} filtered "
        f"+ {counts.rejected:,} rejected"
    )


def _output(run: Finished) -> str:
    """Read the output once: digest it whole and by part as its bytes go by, and count its rows."""
    whole, size = hashlib.sha256(), 0
    parts = _Parts(run)

    def passed() -> Iterator[bytes]:
        nonlocal size
        for data in output_bytes(run):
            whole.update(data)
            parts.take(data)
            size += len(data)
            yield data

    stream = passed()
    try:
        rows = sum(1 for _ in output_rows(run, stream))
    except InputError:  # it does not decompress: the digests tell where
        rows = -1
    for _ in stream:
        pass
    parts.verdict()
    holds(size == run.report.output.bytes, f"the output has {size:,} bytes, the report {run.report.output.bytes:,}")
    holds(run.report.output_sha256 in (None, whole.hexdigest()), "the output's digest is not the report's")
    written = run.report.counts.written
    holds(rows == written == run.report.output.rows, f"the output has {rows:,} rows, {written:,} were written")
    return f"{rows:,} rows in {size:,} bytes; digests as in report and receipts"


class _Parts:
    """Digests of the output's parts, taken as bytes go by, against receipts and report."""

    def __init__(self, run: Finished) -> None:
        self._run = run
        self._known = run.report.output_digest
        self._at = 0
        self._left = self._known[0].bytes if self._known else 0
        self._own = hashlib.sha256()
        self._broken: list[int] = []

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view and self._at < len(self._known):
            self._own.update(view[: self._left])
            taken = min(self._left, len(view))
            view, self._left = view[taken:], self._left - taken
            self._close()

    def _close(self) -> None:
        while not self._left and self._at < len(self._known):
            if self._own.hexdigest() != self._known[self._at].sha256:
                self._broken.append(self._at)
            self._own, self._at = hashlib.sha256(), self._at + 1
            self._left = self._known[self._at].bytes if self._at < len(self._known) else 0

    def verdict(self) -> None:
        """Compare.

        Raises:
            IntegrityError: A part does not hold.
        """
        self._close()
        made = [(receipt.data.bytes, receipt.data.sha256) for receipt in receipts_of(self._run)]
        told = [(part.bytes, part.sha256) for part in self._known]
        holds(told[len(told) - len(made) :] == made, "the report's parts of the output are not the receipts' data")
        headers = len(told) - len(made)
        where = [f"partition {at - headers}" if at >= headers else "the header" for at in self._broken]
        holds(not where, f"the output is not what was published, first in the part of {where[0] if where else ''}")
        holds(self._at == len(self._known), "the output ends too early")


def _rejects(run: Finished) -> str:
    """Count the refused rows again, and compare the file with what the receipts name."""
    made = [receipt.rejects for receipt in receipts_of(run) if receipt.rejects is not None]
    lines = reject_lines(run)
    rows, before = 0, -1
    for one in made:
        own = hashlib.sha256()
        for _ in range(one.rows):
            line = next(lines, b"")
            own.update(line)
            if line:
                ordinal = reject_of(line).ordinal
                holds(ordinal > before, f"the rejects are out of order at input row {ordinal:,}")
                rows, before = rows + 1, ordinal
        holds(own.hexdigest() == one.sha256, f"the rejects file is not what was published, after {rows:,} rejects")
    rows += sum(1 for _ in lines)
    told = run.report.counts.rejected
    holds(rows == told, f"the rejects file has {rows:,} rows, {told:,} were rejected")
    return f"{rows:,} rejects, as published"


def _table(run: Finished, made: Run) -> str:
    """Look the output's rows up in the live table."""
    if made.table is None or made.job.table is None or made.table.settled() is None:
        raise IntegrityError("the table is gone, or holds nothing of this run")
    winners = Winners(made.table, made.job.table, same if isinstance(run.writes, Jsonl) else same_text)
    try:
        for place, given in enumerate(output_rows(run, output_bytes(run))):
            winners.add(place, given.row)
        return settled_rows(run, made.table, winners)
    finally:
        winners.close()
