"""The parts of a run's page, each drawn on its own: those that have changed are sent again while the run is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.runners import standing
from rowmill.web import cells, drawing, wording
from rowmill.web.markup import Markup, joined, tag
from rowmill.web.pace import pace
from rowmill.web.steps import LIVE, graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rowmill.model.failure import Failure
    from rowmill.model.report import Amendment, Report
    from rowmill.runners.seeing import Look, Refused

SLOWEST, FAILURES = 8, 12
UNKNOWN = "\N{EN DASH}"
STATE_WORDS = {standing.IN_PODS: "in pods", standing.SPLIT: "not begun"}


class Viewer(NamedTuple):
    """Who looks.

    Attributes:
        linked: Whether there are more pages to go to.
        key: What a form must carry so that a run is controlled; empty for whoever has no token.
    """

    linked: bool
    key: str = ""


def parts(seen: Look, rejects: Sequence[Refused], viewer: Viewer, told: str) -> dict[str, Markup]:
    """Return all parts of a run's page, by id, in the page's order.

    Args:
        seen: The run.
        rejects: The first refused rows.
        viewer: Who looks.
        told: What the last control was answered.
    """
    return {
        "standing": summary(seen),
        "controls": controls(seen, viewer, told),
        "steps": graph(seen),
        "figures": figures(seen),
        "partitions": partitions(seen),
        "failures": failures(seen, viewer),
        "pace": pace(seen),
        "slowest": slowest(seen, viewer),
        "tries": tries(seen),
        "rejects": refused(seen, rejects, viewer),
        "proof": proof(seen),
    }


def pill(state: str) -> Markup:
    """Return a run's state as a sign."""
    return tag("span", STATE_WORDS.get(state, state), class_=f"pill {state.replace(' ', '-')}")


def summary(seen: Look) -> Markup:
    """Return which run it is, and what is the matter with it."""
    status, failure = seen.status, seen.status.failure
    what = None
    if failure is not None:
        what = matter(wording.problem(failure), failure.get("hint"), class_="matter failed", role="alert")
    elif status.next:
        what = matter(f"{status.next[:1].upper()}{status.next[1:]}.")
    way = tag("p", wording.file_name(status.input), " → ", wording.file_name(status.output), class_="way")
    title = tag("h1", status.job, " ", pill(status.state))
    return joined(title, way, what)


def matter(message: str, hint: object = "", class_: str = "matter", **attributes: str) -> Markup:
    """Return what is the matter, and what to do next."""
    next_ = tag("p", "Next: ", wording.said(str(hint)), class_="hint") if hint else None
    return tag("div", tag("p", wording.said(message)), next_, class_=class_, **attributes)


def controls(seen: Look, viewer: Viewer, told: str) -> Markup:
    """Return the buttons by which a live run is controlled, for whoever may."""
    answer = tag("p", wording.said(told), class_="told", role="status") if told else None
    if seen.status.state not in LIVE or not viewer.linked:
        return joined(answer)
    if not viewer.key:
        text = "To pause, scale or cancel this run, open the address with the token that `rowmill ui` printed."
        return joined(answer, tag("p", text, class_="quiet"))
    at = f"/runs/{seen.record.run_id}"
    workers = tag(
        "label",
        tag("span", "Workers", class_="quiet"),
        tag("input", type="number", name="workers", min="1", max="10000", value=seen.record.workers, required=True),
    )
    forms = (
        _form(f"{at}/pause", viewer, tag("button", "Pause")),
        _form(f"{at}/resume", viewer, tag("button", "Resume")),
        _form(f"{at}/scale", viewer, workers, tag("button", "Scale")),
        _form(f"{at}/cancel", viewer, tag("button", "Cancel", class_="danger", data_confirm="Cancel this run?")),
    )
    return joined(tag("div", forms, class_="buttons"), answer)


def _form(action: str, viewer: Viewer, *inside: Markup) -> Markup:
    return tag("form", tag("input", type="hidden", name="key", value=viewer.key), *inside, method="post", action=action)


def figures(seen: Look) -> Markup:
    """Return the four numbers that are looked at first."""
    status = seen.status
    share = f"{status.rows_done / status.rows:.0%} of {status.rows:,}" if status.rows else "not counted yet"
    refused_share = f"{status.rejected / status.rows_done:.2%} of the rows" if status.rejected else ""
    tiles = (
        ("Rows done", wording.number(status.rows_done), share),
        *(_of_the_end(seen.report) if seen.report is not None else _of_now(seen)),
        ("Rejected", wording.number(status.rejected), refused_share),
    )
    return tag("dl", (_tile(*tile) for tile in tiles), class_="tiles")


