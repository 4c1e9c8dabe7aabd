"""Whole pages."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from rowmill.web import cells, parts, wording
from rowmill.web.markup import Markup, joined, tag
from rowmill.web.parts import Viewer
from rowmill.web.steps import LIVE
from rowmill.wire import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.model.failure import Failure
    from rowmill.runners.seeing import Look, Refused
    from rowmill.runners.standing import Status

RELOAD_S = 5  # of a page without scripts, while its run is live
QUIET_FAVICON = "data:,"


def document(title: str, body: Markup, *, live: str = "", trail: Sequence[tuple[str, str]] = ()) -> str:
    """Return a page of the server.

    Args:
        title: Of the window.
        body: What is shown.
        live: Where the page hears what has changed; empty where nothing does.
        trail: Names and addresses of the pages above.
    """
    reload = tag("noscript", tag("meta", http_equiv="refresh", content=RELOAD_S)) if live else None
    head = (
        tag("link", rel="stylesheet", href=f"/static/rowmill.css?{VERSION}"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("script", src=f"/static/rowmill.js?{VERSION}", defer=True),
        reload,
    )
    names = ((" / ", tag("a", name, href=address)) for name, address in trail)
    bar = tag("header", tag("a", "Rowmill", href="/", class_="brand"), tag("nav", names, aria_label="You are at"))
    sign = tag("p", "The server does not answer; what is shown is as it was.", id="lost", role="status", hidden=True)
    return _html(title, head, joined(_skip(), bar, tag("main", body, id="main", data_live=live or None), sign))


def _html(title: str, head: object, body: Markup) -> str:
    first = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Rowmill"),
    )
    return "<!doctype html>" + tag("html", tag("head", first, head), tag("body", body), lang="en")


def _skip() -> Markup:
    return tag("a", "To the content", href="#main", class_="skip")


def section(name: str, part: Markup) -> Markup:
    """Return a part of a page under its id."""
    return tag("section", part, id=name, hidden=not part)


def runs_table(found: Sequence[Status]) -> Markup:
    """Return all runs of a workspace."""
    if not found:
        return tag("p", "No runs yet. Start one: ", tag("code", "rowmill run JOB INPUT"), class_="quiet")
    rows = (
        (
            joined(tag("a", one.job, href=f"/runs/{one.run_id}"), tag("small", one.run_id)),
            parts.pill(one.state),
            wording.file_name(one.input),
            progress(one),
            wording.moment(one.started) if one.started else None,
            took(one),
        )
        for one in found
    )
    return parts.table("Runs", ("Job", "State", "Input", "Rows", "Started", "Took"), rows)


def took(one: Status) -> str:
    """Return how long it was from the first start of a run to its end."""
    return (
        "" if one.ended is None else wording.duration(wording.seconds_of(one.ended) - wording.seconds_of(one.started))
    )


def is_live(seen: Look) -> bool:
    """Whether another look may show something else: the run goes on, or not all of its receipts were read."""
    return seen.status.state in LIVE or len(seen.receipts) < len(seen.done)


def progress(one: Status) -> Markup:
    """Return how far a run is, as a bar with its number."""
    done = f"{one.rows_done:,}" + (f" of {one.rows:,}" if one.ended is None else "")
    bar = tag("progress", value=one.rows_done, max=one.rows or 1, aria_label=f"Rows of {one.run_id}")
    return joined(bar if one.ended is None else None, tag("span", done))


def index(found: Sequence[Status], place: str) -> str:
    """Return the list of runs."""
    head = tag("h1", "Runs", tag("span", place, class_="quiet path"))
    return document("Runs", joined(head, section("runs", runs_table(found))), live="/live")


def run_page(seen: Look, drawn: Mapping[str, Markup]) -> str:
    """Return a run's page."""
    at = f"/runs/{seen.record.run_id}"
    pieces = ((section(name, part), chooser(seen) if name == "partitions" else None) for name, part in drawn.items())
    body = joined(pieces)
    return document(seen.status.job, body, live=f"{at}/live" if is_live(seen) else "", trail=[(seen.record.run_id, at)])


def chooser(seen: Look) -> Markup:
    """Return what a partition is chosen by: a slider, which mouse, finger, keyboard and screen reader know alike."""
    if not seen.status.partitions:
        return Markup()
    last = seen.status.partitions - 1
    slider = tag("input", type="range", name="partition", min="0", max=last, value="0", aria_label="Partition")
    told = tag("output", "Move the slider, or point at a square", id="chosen")
    button = tag("button", "Open")
    at = f"/runs/{seen.record.run_id}/partitions"
    return tag("form", slider, told, button, class_="chooser", method="get", action=at)


