"""A KubernetesJob from its creation to its end, as states: created, looked at, told."""

from __future__ import annotations

from typing import Any

import msgspec

from rowmill.kubejobs import naming
from rowmill.statemachine import failing
from rowmill.statemachine.asked import CALL
from rowmill.statemachine.asked import Machine as Machine  # noqa: PLC0414 - msgspec reads annotations at run time
from rowmill.statemachine.calling import (
    State,
    asking,
    assigning,
    catching,
    choosing,
    creating,
    jobs_path,
    pods_path,
)
from rowmill.statemachine.expressions import evaluated
from rowmill.statemachine.limits import GROWTH

MOST_FAILED = "8"  # pods of one look: each has 15 KB at most, and a state takes 256 KiB
RESULT = "$states.result.ResponseBody"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One KubernetesJob in the machine.

    Attributes:
        machine: Of which it is part.
        name: Of its first state; the others' names begin with it.
        step: As messages call it.
        manifest: The KubernetesJob, with expressions.
        selector: Code for the labels that it alone has, in this round.
        then: The state after a good end.
        failed: The state after a bad one.
        failure: The variable that holds what it failed with.
        most_poll_s: The longest pause between two looks.
    """

    machine: Machine
    name: str
    step: str
    manifest: dict[str, Any]
    selector: str
    then: str
    failed: str
    failure: str
    most_poll_s: int

    @property
    def variable(self) -> str:
        """What names of its variables begin with."""
        return self.name[0].lower() + self.name[1:]

    @property
    def job(self) -> str:
        """The variable with what the KubernetesJob says of itself."""
        return f"${self.variable}_job"

    @property
    def path(self) -> str:
        """Where the KubernetesJob is."""
        return evaluated(f"'{jobs_path(self.machine)}/' & {self.job}.name")


def states(step: Step) -> dict[str, State]:
    """Return the states from a KubernetesJob's creation to its end."""
    ended = _looked_at(step) if step.machine.waiter == CALL else _run(step)
    return {**ended, f"{step.name}Cause": _cause(step)}


def told(step: Step, then: str) -> dict[str, State]:
    """Return the state that reads what the pod told which ended well, into `$told`.

    Args:
        step: Whose pod; it goes on to this state.
        then: The state after it, which must bear a message that is not there.
    """
    query = {
        "labelSelector": [evaluated(f"'batch.kubernetes.io/job-name=' & {step.job}.name")],
        "fieldSelector": ["status.phase=Succeeded"],
        "limit": ["1"],
    }
    asked = asking(step.machine, "GET", pods_path(step.machine), query=query)
    assigned = {"told": failing.told(), step.failure: failing.gone(step.step)}
    return {step.then: asked | assigning(**assigned) | {"Catch": _catch(step), "Next": then}}


def label(*, execution: str, rounds: str, step: str) -> str:
    """Return code for the labels of a step's KubernetesJobs of one execution, in one round."""
    return f"'{naming.EXECUTION}=' & {execution} & ',{naming.ROUND}=' & $string({rounds}) & ',{naming.STEP}={step}'"


def _catch(step: Step) -> list[State]:
    return catching(step.failed, **{step.failure: failing.failure_of_error(step.step)})


def _run(step: Step) -> dict[str, State]:
    """Leave it to Step Functions; what failed must be looked for, since it does not tell."""
    made = f"({RESULT}.metadata.name ? {RESULT} : $states.result)"
    kept = {step.failure: failing.failure_of_error(step.step)}
    run = creating(step.machine, step.manifest) | assigning(**{step.job[1:]: failing.job_told(made)})
    trouble = f"{step.name}Trouble"
    (caught,) = catching(trouble, **kept)
    run |= {"Catch": [caught | {"Output": evaluated("$states.input")}], "Next": step.then}  # the selector may need it
    failed = f"[{RESULT}.items[status.conditions[type = 'Failed' and status = 'True']]][0]"
    query = {"labelSelector": [evaluated(step.selector)], "limit": [MOST_FAILED]}
    look = asking(step.machine, "GET", jobs_path(step.machine), query=query)
    look |= assigning(**{step.job[1:]: failing.job_told(failed)})
    look |= {"Catch": catching(step.failed), "Next": f"{step.name}Ended"}
    found = choosing(step.failed, (f"{step.job}.end = 'Failed'", f"{step.name}Cause"))
    return {step.name: run, trouble: look, f"{step.name}Ended": found}


def _looked_at(step: Step) -> dict[str, State]:
    """Create it, and look at it again and again, each time after a longer pause."""
    wait, look, ended = (f"{step.name}{it}" for it in ("Wait", "Look", "Ended"))
    pause = f"{step.variable}_pause"
    first = assigning(**{step.job[1:]: failing.job_told(RESULT), pause: str(step.machine.poll_s)})
    longer = f"$min([{step.most_poll_s}, $ceil(${pause} * {GROWTH})])"
    seen = assigning(**{step.job[1:]: failing.job_told(RESULT), pause: longer})
    rules = [(f"{step.job}.end = 'Complete'", step.then), (f"{step.job}.end = 'Failed'", f"{step.name}Cause")]
    return {
        step.name: creating(step.machine, step.manifest) | first | {"Catch": _catch(step), "Next": wait},
        wait: {"Type": "Wait", "Seconds": evaluated(f"${pause}"), "Output": {}, "Next": look},
        look: asking(step.machine, "GET", step.path) | seen | {"Catch": _catch(step), "Next": ended},
        ended: choosing(wait, *rules),
    }


def _cause(step: Step) -> State:
    query = {
        "labelSelector": [evaluated(failing.pods_labels(step.job))],
        "fieldSelector": [evaluated(failing.pods_fields(step.job))],
        "limit": [MOST_FAILED],
    }
    asked = asking(step.machine, "GET", pods_path(step.machine), query=query)
    asked |= assigning(**{step.failure: failing.failure_of_pods(step.step, step.job)})
    return asked | {"Catch": _catch(step), "Next": step.failed}