def _of_the_end(report: Report) -> tuple[tuple[str, str, str], ...]:
    ended = f"ended {report.end[:19].replace('T', ' ')}"
    return (
        ("Rows per second", wording.number(report.rows_per_second), "over the whole run"),
        ("Took", wording.duration(report.seconds.total), ended),
    )


def _of_now(seen: Look) -> tuple[tuple[str, str, str], ...]:
    status = seen.status
    if status.rows_per_second is None:
        why = "not told now" if status.state in LIVE else "nobody is at it"
        return (("Rows per second", UNKNOWN, why), ("Attempts", wording.number(status.attempt), _began(seen)))
    left = UNKNOWN if status.eta_s is None else wording.duration(status.eta_s)
    speed = ("Rows per second", wording.number(status.rows_per_second), "over the last seconds")
    return (speed, ("Time left", left, f"attempt {status.attempt}, {_began(seen)}"))


def _began(seen: Look) -> str:
    newest = max((one.start for one in seen.attempts.values()), default="")
    return f"began {newest[11:19]} UTC" if newest else ""


def _tile(name: str, value: str, note: str) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", note, class_="quiet"))


def partitions(seen: Look) -> Markup:
    """Return the grid of partitions and its legend."""
    state = cells.letters(seen)
    if not state:
        return Markup()
    entries = cells.legend(seen, state)
    label = f"{len(state):,} partitions: " + ", ".join(f"{one.partitions:,} {one.meaning}" for one in entries)
    keys = (
        tag("li", tag("i", class_=f"key {one.letter}"), one.meaning, tag("b", f"{one.partitions:,}"), class_="entry")
        for one in entries
    )
    return joined(
        _title("Partitions", "by state and time"), drawing.grid(state, label), tag("ul", keys, class_="legend")
    )


def _title(text: str, note: str = "") -> Markup:
    return tag("h2", text, tag("span", note, class_="quiet") if note else None)


def slowest(seen: Look, viewer: Viewer) -> Markup:
    """Return the partitions that took longest."""
    found = cells.slowest(seen, SLOWEST)
    if not found:
        return Markup()
    rows = (
        (
            partition(one.partition, seen, viewer),
            wording.duration(one.seconds),
            wording.number(one.counts.read),
            wording.number(one.counts.read / one.seconds) if one.seconds else UNKNOWN,
            wording.number(one.counts.rejected),
        )
        for one in found
    )
    head = ("Partition", "Time", "Rows", "Rows/s", "Rejected")
    about = "Slowest partitions"
    return joined(_title(about, _so_far(seen)), table(about, head, rows, right=4))


def _so_far(seen: Look) -> str:
    read, done = len(seen.receipts), len(seen.done)
    return f"of {read:,} receipts read so far" if read < done else ""


def partition(index: int, seen: Look, viewer: Viewer) -> Markup:
    """Return a partition's number, which leads to its page."""
    return (
        tag("a", f"{index:,}", href=f"/runs/{seen.record.run_id}/partitions/{index}")
        if viewer.linked
        else tag("span", f"{index:,}")
    )


def table(about: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, right: int = 0) -> Markup:
    """Return a table; its last columns, `right` of them, hold numbers. One wider than the page is moved by keys too."""
    first = len(head) - right
    side = ["r" if place >= first else None for place in range(len(head))]
    line = tag("tr", (tag("th", name, scope="col", class_=at) for name, at in zip(head, side, strict=True)))
    body = (tag("tr", (tag("td", cell, class_=at) for cell, at in zip(row, side, strict=True))) for row in rows)
    whole = tag("table", tag("thead", line), tag("tbody", body))
    return tag("div", whole, class_="scroll", tabindex="0", role="group", aria_label=about)


def refused(seen: Look, rejects: Sequence[Refused], viewer: Viewer) -> Markup:
    """Return the first refused rows; their text only for whoever has the token."""
    if not seen.status.rejected:
        return Markup()
    count = f"{len(rejects):,} of {seen.status.rejected:,}" if len(rejects) < seen.status.rejected else ""
    amended = seen.status.state == standing.HELD or (seen.report is not None and seen.report.amendments)
    left = (tag("p", "What is left of them: ", tag("code", "rowmill rejects"), class_="quiet"),) if amended else ()
    hidden = ("The rows' text is shown to whoever opens the page with the token.",)
    note = (*left, *(tag("p", one, class_="quiet") for one in hidden if viewer.linked and not viewer.key))
    return joined(_title("Refused rows", count), rejects_table(seen, rejects, viewer), note)


