"""Whether a KubernetesJob holds, and whether it may become another; every cause in Kubernetes' words. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers, validation
from rowmill.devcloud.kubernetes.answers import Cause
from rowmill.devcloud.kubernetes.defaults import JOB_NAME, JOB_NAME_OLD, JOB_UID, JOB_UID_OLD
from rowmill.devcloud.kubernetes.validation import required, shown, unsupported, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.answers import Object

MOST_INDEXES, MOST_PARALLEL, MOST_PARALLEL_MANY = 100_000, 100_000, 10_000
MODES = ("NonIndexed", "Indexed")
POLICIES = ("OnFailure", "Never")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
MANAGER = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/.+")
OWN_MANAGER = "kubernetes.io/job-controller"
IMMUTABLE = "field is immutable"
SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def created(job: Object) -> Iterator[Cause]:
    """Tell what is wrong with a new KubernetesJob, in the order in which Kubernetes does."""
    if not job["spec"]["manualSelector"] and "selector" in job["spec"]:
        yield from _generated(job)
    yield from specified(job)


def specified(job: Object) -> Iterator[Cause]:
    """Tell what is wrong with a KubernetesJob's spec."""
    spec = job["spec"]
    yield from _numbers(spec)
    yield from _indexed(job, spec)
    yield from _selector(spec)
    yield from validation.labels(spec["template"].get("metadata", {}).get("labels", {}), "spec.template.labels")
    yield from validation.pod_spec(spec["template"]["spec"], "spec.template.spec")
    yield from _restart(spec)
    yield from _failures(spec)
    yield from _manager(spec)


def _numbers(spec: Object) -> Iterator[Cause]:
    names = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    yield from validation.negative(spec, "spec", *names, "backoffLimitPerIndex", "maxFailedIndexes")


def _indexed(job: Object, spec: Object) -> Iterator[Cause]:
    mode = spec["completionMode"]
    if mode not in MODES:
        yield unsupported("spec.completionMode", mode, MODES)
    indexed = mode == "Indexed"
    if indexed and "completions" not in spec:
        yield required("spec.completions", "when completion mode is Indexed")
    for name in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if name in spec and not indexed and mode in MODES:
            yield _bare(f"spec.{name}", f"{_as_go(spec[name])}: requires indexed completion mode")
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if not indexed or "completions" not in spec:
        return
    yield from _limits(spec)
    yield from _last_name(job, spec)
    yield from _success(spec)


def _limits(spec: Object) -> Iterator[Cause]:
    completions, parallel = spec["completions"], spec["parallelism"]
    per_index = "backoffLimitPerIndex" in spec
    if spec.get("maxFailedIndexes", 0) > completions:
        yield wrong("spec.maxFailedIndexes", spec["maxFailedIndexes"], "must be less than or equal to completions")
    if parallel > MOST_PARALLEL:
        why = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
        yield wrong("spec.parallelism", parallel, why)
    elif per_index and completions > MOST_INDEXES and parallel > MOST_PARALLEL_MANY:
        why = f"must be less than or equal to {MOST_PARALLEL_MANY} when completions are above {MOST_INDEXES}"
        yield wrong("spec.parallelism", parallel, f"{why} and used with backoff limit per index")


def _last_name(job: Object, spec: Object) -> Iterator[Cause]:
    name = job["metadata"]["name"]
    last = f"{name}-{spec['completions'] - 1}"
    if spec["completions"] > 0 and (len(last) > validation.MOST_LABEL or not validation.DNS_LABEL.fullmatch(last)):
        yield wrong("metadata.name", name, f"will not able to create pod with invalid DNS label: {last}")


def _success(spec: Object) -> Iterator[Cause]:
    for place, rule in enumerate(spec.get("successPolicy", {}).get("rules", ())):
        indexes = rule.get("succeededIndexes", "")
        for text in re.findall(r"\d+", indexes):
            if int(text) >= spec["completions"]:
                why = f'error parsing succeededIndexes: too large index: "{text}"'
                yield wrong(f"spec.successPolicy.rules[{place}].succeededIndexes", indexes, why)
                break


def _as_go(value: Any) -> str:
    """Return a success policy, or a number, as Kubernetes shows it in messages."""
    if not isinstance(value, dict):
        return shown(value)
    rules = (
        f'{{"SucceededIndexes":{shown(rule.get("succeededIndexes"))},"SucceededCount":{shown(rule.get("succeededCount"))}}}'
        for rule in value.get("rules", ())
    )
    return f'{{"Rules":[{",".join(rules)}]}}'


def _selector(spec: Object) -> Iterator[Cause]:
    labels = spec["template"].get("metadata", {}).get("labels")
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    wanted = (selector or {}).get("matchLabels") or {"": ""}
    if not wanted.items() <= (labels or {}).items():
        yield wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _generated(job: Object) -> Iterator[Cause]:
    """Tell what of a selector, and of the labels that it finds, is not the server's own."""
    labels = job["spec"]["template"].get("metadata", {}).get("labels", {})
    selector = job["spec"]["selector"]
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    for label, value in ((JOB_UID_OLD, uid), (JOB_NAME_OLD, name), (JOB_UID, uid), (JOB_NAME, name)):
        if labels.get(label) != value:
            yield wrong(f"spec.template.metadata.labels[{label}]", labels, f"must be '{value}'")
    if selector != {"matchLabels": {JOB_UID: uid}}:
        yield wrong("spec.selector", selector, "`selector` not auto-generated")