def partition_page(seen: Look, number: int, rejects: Sequence[Refused], viewer: Viewer) -> str:
    """Return a partition's page: where its rows stand, its receipt, its failures with what their pods wrote."""
    assert seen.manifest is not None  # noqa: S101 - the caller found the partition in it
    one = seen.manifest.partitions[number]
    receipt = next((found for found in seen.receipts.values() if found.partition == number), None)
    facts = [
        ("Rows", f"{one.rows:,}, from row {one.first_ordinal + 1:,}, line {one.first_line:,}"),
        ("Bytes", f"{one.start:,} to {one.end:,} ({wording.size(one.bytes)})"),
        ("Digest", tag("code", one.digest)),
    ]
    if receipt is not None:
        counts = receipt.counts
        facts += [
            ("Outcomes", f"{counts.written:,} written, {counts.all_filtered:,} filtered, {counts.rejected:,} rejected"),
            ("Time", wording.duration(receipt.seconds)),
            *([("Done", wording.moment(receipt.end))] if receipt.end else []),
            ("Attempt", tag("code", receipt.attempt)),
            ("Code", tag("code", receipt.code_digest)),
            ("Data", joined(tag("code", receipt.data.name), f" {wording.size(receipt.data.bytes)}")),
        ]
    state = "done" if number in seen.done else "failed" if _failed(seen, number) else "no receipt yet"
    body = joined(
        tag("h1", f"Partition {number:,} ", tag("span", state, class_=f"pill {state.partition(' ')[0]}")),
        tag("section", tag("dl", (tag("div", tag("dt", a), tag("dd", b)) for a, b in facts), class_="facts")),
        tag("section", tag("h2", "Refused rows"), parts.rejects_table(seen, rejects, viewer)) if rejects else None,
        (_failure(failure, viewer) for failure in _failed(seen, number)),
        _neighbours(seen, number),
    )
    at = f"/runs/{seen.record.run_id}"
    trail = [(seen.record.run_id, at), (f"partition {number:,}", f"{at}/partitions/{number}")]
    return document(f"Partition {number:,}", body, trail=trail)


def _neighbours(seen: Look, number: int) -> Markup:
    """Return the way to the partitions before and after."""
    at = f"/runs/{seen.record.run_id}/partitions"
    links = (
        tag("a", f"{word} partition {other:,}", href=f"{at}/{other}", rel=rel)
        for word, other, rel in (("Before:", number - 1, "prev"), ("After:", number + 1, "next"))
        if 0 <= other < seen.status.partitions
    )
    return tag("nav", links, class_="neighbours", aria_label="Partitions beside it")


def _failed(seen: Look, number: int) -> list[Failure]:
    found = (failure for failure in seen.failures.values() if failure.partition == number)
    return sorted(found, key=lambda failure: failure.end, reverse=True)


def _failure(failure: Failure, viewer: Viewer) -> Markup:
    """Return a failed try; its log may show rows, and is for whoever has the token."""
    log = None
    if failure.log and viewer.key:
        log = tag("details", tag("summary", "What it wrote last"), tag("pre", failure.log, tabindex="0"))
    elif failure.log:
        log = tag("p", "Its log is shown to whoever opens the page with the token.", class_="quiet")
    number = failure.attempt.partition("-")[0]
    where = tag("span", f"on {failure.host}, ", wording.moment(failure.end), class_="quiet")
    return tag(
        "section",
        tag("h2", f"Attempt {number} failed", where),
        parts.matter(wording.problem(failure.error), failure.error.get("hint"), class_="matter failed"),
        log,
    )


def partition_line(seen: Look, number: int) -> str:
    """Return what is told of a partition in one line."""
    receipt = next((one for one in seen.receipts.values() if one.partition == number), None)
    if receipt is not None:
        rejected = f", {receipt.counts.rejected:,} rejected" if receipt.counts.rejected else ""
        return f"Partition {number:,}: {receipt.counts.read:,} rows in {wording.duration(receipt.seconds)}{rejected}"
    state = cells.letters(seen)[number]
    words = {entry.letter: entry.meaning for entry in cells.legend(seen, state)}
    return f"Partition {number:,}: {words[state]}"


def problem_page(message: str, hint: str, title: str) -> str:
    """Return what is said in place of a page."""
    return document(title, joined(tag("h1", title), parts.matter(message, hint)))


def report(seen: Look, rejects: Sequence[Refused]) -> str:
    """Return a run's page as one file that needs nothing else: no server, no script, and no row's text."""
    style = files("rowmill.web").joinpath("static/rowmill.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = (
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("link", rel="icon", href=QUIET_FAVICON),
        tag("style", Markup(style)),
    )
    drawn = parts.parts(seen, rejects, Viewer(linked=False), "")
    made = tag("footer", f"Made by Rowmill {VERSION} of run {seen.record.run_id}", class_="quiet")
    bar = tag("header", tag("span", "Rowmill", class_="brand"))
    return _html(
        seen.status.job,
        head,
        joined(_skip(), bar, tag("main", (section(*one) for one in drawn.items()), id="main"), made),
    )
