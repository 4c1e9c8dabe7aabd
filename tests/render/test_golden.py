"""What is rendered is what was agreed on: a change of these files is a change for whoever applies them.

`python -m tests.render.test_golden` writes them anew, from a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from shutil import which
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rowmill import api
from rowmill.runners.rendering import as_yaml

from .conftest import BY_URL, GOLDEN, JOB, ON_CLAIM, TEMPLATE

HANG_S = 60
VERSIONS = ("1.33", "1.37")
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "claim-yaml": ("yaml", "/data/in.csv", {**ON_CLAIM, "pod_template": "pods.yaml", "params": {"day": "$(date)"}}),
    "url-yaml": ("yaml", "s3://in/orders.csv", {**BY_URL, "service_account": "mill", "queue": "batch", "fresh": True}),
    "claim-kustomize": ("kustomize", "/data/in.csv", ON_CLAIM),
    "claim-argo": ("argo", "/data/in.csv", {**ON_CLAIM, "pod_template": "pods.yaml"}),
}


def render(case: str) -> dict[str, str]:
    form, given, chosen = CASES[case]
    return api.render("job.py", given, form, **chosen)


def golden(case: str) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in sorted((GOLDEN / case).iterdir())}


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("case", CASES)
def test_a_request_is_rendered_as_agreed(case: str) -> None:
    assert dict(sorted(render(case).items())) == golden(case)


def objects(case: str) -> list[dict[str, Any]]:
    return [one for text in golden(case).values() for one in yaml.safe_load_all(text)]


@pytest.mark.parametrize("case", [case for case in CASES if not case.endswith("argo")])
def test_kubernetes_takes_every_object(case: str) -> None:
    kinds = set()
    for one in objects(case):
        if one["kind"] != "Kustomization":
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)
            kinds.add(one["kind"])
    assert kinds >= {"Role", "RoleBinding", "ConfigMap", "Job"}


def test_argo_s_pods_are_pods() -> None:
    (flow,) = [one for one in objects("claim-argo") if one["kind"] == "WorkflowTemplate"]
    spec = flow["spec"]
    steps = [step for step in spec["templates"] if "container" in step]
    assert [step["name"] for step in steps] == ["split", "process", "merge"]
    for step in steps:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": step["name"], **spec["podMetadata"]},
            "spec": {
                "securityContext": spec["securityContext"],
                "volumes": spec["volumes"],
                "containers": [{"name": "main", **step["container"]}],
            },
        }
        for version in VERSIONS:
            kubernetes_validate.validate(pod, version, strict=True)
    patch = yaml.safe_load(spec["podSpecPatch"])
    assert [container["name"] for container in patch["containers"]] == ["main"]


@pytest.mark.skipif(which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_builds_the_kustomize_base() -> None:
    command = ["kubectl", "kustomize", str(GOLDEN / "claim-kustomize")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    built = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert built == {one["kind"]: one for one in objects("claim-kustomize") if one["kind"] != "Kustomization"}


ODD_TEXT = [
    *("0048386493", "12e4567890", "1e3", "0o17", "0x1F", "1_000", "12:30:45", "-1", "2026-11-24", ".inf", "1."),
    *("y", "N", "yes", "off", "null", "~", "true", "", " ", "a: b", "# no", "- x", "{{x}}", "'", '"', "*a", "&a", "!t"),
    *("two\nlines\n", "two\nlines", "\n", "ends in blanks  \nx", "\ttab\n", "ü\u2028x", "%", "@", "`"),
]


@pytest.mark.skipif(which("kubectl") is None, reason="kubectl is not installed")
def test_text_is_text_to_kubectl_too(tmp_path: Path) -> None:
    data = {f"key-{number}": text for number, text in enumerate(ODD_TEXT)}
    odd = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "data": data}
    (tmp_path / "configmap.yaml").write_text(as_yaml([odd]), encoding="utf-8")
    (tmp_path / "kustomization.yaml").write_text("resources: [configmap.yaml]\n", encoding="utf-8")
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, timeout=HANG_S, check=True)
    assert yaml.safe_load(done.stdout)["data"] == data


def write() -> None:
    """Write the files anew."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("job.py").write_text(JOB, encoding="utf-8")
        Path("pods.yaml").write_text(TEMPLATE, encoding="utf-8")
        for case in CASES:
            (GOLDEN / case).mkdir(parents=True, exist_ok=True)
            for name, text in render(case).items():
                (GOLDEN / case / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
