"""A run as its three steps, in the data's order: what each is doing, in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.runners import standing
from rowmill.web import drawing, wording
from rowmill.web.markup import Markup, tag

if TYPE_CHECKING:
    from rowmill.runners.seeing import Look
    from rowmill.runners.standing import Status

DONE, ACTIVE, FAILED, WAITING = "done", "active", "failed", "waiting"
STOPPED, HELD, PAUSED = "stopped", "held", "paused"
WORDS = {ACTIVE: "at work", WAITING: "waits"}  # for the others the state is the word
LIVE = (standing.RUNNING, standing.IN_PODS)


class Step(NamedTuple):
    """One step: how it stands, and what is told of it."""

    name: str
    state: str
    share: float
    facts: tuple[str, ...]


def steps(seen: Look) -> tuple[Step, ...]:
    """Return how the steps stand."""
    status, report = seen.status, seen.report
    counted = seen.manifest is not None or report is not None
    processed = counted and status.partitions_done >= status.partitions
    at = 3 if report is not None else 2 if processed else 1 if counted else 0
    states = [DONE if place < at else _here(status) if place == at else WAITING for place in range(3)]
    facts = (_split(seen), _process(seen), _merge(seen))
    share = status.rows_done / status.rows if status.rows else float(processed)
    return tuple(
        Step(name, state, share if name == "process" else float(state == DONE), told)
        for name, state, told in zip(("split", "process", "merge"), states, facts, strict=True)
    )


def _here(status: Status) -> str:
    if status.next == standing.RESUME:
        return PAUSED
    if status.state in LIVE:
        return ACTIVE
    return {standing.FAILED: FAILED, standing.SPLIT: WAITING, standing.HELD: HELD}.get(status.state, STOPPED)


def _split(seen: Look) -> tuple[str, ...]:
    status, manifest = seen.status, seen.manifest
    if not status.partitions:
        return ("counting rows",) if status.state in LIVE else ()
    bytes_ = (wording.size(manifest.input.bytes),) if manifest is not None else ()
    took = (f"in {wording.duration(seen.report.seconds.split)}",) if seen.report is not None else ()
    return (wording.some(status.rows, "row"), wording.some(status.partitions, "partition"), *bytes_, *took)


def _process(seen: Look) -> tuple[str, ...]:
    status, report = seen.status, seen.report
    if not status.partitions:
        return ()
    if report is None:
        rejected = (f"{status.rejected:,} rejected",) if status.rejected else ()
        done = f"{status.partitions_done:,} of {wording.some(status.partitions, 'partition')}"
        return (f"{status.rows_done:,} rows", done, *rejected)
    counts = report.counts
    written = f"{counts.written:,} written"
    left_out = f"{counts.all_filtered:,} filtered, {counts.rejected:,} rejected"
    return (written, left_out, f"in {wording.duration(report.seconds.process)}")


def _merge(seen: Look) -> tuple[str, ...]:
    report = seen.report
    if report is None:
        held = seen.status.state == standing.HELD
        return (wording.some(seen.status.rejected, "refused row"), "await repair or waiver") if held else ()
    table = (f"{report.table_rows:,} table rows",) if report.table_rows is not None else ()
    took = f"in {wording.duration(report.seconds.merge)}"
    return (wording.some(report.output.rows, "output row"), wording.size(report.output.bytes), *table, took)


def graph(seen: Look) -> Markup:
    """Return the steps as a graph."""
    return tag("ol", (_node(step) for step in steps(seen)), class_="graph", aria_label="Steps of the run")


def _node(step: Step) -> Markup:
    under_way = step.name == "process" and step.state in (ACTIVE, PAUSED, STOPPED, FAILED)
    return tag(
        "li",
        drawing.arrow() if step.name != "split" else None,
        tag(
            "div",
            _sign(step),
            tag("h2", step.name),
            tag("p", WORDS.get(step.state, step.state), f" · {step.share:.0%}" if under_way else "", class_="how"),
            tag("ul", (tag("li", fact) for fact in step.facts)) if step.facts else None,
            class_=f"node {step.state}",
        ),
    )


def _sign(step: Step) -> Markup:
    if step.state == ACTIVE:
        return drawing.ring(step.share, f"{step.share:.0%} done")
    return drawing.icon(HELD if step.state in (STOPPED, PAUSED) else step.state)
