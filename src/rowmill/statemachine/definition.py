"""The whole machine: Init -> Split -> Process -> Merge -> Report; Duplicate where another has done it, else Failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.statemachine import asked, failing, fanning, jobs, limits
from rowmill.statemachine.asked import SEQUENTIAL
from rowmill.statemachine.calling import NOTHING, State, assigning, choosing
from rowmill.statemachine.expressions import evaluated
from rowmill.statemachine.following import Step, label, states, told

if TYPE_CHECKING:
    from rowmill.statemachine.asked import Machine

AGAIN, LATER = "SplitAgain", "SplitLater"
GIVEN = "$states.input"
# A key is text as it is: EventBridge does not encode it, whoever sent the event.
INPUT = (
    f"{GIVEN}.input ? {GIVEN}.input : {GIVEN}.detail.object.key ? "
    f"'s3://' & {GIVEN}.detail.bucket.name & '/' & {GIVEN}.detail.object.key : "
    f"{GIVEN}.detail.requestParameters.key ? "
    f"'s3://' & {GIVEN}.detail.requestParameters.bucketName & '/' & {GIVEN}.detail.requestParameters.key : ''"
)
EVENT = f"{GIVEN}.event_id ? {GIVEN}.event_id : {GIVEN}.id ? {GIVEN}.id : ''"
COUNTS = ("rows", "written", "filtered", "rejected", "duplicates")
NAMES = ("run_id", "output", "report")


def definition(machine: Machine) -> dict[str, Any]:
    """Return the whole state machine in the Amazon States Language.

    Raises:
        ConfigurationError: Values do not fit together, or would go beyond what Step Functions bears.
    """
    asked.check(machine)
    limits.check(machine)
    steps = _whole(machine) if machine.mode == SEQUENTIAL else _three(machine)
    return {
        "Comment": f"{machine.name}: rows of a file, each once, in order",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": machine.timeout_s,
        "StartAt": "Init",
        "States": {**_init(), **steps, **_ends(machine)},
    }


def _init() -> dict[str, State]:
    assigned = {
        "input": INPUT,
        "event_id": EVENT,
        "words": f"[{GIVEN}.words]",
        "execution": "$states.context.Execution.Id",
        "digest": "$hash($states.context.Execution.Id, 'SHA-1')",
        "round": "1",
        "failure": failing.unreadable(),
    }
    return {
        "Init": {"Type": "Pass", **assigning(**assigned), "Output": NOTHING, "Next": "InitFound"},
        "InitFound": choosing("Failed", ("$input != ''", "Split")),
    }


def _three(machine: Machine) -> dict[str, State]:
    split = _step(machine, "Split", "split", jobs.split_job(machine))
    merge = _step(machine, "Merge", "merge", jobs.merge_job(machine))
    found = [  # each is true or false although nothing was told: a choice that is neither ends the execution
        ("$exists($told.duplicate_of)", "Duplicate"),
        ("$told.finished = true", "Report"),
        ("$told.unfinished = 0", "Merge"),
        ("$exists($told.unfinished)", fanning.first(machine)),
    ]
    return {
        **states(split),
        **told(split, "SplitFound"),
        "SplitFound": choosing(AGAIN, *found),
        **fanning.process(machine, "Merge", AGAIN),
        **states(merge),
        **told(merge, "MergeFound"),
        "MergeFound": choosing(AGAIN, ("$exists($told.status)", "Report")),
    }


def _whole(machine: Machine) -> dict[str, State]:
    """Return the states of one pod that does the whole run; it begins as split does, by claiming it."""
    run = _step(machine, "Split", "run", jobs.whole_job(machine))
    found = [("$exists($told.duplicate_of)", "Duplicate"), ("$exists($told.status)", "Report")]
    return {**states(run), **told(run, "SplitFound"), "SplitFound": choosing(AGAIN, *found)}


def _step(machine: Machine, name: str, step: str, manifest: dict[str, Any]) -> Step:
    return Step(
        machine=machine,
        name=name,
        step=step,
        manifest=manifest,
        selector=label(execution="$digest", rounds="$round", step=step),
        then=f"{name}Told",
        failed=AGAIN,
        failure="failure",
        most_poll_s=machine.most_poll_s,
    )


def _ends(machine: Machine) -> dict[str, State]:
    pause = evaluated(f"$round * {machine.most_poll_s}")
    return {
        AGAIN: choosing("Failed", (failing.again("$failure"), LATER)),
        LATER: {"Type": "Wait", "Seconds": pause, **assigning(round="$round + 1"), "Output": NOTHING, "Next": "Split"},
        "Report": {"Type": "Succeed", "Output": evaluated(_told("done"))},
        "Duplicate": {"Type": "Succeed", "Output": evaluated(_told("duplicate", "duplicate_of"))},
        "Failed": {"Type": "Fail", "Error": evaluated("$failure.error"), "Cause": evaluated("$string($failure)")},
    }


def _told(status: str, *more: str) -> str:
    """Return code for what an execution answers: names and numbers."""
    fields = [f"'{name}': $told.{name}" for name in (*NAMES, *COUNTS, *more)]
    attempt = "'attempt': $exists($told.attempt) ? $told.attempt : $told.next_attempt"
    return f"{{'status': '{status}', 'input': $input, {attempt}, {', '.join(fields)}}}"
