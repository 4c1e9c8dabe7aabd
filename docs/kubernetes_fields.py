"""Which Kubernetes field each setting becomes: found by making the objects with it and without."""  # noqa: INP001

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowmill import kubejobs, settings
from rowmill.errors import RowmillError
from rowmill.kubejobs import failing, rights
from rowmill.runners.pods import in_pods
from rowmill.runners.starting import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = {"image": "rowmill:1", "workspace": "s3://in/runs", "claim": "shared:/data", "workers": 2}
RUN_ID = "0123456789abcdef"
SAMPLES: dict[str, Any] = {
    "workspace": "s3://in/other",
    "table": "postgresql://db/mill",
    "workers": 5,
    "rows_per_partition": 1000,
    "rejects": "5",
    "create_table": True,
    "write_rate": 500,
    "tracker": "redis://tracker:6379",
    "tracker_password_file": "/run/secrets/tracker",
    "tracker_auth": "iam",
    "event_id": "event-7",
    "image": "rowmill:2",
    "namespace": "mills",
    "service_account": "mill",
    "claim": "other:/elsewhere",
    "cpu": "2",
    "memory": "2Gi",
    "pod_deadline": 60,
    "queue": "batch",
    "s3_bucket_owner": "123456789012",
    "s3_kms_key": "key",
}
IN_WORDS = {
    "on": "where rows run; for pods `kubernetes`",
    "state_machine": "no field: for `--on stepfunctions`",
    "kube_context": "no field: which cluster the client speaks to",
    "pod_template": "merged into `spec.template`, and its labels into `metadata.labels` too",
    "fan_out": "`per-partition`: one KubernetesJob for each partition in place of `spec.completions`",
}
CHANGES_WITH_ALL = ("].name", "metadata.name", "instance", "rowmill.dev/request", "rowmill.dev/run")


def setting_fields(_page: Path) -> str:
    """Return the table of settings and the fields that they become."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "orders.py"
        job.write_text('from rowmill import Job\njob = Job("orders")\n', encoding="utf-8")
        plain = objects(job, {})
        rows = [
            f"| `{name}` | {IN_WORDS.get(name) or told(plain, objects(job, {name: SAMPLES[name]}))} |"
            for name in settings.SETTINGS
        ]
    return "\n".join(["| setting | what it becomes |", "| --- | --- |", *rows])


def objects(job: Path, chosen: dict[str, Any]) -> dict[str, str]:
    """Return all fields of the steps' objects, by step and path."""
    made = in_pods(Asked(str(job), "s3://in/orders.csv", None, None, {**BASE, **chosen}))
    workers = made.chosen["workers"].value
    steps = {
        "split": kubejobs.split_job(made.pods, made.request, attempt=1),
        "process": kubejobs.process_job(made.pods, RUN_ID, attempt=1, completions=workers, workers=workers),
        "merge": kubejobs.merge_job(made.pods, RUN_ID, attempt=1),
    }
    return {f"{step}:{path}": value for step, one in steps.items() for path, value in flat(one, "")}


def flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Give each field's path and text; entries of lists go by their name, words of a command line by their option."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from flat(one, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, dict):
                yield from flat(one, f"{path}[{one.get('name', '')}]")
            else:
                yield f"{path} {str(one).partition('=')[0]}", str(one)
    else:
        yield path, str(value)


def told(plain: dict[str, str], with_it: dict[str, str]) -> str:
    """Return the paths that differ, and in which steps."""
    steps: dict[str, list[str]] = {}
    for key in sorted(plain.keys() | with_it.keys()):
        step, _, path = key.partition(":")
        if plain.get(key) != with_it.get(key) and not path.split(" ")[0].endswith(CHANGES_WITH_ALL):
            steps.setdefault(path, []).append(step)
    order = {"split": 0, "process": 1, "merge": 2}
    shown = [
        f"`{path}`" + ("" if len(found) == len(order) else f" ({', '.join(sorted(found, key=order.__getitem__))})")
        for path, found in steps.items()
    ]
    return "<br>".join(shown)


def failure_policy(_page: Path) -> str:
    """Return the table of what Kubernetes does when a pod ends badly."""
    rows = [
        f"| {kind.exit_code} | {'unexpected' if kind is RowmillError else f'`{kind.__name__}`'} "
        f"| {failing.action_of(kind, indexed=True)} | {failing.action_of(kind, indexed=False)} |"
        for kind in sorted(failing.ACTIONS, key=lambda kind: kind.exit_code)
    ]
    first = [
        "| - | the pod has the condition `DisruptionTarget` | Ignore | Ignore |",
        "| 143 | SIGTERM | Ignore | Ignore |",
    ]
    head = ["| exit code | what happened | process | split, merge, coordinator |", "| ---: | --- | --- | --- |"]
    return "\n".join([*head, *first, *rows])


def rights_table(_page: Path) -> str:
    """Return the table of the coordinator's rights."""
    rows = [
        f"| `{group or 'core'}` | {', '.join(f'`{one}`' for one in resources)} | {', '.join(verbs)} |"
        for group, resources, verbs in rights.RULES
    ]
    return "\n".join(["| API group | resources | verbs |", "| --- | --- | --- |", *rows])