def rejects_table(seen: Look, rejects: Sequence[Refused], viewer: Viewer) -> Markup:
    """Return refused rows with place and reason, and with their text for whoever may see it."""
    head = ("Partition", "Line", "Row", "Reason", *(("Text",) if viewer.key else ()))
    rows = (
        (
            partition(one.partition, seen, viewer),
            wording.number(one.reject.line),
            wording.number(one.reject.ordinal + 1),
            one.reject.reason,
            *((_text(one),) if viewer.key else ()),
        )
        for one in rejects
    )
    return table("Refused rows", head, rows)


def _text(one: Refused) -> Markup:
    if one.cells is None:
        return tag("code", one.text)
    return tag(
        "span", (tag("span", tag("i", name), " ", value, " ") for name, value in one.cells.items()), class_="cells"
    )


def tries(seen: Look) -> Markup:
    """Return the attempts at the run."""
    begun = sorted(seen.attempts.values(), key=lambda one: one.attempt, reverse=True)
    rows = (
        (str(one.attempt), wording.moment(one.start), f"{one.who.user} on {one.who.host}", code(one.code_digest))
        for one in begun
    )
    return (
        joined(_title("Attempts"), table("Attempts", ("Attempt", "Began", "By", "Code"), rows)) if begun else Markup()
    )


def code(digest: str) -> Markup:
    """Return the first digits of a digest."""
    return tag("code", digest[:8], title=digest)


def failures(seen: Look, viewer: Viewer) -> Markup:
    """Return the newest failures."""
    newest = sorted(seen.failures.values(), key=lambda one: one.end, reverse=True)
    if not newest:
        return Markup()
    rows = (
        (wording.moment(one.end), _whose(one, seen, viewer), one.attempt.partition("-")[0], wording.problem(one.error))
        for one in newest[:FAILURES]
    )
    more = f"{FAILURES} of {len(newest):,}" if len(newest) > FAILURES else ""
    return joined(_title("Failures", more), table("Failures", ("When", "Partition", "Attempt", "What"), rows))


def _whose(one: Failure, seen: Look, viewer: Viewer) -> Markup:
    return tag("span", "the run") if one.partition is None else partition(one.partition, seen, viewer)


def proof(seen: Look) -> Markup:
    """Return what was proved at the end, and what it was made from."""
    if seen.report is None:
        return Markup()
    rows = (tag("div", tag("dt", name), tag("dd", value)) for name, value in _proved(seen.report))
    return joined(_title("Proved"), tag("dl", rows, class_="facts"))


def _proved(report: Report) -> list[tuple[str, object]]:
    counts = report.counts
    whole = report.output_sha256
    outcomes = f"{counts.written:,} written + {counts.all_filtered:,} filtered + {counts.rejected:,} rejected"
    reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in counts.filtered.items())
    sums = [
        (f"Total of {name}", ", ".join(f"{kind} {one}" for kind, one in by.items()))
        for name, by in report.totals.items()
    ]
    return [
        ("Rows", f"{report.input.rows:,} in = {outcomes}; order checked"),
        *([("Filtered", reasons)] if reasons else []),
        *sums,
        ("Input", joined(report.input.url, " ", tag("code", report.input.digest))),
        ("Output", joined(report.output.url, " ", tag("code", whole or f"{len(report.output_digest):,} digests"))),
        *([("Rejects", report.rejects)] if report.rejects else []),
        *((f"Repair {one.number}", _amended(one)) for one in report.amendments),
        *([("Table", f"{report.table}, {report.table_rows or 0:,} rows")] if report.table else []),
        ("Code", joined(tag("code", one) for one in report.code_digests)),
        ("By", f"{report.who.user} on {report.who.host}, Rowmill {report.versions.get('rowmill', '')}"),
        ("Run", tag("code", report.run_id)),
    ]


def _amended(one: Amendment) -> Markup:
    waived = f", {wording.some(len(one.waived), 'row')} waived: {one.reason}" if one.waived else ""
    done = f"by {one.by}: {one.corrected:,} corrected, {one.written:,} of them written{waived}, "
    return joined(done, wording.moment(one.at))
