"""What a finished run left: its own words in the workspace, and the files that it read and wrote, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError, StateError
from rowmill.formats.csv import Csv
from rowmill.formats.described import rebuilt
from rowmill.model import codec
from rowmill.model.identity import PIECE_BYTES
from rowmill.model.manifest import Manifest
from rowmill.model.receipt import Receipt, Reject
from rowmill.model.repair import Repair, renewed
from rowmill.model.report import Report
from rowmill.model.run import RunRecord
from rowmill.steps.generations import corrected
from rowmill.steps.proof import naive
from rowmill.steps.source import decoded, gunzipped, in_utf8
from rowmill.storage import Storage, open_storage, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rowmill.formats import Format

KEEP = "keep a copy of the workspace for whoever looks into it; then --fresh does the run anew"


class Finished(msgspec.Struct, frozen=True):
    """A run that ended well, as the workspace tells it.

    Attributes:
        reads: The format of the decoded input.
        receipts: By partition, in order; None where one is gone.
        repairs: What was laid over them, in order.
    """

    place: Storage
    record: RunRecord
    manifest: Manifest
    report: Report
    reads: Format
    writes: Format
    receipts: tuple[Receipt | None, ...]
    repairs: tuple[Repair, ...]

    @property
    def corrected(self) -> dict[int, naive.Given]:
        """What stands for rows of the input since they were repaired, by ordinal."""
        texts, columns = corrected(self.place, self.repairs), self.manifest.columns
        rows = ((ordinal, text.encode(self.reads.encoding)) for ordinal, text in texts.items())
        return {ordinal: naive.corrected(self.reads, columns, row) for ordinal, row in rows}

    @property
    def spool(self) -> str:
        """Name of the decoded copy of an input that cannot be sought; it goes when a run ends."""
        return f"{wire.run_dir(self.record.run_id)}/{wire.SPOOL}"

    @property
    def keeps_input(self) -> bool:
        """Whether the input can be read again."""
        return self.record.input != "-" or self.place.stat(self.spool) is not None


def finished(place: Storage, run_id: str) -> Finished:
    """Return what a run left.

    Raises:
        StateError: It has not ended well, or there is none.
        IntegrityError: Its manifest or record is gone, or does not read.
    """
    directory = wire.run_dir(run_id)
    report = _load(place, f"{directory}/{wire.REPORT}", Report)
    if report is None and place.get(f"{directory}/{wire.RUN}") is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them; give --workspace")
    if report is None:
        raise StateError(
            f"the run {run_id} has not ended well: nothing is proved yet",
            hint=f"`rowmill status {run_id}` tells how it stands, and what to do next",
            run_id=run_id,
        )
    record = _load(place, f"{directory}/{wire.RUN}", RunRecord)
    manifest = _load(place, f"{directory}/{wire.MANIFEST}", Manifest)
    if record is None or manifest is None:
        raise IntegrityError(f"the manifest of run {run_id} is gone", hint=KEEP, run_id=run_id)
    receipts, repairs = _receipts(place, run_id, manifest, report)
    reads, writes = in_utf8(rebuilt(record.reads)), rebuilt(record.writes)
    return Finished(place, record, manifest, report, reads, writes, receipts, repairs)


def _receipts(
    place: Storage, run_id: str, manifest: Manifest, report: Report
) -> tuple[tuple[Receipt | None, ...], tuple[Repair, ...]]:
    """Return each partition's receipt that counts, and the repairs that were laid over them and published."""
    found = {part.index: _load(place, wire.receipt_name(run_id, part.index), Receipt) for part in manifest.partitions}
    there = {index: receipt for index, receipt in found.items() if receipt is not None}
    numbers = range(1, report.generation + 1)
    repairs = [_load(place, wire.repair_name(run_id, number), Repair) for number in numbers]
    kept = [repair for repair in repairs if repair is not None]
    current, held = renewed(there, kept)
    if held < report.generation:
        raise IntegrityError(f"repair {held + 1} of run {run_id} is gone", hint=KEEP, run_id=run_id)
    return tuple(current.get(part.index) for part in manifest.partitions), tuple(kept)


def _load(place: Storage, name: str, kind: type[Any]) -> Any:
    data = place.get(name)
    return None if data is None else codec.decode(data, kind, name=name)


def receipts_of(run: Finished) -> list[Receipt]:
    """Return all receipts, in order.

    Raises:
        IntegrityError: One is gone.
    """
    for index, receipt in enumerate(run.receipts):
        if receipt is None:
            raise IntegrityError(f"the receipt of partition {index} is gone", partition=index)
    return [receipt for receipt in run.receipts if receipt is not None]


def input_bytes(run: Finished) -> Iterator[bytes]:
    """Return the decoded input, from where the user keeps it; opened when the first byte is asked for."""
    if run.record.input == "-":
        yield from read(run.place, run.spool)
        return
    folder, name = place_of(run.record.input)
    yield from decoded(read(open_storage(folder), name), rebuilt(run.record.reads).encoding)


def output_bytes(run: Finished) -> Iterator[bytes]:
    """Return the output as it was published."""
    folder, name = place_of(run.record.output)
    return read(open_storage(folder), name)


def inflated(run: Finished, stream: Iterator[bytes]) -> Iterator[bytes]:
    """Return the output's bytes as they were before compression."""
    return gunzipped(stream) if run.record.output.endswith(".gz") else stream


def output_rows(run: Finished, stream: Iterator[bytes]) -> Iterator[naive.Given]:
    """Read the output's bytes as rows."""
    form = run.writes
    if isinstance(form, Csv):
        names = form.columns or next((one.columns for one in run.receipts if one is not None and one.columns), None)
        form = msgspec.structs.replace(form, skip_first=0, names=names, header=form.header and names is not None)
    return naive.rows(form, naive.file_of(inflated(run, stream)))


def reject_lines(run: Finished) -> Iterator[bytes]:
    """Return the lines of the rejects file, none if there is no file."""
    folder, name = place_of(f"{run.record.output}_Rejects")
    storage = open_storage(folder)
    return iter(()) if storage.stat(name) is None else iter(naive.file_of(read(storage, name)))


def reject_of(line: bytes) -> Reject:
    """Read a line of the rejects file."""
    return codec.decode(line, Reject, name="the rejects file")


def read(storage: Storage, name: str) -> Iterator[bytes]:
    """Read an object from its first byte to its last."""
    with storage.open(name) as reader:
        at = 0
        while data := reader.read(at, at + PIECE_BYTES):
            yield data
            at += len(data)


def resized(stream: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Hand bytes on in pieces of one size, the last one shorter."""
    held = b""
    for data in stream:
        held += data
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held