def _restart(spec: Object) -> Iterator[Cause]:
    policy, path = spec["template"]["spec"]["restartPolicy"], "spec.template.spec.restartPolicy"
    if policy == "Always":
        yield required(path, "valid values: " + ", ".join(map(shown, POLICIES)))
    elif policy not in POLICIES:
        yield unsupported(path, policy, POLICIES)
    elif "podFailurePolicy" in spec and policy != "Never":
        yield wrong(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _failures(spec: Object) -> Iterator[Cause]:
    template = spec["template"]["spec"]
    names = [each.get("name") for group in ("containers", "initContainers") for each in template.get(group, ())]
    for place, rule in enumerate(spec.get("podFailurePolicy", {}).get("rules", ())):
        path = f"spec.podFailurePolicy.rules[{place}]"
        yield from _rule(rule, path, per_index="backoffLimitPerIndex" in spec)
        if "onExitCodes" in rule:
            yield from _exit_codes(rule["onExitCodes"], f"{path}.onExitCodes", names)
    replacing = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    if spec["podReplacementPolicy"] not in replacing:
        yield unsupported("spec.podReplacementPolicy", spec["podReplacementPolicy"], replacing)


def _rule(rule: Object, path: str, *, per_index: bool) -> Iterator[Cause]:
    action = rule.get("action", "")
    if not action:
        yield required(f"{path}.action", f"valid values: {', '.join(map(shown, ACTIONS))}")
    elif action not in ACTIONS:
        yield unsupported(f"{path}.action", action, ACTIONS)
    elif action == "FailIndex" and not per_index:
        yield wrong(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    given = [name in rule for name in ("onExitCodes", "onPodConditions")]
    if not any(given):
        yield _bare(path, "specifying one of OnExitCodes and OnPodConditions is required")
    if all(given):
        yield _bare(path, "specifying both OnExitCodes and OnPodConditions is not supported")


def _bare(path: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {why}", path)


def _exit_codes(codes: Object, path: str, names: list[Any]) -> Iterator[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values", [])
    if operator not in OPERATORS:
        yield unsupported(f"{path}.operator", operator, OPERATORS)
    if "containerName" in codes and codes["containerName"] not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield wrong(f"{path}.containerName", codes["containerName"], why)
    if not values:
        yield _bare(f"{path}.values", "at least one value is required")
    for place, value in enumerate(values):
        if value == 0 and operator == "In":
            yield wrong(f"{path}.values[{place}]", value, "must not be 0 for the In operator")
        elif value in values[:place]:
            yield validation.duplicate(f"{path}.values[{place}]", value)
    if values != sorted(values):
        yield wrong(f"{path}.values", values, "must be ordered")


def _manager(spec: Object) -> Iterator[Cause]:
    if "managedBy" in spec and not MANAGER.fullmatch(spec["managedBy"]):
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield wrong("spec.managedBy", spec["managedBy"], why)
    elif spec.get("managedBy", OWN_MANAGER) != OWN_MANAGER:
        yield Cause("FieldValueForbidden", answers.LACKING, "spec.managedBy")


def changed(old: Object, new: Object) -> Iterator[Cause]:
    """Tell what a KubernetesJob may not become."""
    before, after = old["spec"], new["spec"]
    if before.get("completions") != after.get("completions"):
        yield from _elastic(after)
    if before.get("selector") != after.get("selector"):
        yield wrong("spec.selector", after.get("selector"), IMMUTABLE)
    yield from _template(old, before, after)
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if before.get(name) != after.get(name):
            text = _as_go(after.get(name)) if name == "successPolicy" else shown(after.get(name))
            yield _bare(f"spec.{name}", f"{text}: {IMMUTABLE}")


def _elastic(after: Object) -> Iterator[Cause]:
    """Tell whether completions may change: only together with parallelism, where places are numbered."""
    wanted = after.get("completions")
    if after["completionMode"] != "Indexed" or wanted is None:
        yield wrong("spec.completions", wanted, IMMUTABLE)
    elif wanted != after["parallelism"]:
        yield wrong("spec.completions", wanted, "can only be modified in tandem with spec.parallelism")


def _template(old: Object, before: Object, after: Object) -> Iterator[Cause]:
    """Tell whether a template may change: where nothing has started yet, what places and feeds its pods may."""
    if before["template"] == after["template"]:
        return
    if not before["suspend"] or "startTime" in old.get("status", {}):
        yield wrong("spec.template", after["template"], IMMUTABLE)
    elif _placed(before["template"]["spec"]) != _placed(after["template"]["spec"]):
        yield wrong("spec.template.spec", after["template"]["spec"], IMMUTABLE)


def _placed(spec: Object) -> Object:
    kept = {name: value for name, value in spec.items() if name not in SCHEDULING}
    for group in ("containers", "initContainers"):
        if group in spec:
            kept[group] = [{**container, "resources": {}} for container in spec[group]]
    return kept
