"""What became of a row: told from manifest, receipts and what they name, without calling the user's function."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.formats.csv import Csv
from rowmill.formats.masking import HIDDEN, masked_values
from rowmill.model.repair import waived
from rowmill.model.report import Report
from rowmill.steps.generations import corrected, filtered_in, rejects_in, seen
from rowmill.steps.locating import Held, values_of
from rowmill.steps.process import gz
from rowmill.steps.reading import chunks, places
from rowmill.steps.source import in_utf8
from rowmill.steps.trial import FAILED, FILTERED, REJECTED, WRITTEN, column_of
from rowmill.storage import place_of

if TYPE_CHECKING:
    from rowmill.errors import RowmillError
    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest
    from rowmill.model.receipt import Receipt
    from rowmill.steps import Run
    from rowmill.steps.generations import Generation
from rowmill.steps.locating import Located

OPEN, UNKNOWN = "not processed yet", "unknown"


class Fate(msgspec.Struct, frozen=True):
    """What a receipt says of a row.

    Attributes:
        outcome: `written`, `filtered`, `rejected`, `failed`, `not processed yet`, or `unknown` where it was not kept.
        reason: Why it is not written.
        place: How many of its partition's written rows stand before it; None if it is not written.
    """

    outcome: str
    reason: str = ""
    place: int | None = None


class Shown(msgspec.Struct, frozen=True):
    """A row of a run, from the input to where it went; sensitive columns are masked.

    Attributes:
        ordinal, line, partition: Where it stands in the input.
        text: As it stands there.
        corrected: What stands for it since it was repaired; empty if it was not.
        read: What the function was given, by column.
        outcome, reason: As `Fate` has them.
        attempt, code_digest: Who made it of which code; empty before that.
        output_row: Its place in the output, from 1, the header not counted; None if it is not there, or not known yet.
        output_byte: Where it begins there; None in a compressed output.
        output_text: As it stands there.
        output_holds: Whether the published output has it at that place; None if that was not looked at.
        table: The table's row of its key; None if there is none.
        table_note: Why none is shown.
    """

    run_id: str
    ordinal: int
    line: int
    partition: int
    text: str
    read: dict[str, Any]
    outcome: str
    reason: str
    attempt: str = ""
    code_digest: str = ""
    corrected: str = ""
    output_row: int | None = None
    output_byte: int | None = None
    output_text: str | None = None
    output_holds: bool | None = None
    table: dict[str, Any] | None = None
    table_note: str = ""


def show(run: Run, manifest: Manifest, row: Located, failure: RowmillError | None) -> Shown:
    """Return what became of a row.

    Args:
        run: The run, its places open.
        manifest: Its manifest.
        row: Where it stands.
        failure: What the newest try failed with at its partition.
    """
    generation = seen(run.workspace, run.id)
    receipt = generation.receipts.get(row.partition.index)
    fate = fate_of(run, receipt, row.ordinal - row.partition.first_ordinal, row.ordinal)
    if row.ordinal in waived(generation.repairs):
        fate = msgspec.structs.replace(fate, reason=f"{fate.reason}; waived")
    text = corrected(run.workspace, generation.repairs).get(row.ordinal, "")
    if receipt is None and failure is not None and failure.context.get("ordinal") == row.ordinal:
        fate = Fate(FAILED, failure.message)
    reads, hidden = in_utf8(run.job.reads), run.job.sensitive
    values = values_of(reads, manifest, row)
    shown = Shown(
        run_id=run.id,
        ordinal=row.ordinal,
        line=row.chunk.first_line,
        partition=row.partition.index,
        text=HIDDEN if hidden else _text(reads, row.chunk.data),
        read=masked_values(values, hidden),
        outcome=fate.outcome,
        reason=fate.reason,
        corrected=HIDDEN if text and hidden else text,
    )
    if receipt is None:
        return shown
    shown = msgspec.structs.replace(shown, attempt=receipt.attempt, code_digest=receipt.code_digest)
    if fate.place is None:
        return shown
    before = _before(manifest, generation, row.partition.index)
    return _written(run, receipt, fate.place, before, {} if text else values, shown)


def fate_of(run: Run, receipt: Receipt | None, at: int, ordinal: int) -> Fate:
    """Return what a receipt says of a row.

    Args:
        run: The run.
        receipt: Of the row's partition; None before it is done.
        at: How many of the partition's rows stand before it.
        ordinal: Its place in the input.
    """
    if receipt is None:
        return Fate(OPEN)
    rejects = {reject.ordinal: reject.reason for reject in rejects_in(run.workspace, receipt)}
    if ordinal in rejects:
        return Fate(REJECTED, rejects[ordinal])
    kept = filtered_in(run.workspace, receipt)
    if kept is None:
        return Fate(UNKNOWN, "the run does not say which rows it left out")
    filtered = {one: reason for reason, ordinals in kept.items() for one in ordinals}
    if ordinal in filtered:
        return Fate(FILTERED, filtered[ordinal])
    return Fate(WRITTEN, place=at - sum(other < ordinal for other in (*rejects, *filtered)))


def _written(
    run: Run, receipt: Receipt, place: int, before: tuple[int, int] | None, values: dict[str, Any], shown: Shown
) -> Shown:
    """Add where the row went: its line of the output, and the table's row of its key."""
    writes = output_format(run.job.writes)
    offset, line = _output_line(run, writes, receipt, place)
    decoded = writes.decode(line, receipt.columns).rows if line else []
    made = decoded[0] if decoded and isinstance(decoded[0], dict) else {}
    start = None if gz(run) or before is None else _head_bytes(run, before[1]) + offset
    table, note = _table_row(run, made or values)
    return msgspec.structs.replace(
        shown,
        output_row=None if before is None else before[0] + place + 1,
        output_byte=start,
        output_text=_masked_line(run, writes, receipt, line, made),
        output_holds=_holds(run, start, line),
        table=table,
        table_note=note,
    )


