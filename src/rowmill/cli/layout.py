"""Values as text for people: fields, tables, numbers; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rowmill.model.ended import Ended
    from rowmill.model.report import Report

KIB = 1024


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey: control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values in two columns."""
    kept = list(pairs)
    width = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"  {name:<{width}}  {printable(value)}".rstrip() for name, value in kept)


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns of numbers stand right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(head, *cells, strict=True)]
    right = [bool(cells) and all(cell[:1].isdigit() for cell in column) for column in zip(*cells, strict=True)]
    right = right or [False] * len(head)

    def line(row: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(head), *map(line, cells)])


def some(count: int, thing: str) -> str:
    """Return a number of things, in the plural where it is one."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    scaled, units = float(count), iter(("bytes", "KiB", "MiB", "GiB"))
    unit = next(units)
    while scaled >= KIB and (larger := next(units, "")):
        scaled, unit = scaled / KIB, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{scaled:,.1f} {unit}"


def duration(seconds: int) -> str:
    """Return a time as m:ss, or h:mm:ss."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def report_text(report: Report) -> str:
    """Return what a run did, and in its last line what was proved."""
    counts, seconds = report.counts, report.seconds
    filtered = ", ".join(f"{reason} {rows:,}" for reason, rows in counts.filtered.items())
    block = fields(
        [
            ("read", f"{counts.read:,} rows of {report.input.url}"),
            ("written", f"{counts.written:,}"),
            ("filtered", f"{counts.all_filtered:,}" + (f" ({filtered})" if filtered else "")),
            ("rejected", f"{counts.rejected:,}"),
            *([("duplicates", f"{counts.duplicates:,}")] if report.table else []),
            ("output", f"{report.output.url} ({size(report.output.bytes)})"),
            *([("table", f"{report.table} ({report.table_rows or 0:,} rows)")] if report.table else []),
            *([("rejects", report.rejects)] if report.rejects else []),
            *([("repairs", report.repairs)] if report.repairs else []),
            *((f"total {column}", _sums(sums)) for column, sums in report.totals.items()),
            ("seconds", f"split {seconds.split} + process {seconds.process} + merge {seconds.merge} = {seconds.total}"),
            (
                "digest",
                f"sha256 {report.output_sha256}" if report.output_sha256 else f"{len(report.output_digest)} parts",
            ),
            ("run", f"{report.run_id} in {some(report.partitions, 'partition')}, attempt {report.attempts}"),
        ]
    )
    head = f"{printable(report.job)}: {counts.read:,} rows in {seconds.total} s, {report.rows_per_second:,} rows/s"
    return f"{head}\n{block}\n{proof(report)}"


def _sums(sums: dict[str, str]) -> str:
    return ", ".join(f"{kind} {value}" for kind, value in sums.items())


def proof(report: Report) -> str:
    """Return the laws that were checked, in one line."""
    counts = report.counts
    return (
        f"proved: {some(report.input.rows, 'row')} in = {counts.written:,} written + {counts.all_filtered:,} filtered "
        f"+ {counts.rejected:,} rejected; order checked"
    )


def amended_text(report: Report) -> str:
    """Return what a run is since its last repair or waiver, and what that was."""
    if report.status == "repeated" or not report.amendments:
        return f"nothing was left to do\n{report_text(report)}"
    last = report.amendments[-1]
    if last.waived:
        done = f"{some(len(last.waived), 'reject')} accepted by {last.by}: {last.reason}"
    else:
        done = f"{some(last.corrected, 'row')} corrected by {last.by}, {last.written:,} of them written"
    refused = f"; still refused: {ordinals(last.refused)}" if last.refused else ""
    return f"repair {last.number}: {printable(done + refused)}\n{report_text(report)}"


def ordinals(rows: Sequence[int], most: int = 10) -> str:
    """Return places as people count, from 1; the first ones, if they are many."""
    first = ", ".join(f"row {ordinal + 1}" for ordinal in rows[:most])
    return first if len(rows) <= most else f"{first} and {len(rows) - most:,} more"


def repeated_text(report: Report) -> str:
    """Return that there was nothing left to do."""
    told = f"run {report.run_id} had done this on {report.end}; nothing was done again (--fresh does everything anew)"
    return f"{told}\nof that day:\n{report_text(report)}"


def ended_text(ended: Ended) -> str:
    """Return how a run ended whose report is out of sight: nothing is said that the execution did not tell."""
    if ended.status == "duplicate" or ended.written is None:
        return f"run {ended.run_id} had done this before; nothing was done again (--fresh does everything anew)"
    counts = {name: getattr(ended, name) or 0 for name in ("rows", "written", "filtered", "rejected", "duplicates")}
    block = fields(
        [
            ("read", f"{counts['rows']:,} rows of {ended.input}"),
            *((name, f"{counts[name]:,}") for name in ("written", "filtered", "rejected", "duplicates")),
            ("output", ended.output),
            ("report", f"{ended.report} in the machine's workspace, which is not in sight from here"),
            ("execution", ended.execution),
            ("run", f"{ended.run_id}, attempt {ended.attempt}"),
        ]
    )
    sums = " + ".join(f"{counts[name]:,} {name}" for name in ("written", "filtered", "rejected"))
    return f"{block}\nproved: {some(counts['rows'], 'row')} in = {sums}; order checked"
