"""How partitions are handed out: one Indexed KubernetesJob, or a Map with a KubernetesJob for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.statemachine import failing, jobs, limits
from rowmill.statemachine.asked import DISTRIBUTED_MAP, INDEXED, INLINE_MAP
from rowmill.statemachine.calling import (
    NOTHING,
    READ_ITEMS,
    WRITE_RESULTS,
    State,
    assigning,
    catching,
    choosing,
    invoking,
)
from rowmill.statemachine.expressions import evaluated, quoted
from rowmill.statemachine.following import Step, label, states

if TYPE_CHECKING:
    from rowmill.statemachine.asked import Machine

FAILED = "ProcessPartitionFailed"
DONE = "ProcessPartitionDone"
LISTED = "$states.result.Payload"
TOO_MANY = "States.ExceedToleratedFailureThreshold"
# What an iteration must know: variables of the machine are not seen inside a distributed Map.
KNOWN = {
    "run_id": "$told.run_id",
    "attempt": "$told.next_attempt",
    "execution": "$execution",
    "digest": "$digest",
    "round": "$round",
}
HANDED_ON = {
    "partition": evaluated("$states.context.Map.Item.Value"),
    **{name: evaluated(f"$states.input.{name}") for name in KNOWN},
}


def process(machine: Machine, then: str, failed: str) -> dict[str, State]:
    """Return the states of the second step; the first is `Process`, or what it needs before.

    Args:
        machine: Of which it is part.
        then: The state after it.
        failed: The state after a failure, which is in `$failure`.
    """
    if machine.fan_out == INDEXED:
        return states(
            Step(
                machine=machine,
                name="Process",
                step="process",
                manifest=jobs.process_job(machine),
                selector=label(execution="$digest", rounds="$round", step="process"),
                then=then,
                failed=failed,
                failure="failure",
                most_poll_s=machine.most_poll_s,
            )
        )
    cause = "ProcessCause" if machine.fan_out == DISTRIBUTED_MAP else failed
    found = {
        "ProcessList": _list(machine, failed),
        "ProcessListed": choosing("Process", ("$exists($listed.failure)", failed)),
        "Process": _map(machine, then, cause),
    }
    return found | ({"ProcessCause": _cause(machine, failed)} if machine.fan_out == DISTRIBUTED_MAP else {})


def first(machine: Machine) -> str:
    """Return the name of the step's first state."""
    return "Process" if machine.fan_out == INDEXED else "ProcessList"


def _list(machine: Machine, failed: str) -> State:
    payload = {
        "run_id": evaluated("$told.run_id"),
        "attempt": evaluated("$told.next_attempt"),
        "fan_out": machine.fan_out,
        **({"most": limits.most_inline(machine)} if machine.fan_out == INLINE_MAP else {}),
    }
    names = ", ".join(f"'{name}': {code}" for name, code in KNOWN.items())
    return {
        **invoking(machine, payload),
        **assigning(listed=LISTED, failure=f"$exists({LISTED}.failure) ? {LISTED}.failure : {failing.gone('process')}"),
        "Output": evaluated(f"$merge([{LISTED}, {{{names}}}])"),
        "Catch": catching(failed, failure=failing.failure_of_error("process")),
        "Next": "ProcessListed",
    }


def _map(machine: Machine, then: str, failed: str) -> State:
    distributed = machine.fan_out == DISTRIBUTED_MAP
    mode = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"} if distributed else {"Mode": "INLINE"}
    return {
        "Type": "Map",
        **(_from_s3(machine) if distributed else {"Items": evaluated("$states.input.partitions")}),
        "ItemSelector": dict(HANDED_ON),
        "ItemProcessor": {"ProcessorConfig": mode, "StartAt": "ProcessPartition", "States": _partition(machine)},
        "MaxConcurrency": machine.workers,
        "Output": NOTHING,
        "Catch": catching(failed, failure=failing.failure_of_error("process")),
        "Next": then,
    }


def _from_s3(machine: Machine) -> State:
    prefix = f"{quoted(f'{machine.runs}/')} & $states.input.run_id & '/{wire.MAP_RESULTS}'"
    return {
        "Label": "Process",
        "ItemReader": {
            "Resource": READ_ITEMS,
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": evaluated("$states.input.bucket"), "Key": evaluated("$states.input.key")},
        },
        "ResultWriter": {
            "Resource": WRITE_RESULTS,
            "Arguments": {"Bucket": machine.workspace_bucket, "Prefix": evaluated(prefix)},
        },
    }


def _partition(machine: Machine) -> dict[str, State]:
    one = states(
        Step(
            machine=machine,
            name="ProcessPartition",
            step="process",
            manifest=jobs.partition_job(machine),
            selector=_selector(),
            then=DONE,
            failed=FAILED,
            failure="partition_failure",
            most_poll_s=limits.most_poll_s(machine),
        )
    )
    failure = "$partition_failure"
    return {
        **one,
        DONE: {"Type": "Succeed", "Output": NOTHING},
        FAILED: {
            "Type": "Fail",
            "Error": evaluated(f"{failure}.error"),
            "Cause": evaluated(f"$string({failure})"),
        },
    }


def _selector() -> str:
    given = "$states.input"
    alike = label(execution=f"{given}.digest", rounds=f"{given}.round", step="process")
    return f"{alike} & ',rowmill.dev/partition=' & $string({given}.partition)"


def _cause(machine: Machine, failed: str) -> dict[str, Any]:
    """Return the state that asks for a partition's own failure: a distributed Map tells only that there is one."""
    payload = {"run_id": evaluated("$told.run_id"), "attempt": evaluated("$told.next_attempt"), "ask": "failure"}
    results = f"{quoted(f's3://{machine.workspace_bucket}/{machine.runs}/')} & $told.run_id & '/{wire.MAP_RESULTS}/'"
    hint = f"'what partitions failed with is in the Map Run, and in FAILED_0.json under ' & {results}"
    known = f"$contains($failure.message, {quoted(TOO_MANY)}) ? $merge([$failure, {{'hint': {hint}}}]) : $failure"
    return {
        **invoking(machine, payload),
        **assigning(failure=f"$exists({LISTED}.failure) ? {LISTED}.failure : {known}"),
        "Catch": catching(failed),
        "Next": failed,
    }
