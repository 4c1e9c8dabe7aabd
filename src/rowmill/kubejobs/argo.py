"""The same steps as an Argo WorkflowTemplate: Argo starts the pods, and the steps' contract stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import naming
from rowmill.kubejobs.failing import CONTAINER
from rowmill.kubejobs.jobs import RETRIES, RUN_LIVES, split_job
from rowmill.kubejobs.pods import pod_template
from rowmill.kubejobs.template import with_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rowmill.kubejobs.asked import Pods, Request

MAIN = "main"  # what Argo calls the container
COMMAND = "rowmill"  # the image's entry point, which Argo would have to ask a registry for
SPLIT_SAID = "{{{{=jsonpath(tasks.split.outputs.result, '$.{name}')}}}}"
# As the failure policy of our own KubernetesJobs: what may be better next time, and what the cluster did to the pod.
AGAIN = 'lastRetry.status == "Error" or asInt(lastRetry.exitCode) in [1, 75, 137, 143]'


def workflow_template(
    pods: Pods, request: Request, *, workers: int, template: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the WorkflowTemplate: split, then `pods` shares of process, `workers` at once, then merge.

    Args:
        pods: What its pods have.
        request: What the run is asked to do.
        workers: Pods at once, and how many there are; both are parameters of the workflow.
        template: The user's pod template.

    Raises:
        ConfigurationError: The request has braces that Argo would read as its own.
    """
    labels = naming.labels(pods, "workflow", 1, request=naming.request_digest(pods, request))
    del labels[naming.ATTEMPT]  # each submission of the template is one
    words = {
        "split": ["split", "--json", *request.words, "--", pods.job, request.input],
        "process": [
            "process",
            "{{inputs.parameters.run}}",
            "--index={{inputs.parameters.index}}",
            "--of={{workflow.parameters.pods}}",
            "--attempt={{inputs.parameters.attempt}}",
        ],
        "merge": ["merge", "{{inputs.parameters.run}}"],
    }
    _refuse_braces(words["split"])
    inputs = {"split": (), "process": ("run", "attempt", "index"), "merge": ("run",)}
    spec: dict[str, Any] = {
        "entrypoint": "rowmill",
        "arguments": {"parameters": [{"name": "pods", "value": str(workers)}]},
        "parallelism": workers,
        "activeDeadlineSeconds": RUN_LIVES * pods.deadline_s,
        "ttlStrategy": {"secondsAfterCompletion": pods.ttl_s},
        **_pods_alike(pods, labels),
        "templates": [_order(), *(_step(pods, name, words[name], inputs[name], labels) for name in words)],
    }
    if template is not None:
        with_template(split_job(pods, request, attempt=1), template)  # it refuses what is ours
        _add_template(spec, template)
    where = {"namespace": pods.namespace} if pods.namespace else {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": f"rowmill-{naming.request_digest(pods, request)}", **where, "labels": labels},
        "spec": spec,
    }


def _refuse_braces(words: Sequence[str]) -> None:
    if any("{{" in word for word in words):
        raise ConfigurationError("Argo reads {{ }} as its own parameters", hint="leave them out of names and values")


def _pods_alike(pods: Pods, labels: dict[str, str]) -> dict[str, Any]:
    """Return what Argo takes for all pods of a workflow at once."""
    made = pod_template(pods, [], labels)
    spec = made["spec"]
    account = {"serviceAccountName": pods.service_account} if pods.service_account else {}
    return {
        **account,
        "securityContext": spec["securityContext"],
        "volumes": spec["volumes"],
        "podMetadata": made["metadata"],
    }


def _order() -> dict[str, Any]:
    def task(name: str, after: str = "", **parameters: str) -> dict[str, Any]:
        given = [{"name": key, "value": value} for key, value in parameters.items()]
        return {
            "name": name,
            "template": name,
            **({"depends": after} if after else {}),
            **({"arguments": {"parameters": given}} if given else {}),
        }

    run, attempt = (SPLIT_SAID.format(name=name) for name in ("run_id", "next_attempt"))
    process = task("process", "split", run=run, attempt=attempt, index="{{item}}")
    process["withSequence"] = {"count": "{{workflow.parameters.pods}}"}
    return {"name": "rowmill", "dag": {"tasks": [task("split"), process, task("merge", "process", run=run)]}}


def _step(pods: Pods, name: str, words: Sequence[str], inputs: Sequence[str], labels: dict[str, str]) -> dict[str, Any]:
    (container,) = pod_template(pods, words, labels)["spec"]["containers"]
    container = {"image": container["image"], "command": [COMMAND], **container}
    del container["name"]
    return {
        "name": name,
        **({"inputs": {"parameters": [{"name": one} for one in inputs]}} if inputs else {}),
        "metadata": {"labels": {"app.kubernetes.io/component": name, naming.STEP: name}},
        "retryStrategy": {"limit": str(RETRIES), "retryPolicy": "Always", "expression": AGAIN},
        "container": container,
    }


def _add_template(spec: dict[str, Any], template: Mapping[str, Any]) -> None:
    """Hand the user's template on to Argo, which merges it in the same way."""
    given = template.get("template", template)
    patch = {**given.get("spec", {})}
    if "containers" in patch:
        patch["containers"] = [
            {**one, "name": MAIN if one["name"] == CONTAINER else one["name"]} for one in patch["containers"]
        ]
    if patch:
        spec["podSpecPatch"] = msgspec.json.encode(patch).decode()
    metadata = given.get("metadata", {})
    for kind in ("labels", "annotations"):
        spec["podMetadata"][kind] = {**metadata.get(kind, {}), **spec["podMetadata"][kind]}
