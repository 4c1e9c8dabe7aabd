"""What a pod's failure means for its KubernetesJob, and when success of some indexes is enough. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import jobs_indexes, jobs_pods

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs_indexes import Indexes


class Verdict(NamedTuple):
    """What the first rule that fits says of a failed pod.

    Attributes:
        action: `FailJob`, `FailIndex`, `Ignore`, `Count`; empty if no rule fits.
        message: Why the KubernetesJob fails; empty unless it does.
    """

    action: str
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether the failure counts against the limits."""
        return self.action != "Ignore"


def only_failed_are_replaced(job: Object) -> bool:
    """Whether a pod that is to go keeps its place until it has ended."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def is_failed(pod: Object, job: Object) -> bool:
    """Whether a pod counts as failed: also when somebody deletes it, unless only failed ones are replaced."""
    if jobs_pods.phase(pod) == "Failed":
        return True
    return not only_failed_are_replaced(job) and jobs_pods.is_terminating(pod)


def judged(pod: Object, job: Object) -> Verdict:
    """Return what a KubernetesJob's rules say of a failed pod."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules", ())):
        why = _exit_code(pod, rule["onExitCodes"]) if rule.get("onExitCodes") else _condition(pod, rule)
        if why:
            fails = rule["action"] == "FailJob"
            return Verdict(rule["action"], f"{why} matching FailJob rule at index {number}" if fails else "")
    return Verdict("")


def _place(pod: Object) -> str:
    return f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"


def _exit_code(pod: Object, wanted: Object) -> str:
    for state in jobs_pods.containers(pod):
        ended = state.get("state", {}).get("terminated")
        if not ended or not ended["exitCode"] or wanted.get("containerName", state["name"]) != state["name"]:
            continue
        if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {state['name']} for pod {_place(pod)} failed with exit code {ended['exitCode']}"
    return ""


def _condition(pod: Object, rule: Object) -> str:
    for wanted in rule.get("onPodConditions") or ():
        if jobs_pods.condition(pod, wanted["type"]).get("status") == wanted.get("status", "True"):
            return f"Pod {_place(pod)} has condition {wanted['type']}"
    return ""


def fails_index(pod: Object, job: Object) -> bool:
    """Whether a pod's index has failed with it, in a KubernetesJob whose indexes have a limit each."""
    if not is_failed(pod, job):
        return False
    verdict = judged(pod, job)
    return verdict.action == "FailIndex" or (
        verdict.counts and jobs_pods.tries(pod) >= job["spec"]["backoffLimitPerIndex"]
    )


def early_success(job: Object, done: Indexes) -> str:
    """Return which rule says that enough indexes have succeeded; empty if none does."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules", ())):
        among = done
        if rule.get("succeededIndexes") is not None:
            among = jobs_indexes.parse(rule["succeededIndexes"], job["spec"]["completions"])
        needed = rule.get("succeededCount") or len(among)
        if len(among & done) >= needed:
            return f"Matched rules at index {number}"
    return ""
