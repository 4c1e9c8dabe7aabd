"""What manifests tell pods to do is carried out here, by processes in place of pods."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from rowmill import api, kubejobs
from rowmill.kubejobs.pods import TERMINATION_LOG
from rowmill.runners.pods import InPods, in_pods
from rowmill.runners.starting import Asked

if TYPE_CHECKING:
    from pathlib import Path

HANG_S = 60
ROWS = 95
RESULT = "".join(f"{i},name {i}\n" for i in range(ROWS))
ODD = {"day": "$(HOME) $$ --fresh"}
CHECKED_JOB = """\
from rowmill import Csv, Job

job = Job("echo", reads=Csv(), writes=Csv(header=False), rows_per_partition=10)


@job.process
def echo(row: dict, ctx) -> dict:
    assert ctx.params == {"day": "$(HOME) $$ --fresh"}
    return row
"""


class Node(NamedTuple):
    """Runs containers: expands what Kubernetes expands, and mounts the code."""

    folder: Path

    def run(self, container: dict[str, Any], **env: str) -> tuple[str, dict[str, Any]]:
        """Return what the container wrote on standard output, and its termination message."""
        given = {**{one["name"]: one["value"] for one in container["env"]}, **env}
        log = self.folder / "termination-log"
        log.unlink(missing_ok=True)
        assert given["ROWMILL_TERMINATION_LOG"] == TERMINATION_LOG
        words = [self._seen(expanded(word, given)) for word in container["args"]]
        ours = {key: value for key, value in os.environ.items() if not key.startswith("ROWMILL_")}
        done = subprocess.run(
            [sys.executable, "-m", "rowmill", *words],
            env={**ours, **given, "ROWMILL_TERMINATION_LOG": str(log), "HOME": "/nowhere"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads(log.read_bytes())

    def _seen(self, word: str) -> str:
        return word.replace("/job/", f"{self.folder}/")


def expanded(word: str, env: dict[str, str]) -> str:
    """Expand `$(NAME)` and `$$` as Kubernetes does."""
    return re.sub(r"\$(?:\$|\((\w+)\))", lambda it: env.get(it[1], it[0]) if it[1] else "$", word)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    (tmp_path / "job.py").write_text(CHECKED_JOB, encoding="utf-8")
    (tmp_path / "in.csv").write_text(f"id,name\n{RESULT}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Node(tmp_path)


def chosen(node: Node) -> dict[str, Any]:
    return {"claim": f"shared:{node.folder}", "image": "it", "workers": 3, "rows_per_partition": 10}


@pytest.fixture
def made(node: Node) -> InPods:
    return in_pods(Asked("job.py", str(node.folder / "in.csv"), None, ODD, chosen(node)))


def container(job: dict[str, Any]) -> dict[str, Any]:
    found = job["spec"]["template"]["spec"]["containers"][0]
    assert isinstance(found, dict)
    return found


def test_kubernetes_jobs_give_the_local_run_s_bytes(node: Node, made: InPods) -> None:
    _, split = node.run(container(kubejobs.split_job(made.pods, made.request, attempt=1)))
    assert (split["rows"], split["unfinished"]) == (ROWS, 10)
    pods = kubejobs.completions(partitions=10, rows=ROWS, rows_per_s=1, workers=3)
    process = kubejobs.process_job(
        made.pods, split["run_id"], attempt=split["next_attempt"], completions=pods, workers=3
    )
    ended = [
        node.run(container(process), JOB_COMPLETION_INDEX=str(index))[1]
        for index in range(process["spec"]["completions"])
    ]
    assert sum(one["rows"] for one in ended) == ROWS
    _, merge = node.run(container(kubejobs.merge_job(made.pods, split["run_id"], attempt=1)))
    assert (node.folder / "in.csv_Output").read_text() == RESULT
    assert merge["output"] == str(node.folder / "in.csv_Output")
    assert (node.folder / "rowmill" / merge["report"]).is_file()


def test_a_kubernetes_job_for_each_partition_gives_them_too(node: Node, made: InPods) -> None:
    _, split = node.run(container(kubejobs.split_job(made.pods, made.request, attempt=1)))
    for partition in reversed(range(split["partitions"])):
        node.run(container(kubejobs.partition_job(made.pods, split["run_id"], partition, attempt=1)))
    node.run(container(kubejobs.merge_job(made.pods, split["run_id"], attempt=1)))
    assert (node.folder / "in.csv_Output").read_text() == RESULT


def test_argo_s_steps_give_them_too(node: Node) -> None:
    files = api.render("job.py", str(node.folder / "in.csv"), "argo", params=ODD, **chosen(node))
    flow = [*yaml.safe_load_all(files["workflow-template.yaml"])][-1]["spec"]
    tasks = {task["name"]: task for task in flow["templates"][0]["dag"]["tasks"]}
    steps = {step["name"]: step["container"] for step in flow["templates"] if "container" in step}
    pods = flow["arguments"]["parameters"][0]["value"]
    said, _ = node.run(steps["split"])
    for item in range(int(pods)):
        node.run(filled(steps["process"], tasks["process"], said, item=str(item), pods=pods))
    node.run(filled(steps["merge"], tasks["merge"], said))
    assert (node.folder / "in.csv_Output").read_text() == RESULT


def filled(step: dict[str, Any], task: dict[str, Any], said: str, *, item: str = "", pods: str = "") -> dict[str, Any]:
    """Put values in place of parameters, as Argo does."""
    values = {"{{workflow.parameters.pods}}": pods}
    for given in task["arguments"]["parameters"]:
        path = re.fullmatch(r"\{\{=jsonpath\(tasks\.split\.outputs\.result, '\$\.(\w+)'\)\}\}", given["value"])
        value = str(json.loads(said)[path[1]]) if path else given["value"].replace("{{item}}", item)
        values[f"{{{{inputs.parameters.{given['name']}}}}}"] = value
    args = step["args"]
    for name, value in values.items():
        args = [word.replace(name, value) for word in args]
    assert not any("{{" in word for word in args)
    return {**step, "args": args}
