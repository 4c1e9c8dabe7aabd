"""The machine's KubernetesJobs: the runner's own, with JSONata where only the execution knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill import kubejobs
from rowmill.kubejobs import Request, naming
from rowmill.statemachine.expressions import evaluated, filled, listed, literal, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.statemachine.asked import Machine

    Marks = Mapping[str | int, str]

# They stand for what is known at run time; the numbers are such that no manifest has them otherwise.
INPUT, OUTPUT, EVENT, EXECUTION, RUN = (f"at-run-time-{it}" for it in ("input", "output", "event", "execution", "run"))
ATTEMPT, SHARES, PARTITION = 770_001, 770_002, 770_003
EVENT_VARIABLE = "ROWMILL_EVENT_ID"
ARN = f"{naming.DOMAIN}/execution-arn"
# Where the code that stands for them finds it: in variables, or in the input of a Map's iteration.
AROUND = {EXECUTION: "$execution", naming.EXECUTION: "$digest", naming.ROUND: "$string($round)"}


def split_job(machine: Machine) -> dict[str, Any]:
    """Return the KubernetesJob that claims the run and finds the partitions."""
    return _asking(machine, kubejobs.split_job(_pods(machine, EVENT), _request(machine), attempt=ATTEMPT), "split")


def whole_job(machine: Machine) -> dict[str, Any]:
    """Return the KubernetesJob whose one pod does the whole run."""
    request = msgspec.structs.replace(_request(machine), options={"table": machine.table})
    return _asking(machine, kubejobs.whole_job(_pods(machine, EVENT), request, attempt=ATTEMPT), "run")


def process_job(machine: Machine) -> dict[str, Any]:
    """Return the Indexed KubernetesJob that does an attempt's partitions."""
    made = kubejobs.process_job(_pods(machine), RUN, attempt=ATTEMPT, completions=SHARES, workers=machine.workers)
    marks: Marks = {RUN: "$told.run_id", ATTEMPT: "$told.next_attempt", SHARES: "$told.pods"}
    return _finished(made, "process", marks)


def partition_job(machine: Machine) -> dict[str, Any]:
    """Return the KubernetesJob that does one partition, which a Map's iteration has as its input."""
    made = kubejobs.partition_job(_pods(machine), RUN, PARTITION, attempt=ATTEMPT)
    given = "$states.input"
    marks: Marks = {RUN: f"{given}.run_id", ATTEMPT: f"{given}.attempt", PARTITION: f"{given}.partition"}
    around = {
        EXECUTION: f"{given}.execution",
        naming.EXECUTION: f"{given}.digest",
        naming.ROUND: f"$string({given}.round)",
    }
    return _finished(made, "partition", marks, around)


def merge_job(machine: Machine) -> dict[str, Any]:
    """Return the KubernetesJob that proves the laws and publishes the output."""
    made = kubejobs.merge_job(_pods(machine), RUN, attempt=ATTEMPT)
    return _finished(made, "merge", {RUN: "$told.run_id", ATTEMPT: "$told.next_attempt"})


def _pods(machine: Machine, event: str = "") -> kubejobs.Pods:
    pods = machine.pods
    env = {**pods.env, EVENT_VARIABLE: event} if event else pods.env
    return msgspec.structs.replace(pods, env=env, deadline_s=min(pods.deadline_s, machine.timeout_s))


def _request(machine: Machine) -> Request:
    options = {"table": machine.table, "workers": str(machine.workers)}
    if machine.rows_per_partition:
        options["rows_per_partition"] = machine.rows_per_partition
    return Request(input=INPUT, output=OUTPUT if machine.output else "", options=options, flags=machine.flags)


def _asking(machine: Machine, made: dict[str, Any], step: str) -> dict[str, Any]:
    """Return the KubernetesJob of a request: what the execution was asked for stands between the machine's words."""
    key = "$substringAfter($substringAfter($input, '://'), '/')"
    output = f"{quoted(machine.output)} & {key} & '_Output'"
    marks: Marks = {
        INPUT: literal("$input"),
        OUTPUT: literal(f"({output})"),
        EVENT: literal("$event_id"),
        EXECUTION: "$execution",
        ATTEMPT: "$round",
    }
    (container,) = made["spec"]["template"]["spec"]["containers"]
    words: list[str] = container["args"]
    border = words.index("--")
    first = listed([*words[:border], f"--execution={EXECUTION}"], marks)
    given = f"$map($words, function($word) {{ {literal('$word')} }})"
    container["args"] = evaluated(f"$append($append({first}, {given}), {listed(words[border:], marks)})")
    for metadata in (made["metadata"], made["spec"]["template"]["metadata"]):
        for name in ("app.kubernetes.io/instance", naming.REQUEST):  # a request without its input is none
            metadata["labels"].pop(name)
    return _finished(made, step, marks)


def _finished(made: dict[str, Any], name: str, marks: Marks, around: Mapping[str, str] = AROUND) -> dict[str, Any]:
    """Return a KubernetesJob that a try may create beside an earlier one's, and that its execution finds again."""
    made = filled(made, marks)
    metadata, template = made["metadata"], made["spec"]["template"]["metadata"]
    del metadata["name"]
    ours = {label: evaluated(around[label]) for label in (naming.EXECUTION, naming.ROUND)}
    metadata |= {
        "generateName": f"rowmill-{name}-",
        "labels": metadata["labels"] | ours,
        "annotations": {ARN: evaluated(around[EXECUTION])},
    }
    template["labels"] |= ours
    return made
