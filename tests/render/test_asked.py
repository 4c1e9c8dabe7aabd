"""What pods could not do is said before there are any; and no manifest shows a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rowmill import settings
from rowmill.cli.declaring import KUBERNETES
from rowmill.cli.group import rowmill
from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Pods, Request
from rowmill.runners.pods import COORDINATOR, InPods, for_coordinator, in_pods
from rowmill.runners.starting import Asked

from .conftest import BY_URL, JOB, ON_CLAIM

pytestmark = pytest.mark.usefixtures("desk")
TABLED = JOB.replace("import Csv, Job", "import Csv, Job, Table").replace(
    "rows_per_partition=10", 'table=Table("T", key="id")'
)


def asked(given: str = "/data/in.csv", job: str = "job.py", params: Any = None, **chosen: Any) -> InPods:
    output = chosen.pop("output", None)
    return in_pods(Asked(job, given, output, params, {**ON_CLAIM, **chosen}))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"image": None}, "no image"),
    "a file of this machine": ({"given": "in.csv"}, "do not see the input"),
    "a file beside the claim": ({"given": "/database/in.csv"}, "mount the claim at /data"),
    "a way out of the claim": ({"given": "/data/../etc/passwd"}, "mount the claim at /data"),
    "no claim": ({"claim": None, "workspace": "s3://in/runs"}, "do not see the input"),
    "standard input": ({"given": "-"}, "no standard input"),
    "an output of this machine": ({"output": "out.csv"}, "do not see the output"),
    "a workspace of this machine": ({"workspace": "/work"}, "workspace"),
    "a secret input": ({"given": "s3://user:hunter2@in/x"}, "password"),
    "a secret table": ({"table": "postgresql://user:hunter2@db/x"}, "password"),
    "a secret parameter": ({"params": {"db": "postgresql://user:hunter2@db/x"}}, "password"),
    "a table of this machine": ({"table": "sqlite:///rowmill.db"}, "SQLite"),
    "no such job": ({"job": "absent.py"}, "does not read"),
    "no such template": ({"pod_template": "absent.yaml"}, "does not read"),
    "a broken template": ({"pod_template": "broken.yaml"}, "does not read"),
    "a template of another form": ({"pod_template": "list.json"}, "no mapping"),
    "a claim without a place": ({"claim": "shared"}, "NAME:/PATH"),
    "a claim over everything": ({"claim": "shared:/"}, "NAME:/PATH"),
    "a namespace that is no name": ({"namespace": "My Mill"}, "a name as Kubernetes"),
    "memory without a unit that is one": ({"memory": "1GB"}, "quantity"),
    "a deadline that is no time": ({"pod_deadline": "tomorrow"}, "a time"),
    "another fan-out": ({"fan_out": "all"}, "per-partition"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_pods_could_not_do_is_refused(case: str) -> None:
    Path("broken.yaml").write_text("{", encoding="utf-8")
    Path("list.json").write_text("[]", encoding="utf-8")
    given, words = REFUSED[case]
    with pytest.raises(ConfigurationError) as failed:
        asked(**given)
    assert words in failed.value.message
    assert "hunter2" not in failed.value.message + failed.value.hint
    assert failed.value.hint


def test_a_job_with_a_table_needs_one_that_pods_share() -> None:
    with pytest.raises(ConfigurationError, match="SQLite"):
        asked(job="rowmill.examples.orders")
    Path("tabled.py").write_text(TABLED, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="SQLite"):
        asked(job="tabled.py")
    assert asked(job="tabled.py", table="sqlite:////data/rowmill.db").request.options["table"]
    assert asked(job="tabled.py", table="none").request.options["table"] == "none"


def test_code_goes_along_unless_the_image_has_it() -> None:
    assert asked().files == {"job.py": JOB}
    assert asked().pods.job == "/job/job.py:job"
    for reference in ("mill.orders:job", "/app/orders.py"):
        made = asked(job=reference)
        assert (made.files, made.pods.code, made.pods.job) == ({}, "", reference)


def test_modules_beside_the_job_that_it_imports_go_along() -> None:
    Path("rates_of_mine.py").write_text("RATE = 2\n", encoding="utf-8")
    Path("unused.py").write_text("", encoding="utf-8")
    Path("rated.py").write_text(f"from rates_of_mine import RATE\n{JOB}", encoding="utf-8")
    assert set(asked(job="rated.py").files) == {"rated.py", "rates_of_mine.py"}


def test_a_job_whose_libraries_are_in_the_image_only_goes_along_all_the_same() -> None:
    Path("odd.py").write_text(f"import not_installed_here\n{JOB}", encoding="utf-8")
    assert set(asked(job="odd.py").files) == {"odd.py"}
    with pytest.raises(ConfigurationError, match="no job called 'other'"):
        asked(job="job.py:other")


def test_options_stay_options_and_other_settings_become_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWMILL_S3_KMS_KEY", "key-1")
    Path("rowmill.toml").write_text('table = "none"\nrejects = "5"\n', encoding="utf-8")
    made = asked(rejects="7", write_rate=500)
    assert made.request.options == {"rejects": "7", "write_rate": "500", "workers": "5"}
    assert made.pods.env == {"ROWMILL_TABLE": "none", "ROWMILL_S3_KMS_KEY": "key-1"}


def test_a_coordinator_goes_by_what_its_user_chose() -> None:
    made = asked(cpu="2", pod_deadline="90m", queue="batch", pod_template="pods.yaml")
    coordinator = for_coordinator(made)
    assert coordinator.settings == {
        "image": "registry.example/rowmill:1",
        "namespace": "mills",
        "claim": "shared:/data",
        "cpu": "2",
        "pod_deadline": "5400",
        "queue": "batch",
        "pod_template": "/job/pod-template.json",
    }
    assert set(coordinator.files) == {"job.py", "pod-template.json"}
    assert coordinator.pods.code != made.pods.code


def test_every_option_of_pods_is_a_setting() -> None:
    names = {
        parameter.name
        for option in KUBERNETES
        for parameter in option(lambda: None).__click_params__  # type: ignore[attr-defined]
    }
    assert names == {*COORDINATOR, "pod_template", "kube_context"}
    assert names <= set(settings.SETTINGS)


def test_a_url_needs_no_claim() -> None:
    made = in_pods(Asked("job.py", "s3://in/orders.csv", "gs://out/it", {"a": "b"}, BY_URL))
    assert made.pods == Pods(
        image=BY_URL["image"], job="/job/job.py:job", workspace="s3://in/runs", code=made.pods.code
    )
    assert made.request == Request(
        input="s3://in/orders.csv", output="gs://out/it", params={"a": "b"}, options={"workers": "5"}
    )


WORDS = ("render", "job.py", "/data/in.csv", "--image", "it:1", "--claim", "shared:/data")


def test_the_command_shows_or_writes(desk: Path) -> None:
    shown = CliRunner().invoke(rowmill, WORDS)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("---\napiVersion: v1\nkind: ServiceAccount\n")
    assert CliRunner().invoke(rowmill, [*WORDS, "--format", "kustomize"]).exit_code == 2
    written = CliRunner().invoke(rowmill, [*WORDS, "--format", "kustomize", "--into", "base"])
    assert written.exit_code == 0, written.output
    assert {file.name for file in (desk / "base").iterdir()} == {
        "kustomization.yaml",
        "serviceaccount.yaml",
        "role.yaml",
        "rolebinding.yaml",
        "configmap.yaml",
        "job.yaml",
    }


def test_braces_that_argo_would_read_are_refused() -> None:
    shown = CliRunner().invoke(rowmill, [*WORDS, "--format", "argo", "--param", "a={{item}}"])
    assert isinstance(shown.exception, ConfigurationError)
    assert "{{ }}" in shown.exception.message