def output_format(writes: Format) -> Format:
    """Return how an output is read: what is written is RFC 4180, whatever is borne in an input."""
    return msgspec.structs.replace(writes, quoting="rfc4180") if _is_lenient(writes) else writes  # type: ignore[type-var]


def _is_lenient(writes: Format) -> bool:
    return isinstance(writes, Csv) and writes.quoting == "lenient"


def _output_line(run: Run, writes: Format, receipt: Receipt, place: int) -> tuple[int, bytes]:
    """Return where a row begins in its partition's data, and its bytes."""
    data = run.workspace.get(receipt.data.name) or b""
    if gz(run):
        data = zlib.decompress(data, wbits=31)
    for chunk in chunks(writes, Held(0, data), 0, len(data), first_line=1):
        found = places(writes, chunk)
        if place < len(found):
            return found[place].offset, found[place].raw
        place -= len(found)
    return 0, b""


def _before(manifest: Manifest, generation: Generation, partition: int) -> tuple[int, int] | None:
    """Return the rows and bytes that earlier partitions gave the output; None if one has no receipt yet."""
    there = [generation.receipts.get(part.index) for part in manifest.partitions[:partition]]
    found = [one for one in there if one is not None]
    if len(found) < len(there):
        return None
    return sum(one.counts.written for one in found), sum(one.data.bytes for one in found)


def _head_bytes(run: Run, before: int) -> int:
    """Return where the data of a partition begins in the output: after the header, if it has one."""
    report = run.load(run.name(wire.REPORT), Report)
    if report is None:
        return before
    return before + sum(part.bytes for part in report.output_digest[: len(report.output_digest) - report.partitions])


def _holds(run: Run, start: int | None, line: bytes) -> bool | None:
    """Return whether the published output has these bytes at that place."""
    if start is None or run.load(run.name(wire.REPORT), Report) is None:
        return None
    folder, name = place_of(run.record.output)
    storage = run.open_storage(folder)
    if storage.stat(name) is None:
        return False
    with storage.open(name) as reader:
        return reader.read(start, start + len(line)) == line


def _table_row(run: Run, values: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    table, declared = run.table, run.job.table
    if table is None or declared is None:
        return None, "the run saves no table"
    if not declared.keys:
        return None, "the table has no key to look the row up by"
    if table.settled() is None:
        return None, "the table does not hold the run's rows yet"
    if not all(name in values for name in declared.keys):
        return None, "the row's key stands in neither input nor output"
    found = next(iter(table.rows([tuple(values[name] for name in declared.keys)])))
    if found is None:
        return None, "the table has no row of this key"
    return masked_values(found, [column_of(declared, name) for name in run.job.sensitive]), ""


def _masked_line(run: Run, writes: Format, receipt: Receipt, line: bytes, made: dict[str, Any]) -> str:
    if not run.job.sensitive:
        return _text(writes, line)
    return _text(writes, writes.encode([masked_values(made, run.job.sensitive)], receipt.columns)) if made else HIDDEN


def _text(form: Format, raw: bytes) -> str:
    return raw.rstrip(b"\r\n").decode(form.encoding, "backslashreplace")
