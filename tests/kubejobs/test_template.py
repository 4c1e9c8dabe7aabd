"""A user's pod template is merged as Kubernetes would, and takes away nothing that makes pods safe."""

from __future__ import annotations

import copy
import subprocess
from shutil import which
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Pods, process_job, with_template

from .conftest import check

if TYPE_CHECKING:
    from pathlib import Path

HANG_S = 60
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"cost-centre": "17"}, "annotations": {"sidecar.istio.io/inject": "false"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "batch", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "low",
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [4000]},
        "volumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
        "containers": [
            {
                "name": "rowmill",
                "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
                "volumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
                "resources": {"limits": {"cpu": "2"}},
            },
            {"name": "proxy", "image": "proxy:1"},
        ],
    },
}


@pytest.fixture
def job(pods: Pods) -> dict[str, Any]:
    return process_job(pods, "0123456789abcdef", attempt=1, completions=4, workers=2)


def test_a_template_adds_to_pods(job: dict[str, Any]) -> None:
    before = copy.deepcopy(job)
    made = with_template(job, TEMPLATE)
    check(made)
    assert job == before
    pod = made["spec"]["template"]
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["priorityClassName"] == "low"
    ours_too = before["spec"]["template"]["metadata"]["annotations"]
    assert pod["metadata"]["annotations"] == {**ours_too, "sidecar.istio.io/inject": "false"}
    assert made["metadata"]["labels"]["cost-centre"] == pod["metadata"]["labels"]["cost-centre"] == "17"
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == {"tmp", "workspace", "code", "ca"}
    ours, other = pod["spec"]["containers"]
    assert other == {"name": "proxy", "image": "proxy:1"}
    assert ours["args"] == job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ours["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi", "cpu": "2"}}
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in ours["env"]
    assert pod["spec"]["securityContext"] == before["spec"]["template"]["spec"]["securityContext"] | {
        "runAsUser": 1000,
        "supplementalGroups": [4000],
    }


def sorted_lists(value: Any) -> Any:
    """Return a value whose merged lists are in order of their text: kubectl puts the patch's entries first."""
    if isinstance(value, dict):
        return {key: sorted_lists(one) for key, one in value.items()}
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return sorted((sorted_lists(one) for one in value), key=lambda one: msgspec.json.encode(one, order="sorted"))
    return value


@pytest.mark.skipif(which("kubectl") is None, reason="kubectl is not installed")
def test_it_is_merged_as_kubectl_would(job: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_bytes(msgspec.json.encode(job))
    patch = msgspec.json.encode({"spec": {"template": TEMPLATE}}).decode()
    command = ["kubectl", "patch", "--local", "--type=strategic", "--filename", str(file), "--patch", patch, "-o=json"]
    done = subprocess.run(command, capture_output=True, timeout=HANG_S, check=True)
    theirs = msgspec.json.decode(done.stdout)["spec"]["template"]
    theirs["metadata"].pop("creationTimestamp", None)  # kubectl writes it as null
    for container in theirs["spec"]["containers"]:
        if not container.get("resources", True):
            del container["resources"]
    assert sorted_lists(with_template(job, TEMPLATE)["spec"]["template"]) == sorted_lists(theirs)


@pytest.mark.parametrize("kind", ["Pod", "PodTemplate"])
def test_whole_objects_are_templates_too(job: dict[str, Any], kind: str) -> None:
    given = {"apiVersion": "v1", "kind": kind, **({"template": TEMPLATE} if kind == "PodTemplate" else TEMPLATE)}
    assert with_template(job, given) == with_template(job, TEMPLATE)


REFUSED = {
    "spec.restartPolicy": {"spec": {"restartPolicy": "OnFailure"}},
    "spec.automountServiceAccountToken": {"spec": {"automountServiceAccountToken": True}},
    "spec.serviceAccountName": {"spec": {"serviceAccountName": "admin"}},
    "spec.hostNetwork": {"spec": {"hostNetwork": True}},
    "spec.securityContext.runAsNonRoot": {"spec": {"securityContext": {"runAsNonRoot": False}}},
    "spec.securityContext.runAsUser": {"spec": {"securityContext": {"runAsUser": 0}}},
    "spec.securityContext.seccompProfile": {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}},
    "spec.securityContext": {"spec": {"securityContext": None}},
    "spec.containers[rowmill].securityContext": {
        "spec": {"containers": [{"name": "rowmill", "securityContext": {"privileged": True}}]}
    },
    "spec.containers[rowmill].args": {"spec": {"containers": [{"name": "rowmill", "args": ["run"]}]}},
    "spec.containers[rowmill].command": {"spec": {"containers": [{"name": "rowmill", "command": ["sh"]}]}},
    "spec.containers[rowmill].image": {"spec": {"containers": [{"name": "rowmill", "image": "other"}]}},
    "spec.containers[rowmill].env[ROWMILL_WORKSPACE]": {
        "spec": {"containers": [{"name": "rowmill", "env": [{"name": "ROWMILL_WORKSPACE", "value": "/elsewhere"}]}]}
    },
    "spec.containers[rowmill].volumeMounts[/data]": {
        "spec": {"containers": [{"name": "rowmill", "volumeMounts": [{"name": "ca", "mountPath": "/data/"}]}]}
    },
    "spec.volumes[tmp]": {"spec": {"volumes": [{"name": "tmp", "hostPath": {"path": "/"}}]}},
    "spec.containers": {"spec": {"containers": [{"image": "nameless"}]}},
    "spec.initContainers": {"spec": {"initContainers": [{"name": "rowmill", "image": "other"}]}},
    "metadata.labels[rowmill.dev/run]": {"metadata": {"labels": {"rowmill.dev/run": "mine"}}},
    "metadata.labels[app.kubernetes.io/name]": {"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}},
    "metadata.labels[kueue.x-k8s.io/queue-name]": {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "mine"}}},
    "metadata.labels": {"metadata": {"labels": None}},
    "metadata.name": {"metadata": {"name": "mine"}},
    "podFailurePolicy": {"podFailurePolicy": {"rules": []}},
    "$patch": {"spec": {"$patch": "replace"}},
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_template_that_touches_ours_is_told_by_its_field(job: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        with_template(job, REFUSED[field])
    assert failed.value.message.rpartition(" ")[2].replace("/data/", "/data") == field
    assert failed.value.hint


def test_another_kind_is_no_template(job: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Deployment"):
        with_template(job, {"kind": "Deployment", "spec": {}})
