"""What a step failed with, as one object: what its pod told, else Kubernetes' own words, else the API's answer.

All of it is JSONata; no expression touches the content of rows, since no message has any.
"""

from __future__ import annotations

from rowmill.errors import BY_NAME
from rowmill.kubejobs.failing import CONTAINER
from rowmill.model.termination import ERROR_SCHEMA, STEP_SCHEMA
from rowmill.statemachine.expressions import quoted

FOR_GOOD = (  # what an API server refuses whoever asks again; 404 is a KubernetesJob that is gone
    *(f"EKS.{status}" for status in (400, 401, 403, 405, 413, 415, 422)),
    "States.QueryEvaluationError",
)
ROUNDS = 3  # of split, process and merge, where what failed may be better next time
AGAIN = "start it again: finished partitions have receipts, and are not done again"
NOT_THERE = "look at the KubernetesJob: kubectl describe jobs -l rowmill.dev/execution"


def job_told(code: str) -> str:
    """Return code for what a KubernetesJob says of itself: its name, how it ended, and which pod or index did it."""
    ended = "[$job.status.conditions[type in ['Complete', 'Failed'] and status = 'True']][0]"
    said = "($exists($end.message) ? $end.message : '')"
    pod = r"[$match($said, /for pod [^\/ ]+\/([^ ]+) failed/).groups][0]"
    index = "$split($split($job.status.failedIndexes, ',')[0], '-')[0]"
    return (
        f"( $job := {code}; $end := {ended}; $said := {said}; $pod := {pod}; "
        f"$index := $exists($job.status.failedIndexes) and $job.status.failedIndexes != '' ? {index} : ''; "
        "{'name': $job.metadata.name, 'end': $exists($end) ? $end.type : '', "
        "'reason': $exists($end.reason) ? $end.reason : '', 'words': $said, "
        "'pod': $exists($pod) ? $pod : '', 'index': $index} )"
    )


def pods_labels(job: str) -> str:
    """Return code for the labels of the pods that a KubernetesJob failed by."""
    index = f"({job}.index = '' ? '' : ',batch.kubernetes.io/job-completion-index=' & {job}.index)"
    return f"'batch.kubernetes.io/job-name=' & {job}.name & {index}"


def pods_fields(job: str) -> str:
    """Return code for the fields of the pods that a KubernetesJob failed by."""
    return f"{job}.pod = '' ? 'status.phase=Failed' : 'metadata.name=' & {job}.pod"


def told() -> str:
    """Return code for what a step's pod told when it ended well; nothing in it if no such pod is left."""
    return f"( $texts := {_messages(STEP_SCHEMA)}; $count($texts) > 0 ? $parse($texts[0]) : {{}} )"


def failure_of_pods(step: str, job: str) -> str:
    """Return code for the failure of a KubernetesJob whose pods were looked at.

    Of several errors the one that comes first in the input is told; one that was only passing is told last.

    Args:
        step: Whose KubernetesJob.
        job: Variable with what it says of itself.
    """
    place = "($exists({0}.ordinal) ? {0}.ordinal : $exists({0}.partition) ? {0}.partition : 0)"
    first, second = place.format("$one"), place.format("$other")
    return (
        f"( $all := [$map({_messages(ERROR_SCHEMA)}, function($text) {{ $parse($text) }})]; "
        "$meant := [$filter($all, function($one) { $one.error != 'Stopped' })]; "
        "$firm := [$filter($meant, function($one) { $not($one.exit_code in [1, 75]) })]; "
        "$reasons := $states.result.ResponseBody.items.status.containerStatuses.state.terminated.reason; "
        f"$first := function($some) {{ $sort($some, function($one, $other) {{ {first} > {second} }})[0] }}; "
        f"$merge([{{'step': {quoted(step)}, 'reason': {job}.reason}}, $count($firm) > 0 ? $first($firm) : "
        f"'OOMKilled' in $reasons ? {_memory()} : $count($meant) > 0 ? $first($meant) : {_kubernetes(job)}]) )"
    )


def failure_of_error(step: str) -> str:
    """Return code for the failure of a state that was caught: a step's own, or that of the API that was asked."""
    error = "$states.errorOutput"
    own = f'$contains({error}.Cause, /^\\{{.*"step":"[a-z]+"/)'  # as a partition's own machine ended
    refused = f"{error}.Error in ['EKS.401', 'EKS.403']"
    kind = (
        f"{error}.Error in {list(BY_NAME)} ? {error}.Error "
        f": {error}.Error in {list(FOR_GOOD)} ? 'ConfigurationError' "
        f": {error}.Error = 'EKS.404' ? 'StateError' : 'TransientError'"
    )
    hint = (
        f"{refused} ? 'the cluster refuses the machine: check its access entry, and the RoleBinding of its group' "
        f": {error}.Error = 'EKS.404' ? 'the KubernetesJob was deleted, or its namespace is not there; {AGAIN}' "
        f": {quoted(AGAIN)}"
    )
    return (
        f"( {own} ? $parse({error}.Cause) : {{'step': {quoted(step)}, 'error': {kind}, "
        f"'message': {error}.Error & ': ' & $substring({error}.Cause, 0, 1000), 'hint': {hint}}} )"
    )


def gone(step: str) -> str:
    """Return code for the failure of a step that ended well, and whose pod has told nothing."""
    return _failure(step, "TransientError", "the pod that ended well is gone, and with it what it found", AGAIN)


def unreadable() -> str:
    """Return code for the failure of an execution whose input names no object."""
    hint = "start it by an event of the bucket, or with {input: s3://bucket/key}"
    return _failure("init", "ConfigurationError", "the input of the execution names no object", hint)


def again(failure: str) -> str:
    """Return code for whether another round may help: what a passing error ended, or data that merge put aside."""
    passing = f"{failure}.error = 'TransientError' and $not({failure}.reason = 'DeadlineExceeded')"
    aside = f"{failure}.error = 'StateError' and {failure}.step = 'merge'"
    return f"$round < {ROUNDS} and ({passing} or {aside})"


def _messages(schema: str) -> str:
    """Return code for the messages of ours in the pods that were found; others may be Kubernetes' own words."""
    all_of_them = (
        f"[$states.result.ResponseBody.items.status.containerStatuses[name = {quoted(CONTAINER)}]"
        ".state.terminated.message]"
    )
    begin = schema.replace("/", "\\/").replace(".", "\\.")
    return f'[$filter({all_of_them}, function($text) {{ $contains($text, /^\\{{"schema":"{begin}"/) }})]'


def _kubernetes(job: str) -> str:
    message = f"'the KubernetesJob failed: ' & {job}.reason & ': ' & {job}.words"
    return f"{{'error': 'TransientError', 'message': {message}, 'hint': {quoted(AGAIN)}}}"


def _memory() -> str:
    hint = "give the pods more memory, or smaller partitions"
    return f"{{'error': 'ProcessingError', 'message': 'a pod had too little memory', 'hint': {quoted(hint)}}}"


def _failure(step: str, kind: str, message: str, hint: str) -> str:
    fields = {"step": step, "error": kind, "message": message, "hint": hint}
    return f"{{{', '.join(f'{quoted(name)}: {quoted(value)}' for name, value in fields.items())}}}"
