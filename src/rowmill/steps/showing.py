"""What became of a row: told from manifest, receipts and what they name, without calling the user's function."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import wire
from rowmill.formats.csv import Csv
from rowmill.model import codec
from rowmill.model.receipt import Filtered, Receipt, Reject, ordinals_of
from rowmill.model.report import Report
from rowmill.steps.locating import Held, values_of
from rowmill.steps.process import gz
from rowmill.steps.reading import chunks, places
from rowmill.steps.source import in_utf8
from rowmill.steps.trial import FAILED, FILTERED, HIDDEN, REJECTED, WRITTEN, column_of, masked
from rowmill.storage import place_of
from rowmill.storage.ahead import in_order

if TYPE_CHECKING:
    from rowmill.errors import RowmillError
    from rowmill.formats import Format
    from rowmill.model.manifest import Manifest
    from rowmill.steps import Run
    from rowmill.steps.locating import Located

OPEN, UNKNOWN = "not processed yet", "unknown"
READ_AT_ONCE = 16


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
    receipt = run.load(wire.receipt_name(run.id, row.partition.index), Receipt)
    fate = fate_of(run, receipt, row.ordinal - row.partition.first_ordinal, row.ordinal)
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
        read=masked(values, hidden),
        outcome=fate.outcome,
        reason=fate.reason,
    )
    if receipt is None:
        return shown
    shown = msgspec.structs.replace(shown, attempt=receipt.attempt, code_digest=receipt.code_digest)
    return shown if fate.place is None else _written(run, manifest, receipt, fate.place, values, shown)


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
    rejects = _rejects(run, receipt)
    if ordinal in rejects:
        return Fate(REJECTED, rejects[ordinal].reason)
    filtered = _filtered(run, receipt)
    if filtered is None:
        return Fate(UNKNOWN, "the run does not say which rows it left out")
    if ordinal in filtered:
        return Fate(FILTERED, filtered[ordinal])
    return Fate(WRITTEN, place=at - sum(other < ordinal for other in (*rejects, *filtered)))


def _rejects(run: Run, receipt: Receipt) -> dict[int, Reject]:
    if receipt.rejects is None:
        return {}
    name = receipt.rejects.name
    lines = (run.workspace.get(name) or b"").splitlines()
    found = (codec.decode(line, Reject, name=name) for line in lines)
    return {one.ordinal: one for one in found}


def _filtered(run: Run, receipt: Receipt) -> dict[int, str] | None:
    """Return the reason by ordinal of rows that were left out; None if that was not kept."""
    if receipt.filtered is None:
        return None if receipt.counts.all_filtered else {}
    kept = run.load(receipt.filtered.name, Filtered)
    if kept is None:
        return None
    return {ordinal: reason for reason, gaps in kept.gaps.items() for ordinal in ordinals_of(gaps)}


def _written(run: Run, manifest: Manifest, receipt: Receipt, place: int, values: dict[str, Any], shown: Shown) -> Shown:
    """Add where the row went: its line of the output, and the table's row of its key."""
    writes = output_format(run.job.writes)
    offset, line = _output_line(run, writes, receipt, place)
    decoded = writes.decode(line, receipt.columns).rows if line else []
    made = decoded[0] if decoded and isinstance(decoded[0], dict) else {}
    before = _before(run, manifest, receipt.partition)
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


def _before(run: Run, manifest: Manifest, partition: int) -> tuple[int, int] | None:
    """Return the rows and bytes that earlier partitions gave the output; None if one has no receipt yet."""
    names = [wire.receipt_name(run.id, part.index) for part in manifest.partitions[:partition]]
    found = list(in_order(lambda name: run.load(name, Receipt), names, READ_AT_ONCE))
    there = [one for one in found if one is not None]
    if len(there) < len(found):
        return None
    return sum(one.counts.written for one in there), sum(one.data.bytes for one in there)


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
    return masked(found, [column_of(declared, name) for name in run.job.sensitive]), ""


def _masked_line(run: Run, writes: Format, receipt: Receipt, line: bytes, made: dict[str, Any]) -> str:
    if not run.job.sensitive:
        return _text(writes, line)
    return _text(writes, writes.encode([masked(made, run.job.sensitive)], receipt.columns)) if made else HIDDEN


def _text(form: Format, raw: bytes) -> str:
    return raw.rstrip(b"\r\n").decode(form.encoding, "backslashreplace")
