"""KubernetesJobs are what Kubernetes takes, with the fewest rights, under names that never meet."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from rowmill.errors import ConfigurationError
from rowmill.kubejobs import (
    Claim,
    Pods,
    Request,
    canary_job,
    code_config_map,
    code_reference,
    completions,
    coordinator_job,
    merge_job,
    partition_job,
    process_job,
    request_digest,
    split_job,
    workspace_in_pods,
)
from rowmill.kubejobs.naming import place_digest

from .conftest import check

RUN_ID = "0123456789abcdef"
MANY = 99_999  # more completions, or a higher partition, than any run has


def all_jobs(pods: Pods, request: Request) -> list[dict[str, Any]]:
    return [
        split_job(pods, request, attempt=1),
        process_job(pods, RUN_ID, attempt=2, completions=40, workers=5),
        partition_job(pods, RUN_ID, 17, attempt=1),
        merge_job(pods, RUN_ID, attempt=1),
        coordinator_job(pods, request, attempt=1, settings={"image": pods.image, "claim": "shared:/data"}),
        canary_job(pods, request, attempt=1),
    ]


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def test_kubernetes_own_schemas_take_every_object(pods: Pods, request_: Request) -> None:
    for queue in ("", "mills"):
        for made in all_jobs(msgspec.structs.replace(pods, queue=queue, pull_policy="Always"), request_):
            check(made)
    check(code_config_map(pods, {"orders.py": "job = 1\n"}))


def test_pods_pass_the_restricted_profile(pods: Pods, request_: Request) -> None:
    for made in all_jobs(pods, request_):
        spec = made["spec"]["template"]["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"]
        assert min(security["runAsUser"], security["runAsGroup"], security["fsGroup"]) > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container_of(made)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
            "emptyDir",
            "configMap",
            "persistentVolumeClaim",
        }


def test_only_the_coordinator_may_speak_to_kubernetes(pods: Pods, request_: Request) -> None:
    tokens = {
        made["metadata"]["labels"]["rowmill.dev/step"]: made["spec"]["template"]["spec"]["automountServiceAccountToken"]
        for made in all_jobs(pods, request_)
    }
    assert tokens == {"split": False, "process": False, "merge": False, "run": True, "check": False}


def test_a_coordinator_may_live_longer_than_the_three_steps_together(pods: Pods, request_: Request) -> None:
    split, process, _, merge, coordinator, _ = (
        made["spec"]["activeDeadlineSeconds"] for made in all_jobs(pods, request_)
    )
    assert coordinator > split + process + merge


def test_every_job_ends_and_goes(pods: Pods, request_: Request) -> None:
    for made in all_jobs(pods, request_):
        spec = made["spec"]
        lives = 4 if made["metadata"]["labels"]["rowmill.dev/step"] == "run" else 1
        assert 0 < spec["activeDeadlineSeconds"] <= lives * pods.deadline_s
        assert spec["ttlSecondsAfterFinished"] == pods.ttl_s
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30
        assert spec["template"]["metadata"]["annotations"] == {
            "karpenter.sh/do-not-disrupt": "true",
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        }
        resources = container_of(made)["resources"]
        assert resources == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_names_leave_room_for_pods_and_no_two_are_the_same(pods: Pods, request_: Request) -> None:
    made = [
        *all_jobs(pods, request_),
        split_job(pods, request_, attempt=2),
        split_job(pods, msgspec.structs.replace(request_, input="/data/other.csv"), attempt=1),
        split_job(pods, msgspec.structs.replace(request_, params={}), attempt=1),
        process_job(pods, RUN_ID, attempt=1, completions=MANY, workers=5),
        partition_job(pods, RUN_ID, MANY, attempt=999),
    ]
    names = [one["metadata"]["name"] for one in made]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert len(f"{name}-{MANY}-abcde") <= 63 or "-p" in name
        assert len(name) <= 52


def test_the_same_request_has_the_same_name(pods: Pods, request_: Request) -> None:
    again = Request(input=request_.input, options=dict(request_.options), params=dict(request_.params))
    assert split_job(pods, request_, attempt=1) == split_job(pods, again, attempt=1)
    scaled = msgspec.structs.replace(request_, options={**request_.options, "workers": "50"})
    assert request_digest(pods, scaled) == request_digest(pods, request_)


def test_another_code_image_or_setting_is_another_request(pods: Pods, request_: Request) -> None:
    other = [
        msgspec.structs.replace(pods, **{name: value})
        for name, value in (("code", "rowmill-code-1"), ("image", "it:2"), ("job", "/job/a.py:job"), ("env", {}))
    ]
    assert len({request_digest(one, request_) for one in (pods, *other)}) == 5
    fresh = msgspec.structs.replace(request_, flags=("fresh",))
    assert request_digest(pods, fresh) != request_digest(pods, request_)


def test_labels_tell_run_step_and_attempt_and_the_user_s_do_not_hide_them(pods: Pods) -> None:
    pods = msgspec.structs.replace(pods, labels={"team": "orders", "rowmill.dev/run": "mine"})
    made = process_job(pods, RUN_ID, attempt=2, completions=4, workers=2)
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        assert labels["team"] == "orders"
        assert labels["rowmill.dev/run"] == RUN_ID
        assert (labels["rowmill.dev/step"], labels["rowmill.dev/attempt"]) == ("process", "2")
        assert labels["app.kubernetes.io/managed-by"] == "rowmill"


def test_with_a_queue_kueue_lets_jobs_start(pods: Pods, request_: Request) -> None:
    for made in all_jobs(msgspec.structs.replace(pods, queue="mills"), request_):
        assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "mills"
        assert made["spec"]["suspend"] is True
    for made in all_jobs(pods, request_):
        assert made["spec"]["suspend"] is False


def test_no_more_pods_at_once_than_there_are(pods: Pods) -> None:
    assert process_job(pods, RUN_ID, attempt=1, completions=3, workers=50)["spec"]["parallelism"] == 3


def test_secrets_are_named_and_never_shown(pods: Pods, request_: Request) -> None:
    env = {one["name"]: one for one in container_of(split_job(pods, request_, attempt=1))["env"]}
    assert env["PGPASSWORD"] == {
        "name": "PGPASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}},
    }
    assert env["ROWMILL_WORKSPACE"]["value"] == "/data/rowmill"
    assert (
        env["ROWMILL_TERMINATION_LOG"]["value"]
        == container_of(merge_job(pods, RUN_ID, attempt=1))["terminationMessagePath"]
    )


def expanded(word: str) -> str:
    """Return a word as a pod gets it: Kubernetes reads `$$` as `$`, and `$(NAME)` as a variable."""
    return re.sub(r"\$(\$|\(\w+\))", lambda found: "$" if found[1] == "$" else "EXPANDED", word)


@pytest.mark.parametrize("value", ["$(PGPASSWORD)", "$$(HOME)", "a$b", "$", "--fresh", "1 2\n3", "ü"])
def test_what_a_user_gives_reaches_the_command_line_unchanged(pods: Pods, value: str) -> None:
    request = Request(input=value, output=value, params={"it": value}, flags=("fresh", "continue"))
    words = [expanded(word) for word in container_of(split_job(pods, request, attempt=1))["args"]]
    assert words == [
        "split",
        f"--output={value}",
        f"--param=it={value}",
        "--continue",
        "--fresh",
        "--",
        pods.job,
        value,
    ]
    env = container_of(split_job(msgspec.structs.replace(pods, env={"IT": value}), request, attempt=1))["env"]
    assert expanded(next(one["value"] for one in env if one["name"] == "IT")) == value


def test_a_pod_without_claim_and_code_mounts_its_own_scratch_only(request_: Request) -> None:
    pods = Pods(image="it", job="orders:job", workspace="s3://bucket/mill")
    spec = split_job(pods, request_, attempt=1)["spec"]["template"]["spec"]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    assert "namespace" not in split_job(pods, request_, attempt=1)["metadata"]


def test_code_that_changed_is_another_config_map(pods: Pods) -> None:
    first, second = (code_config_map(pods, {"orders.py": text}) for text in ("1", "2"))
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["immutable"] is True
    with pytest.raises(ConfigurationError) as failed:
        code_config_map(pods, {"orders.py": "x" * 1024 * 1024})
    assert "image" in failed.value.hint


def test_a_file_whose_name_is_no_key_is_found_all_the_same() -> None:
    assert code_reference("orders.py", "job") == "/job/orders.py:job"
    assert code_reference("my orders.py", "job") == "/job/job.py:job"


@pytest.mark.parametrize(
    ("given", "claim", "seen"),
    [
        ("s3://bucket/mill", None, "s3://bucket/mill"),
        (".rowmill", Claim("shared", "/data"), "/data/rowmill"),
        ("runs", Claim("shared", "/data"), "/data/runs"),
        ("/data/runs", Claim("shared", "/data"), "/data/runs"),
        ("/data", Claim("shared", "/data"), "/data"),
    ],
)
def test_the_workspace_is_where_pods_see_it(given: str, claim: Claim | None, seen: str) -> None:
    assert workspace_in_pods(given, claim) == seen


@pytest.mark.parametrize(
    ("given", "claim"),
    [(".rowmill", None), ("/database", Claim("shared", "/data")), ("../etc", Claim("shared", "/data"))],
)
def test_a_workspace_that_pods_do_not_share_is_refused(given: str, claim: Claim | None) -> None:
    with pytest.raises(ConfigurationError, match="pods"):
        workspace_in_pods(given, claim)


@pytest.mark.parametrize(
    ("partitions", "rows", "rows_per_s", "workers", "pods"),
    [
        (40, 1_000_000, 1_000, 5, 40),  # 1000 s of work bear 50 starts of 2 s
        (400, 1_000_000, 1_000, 5, 50),
        (400, 10_000, 1_000, 5, 5),  # too little work: no more pods than run at once
        (3, 10_000_000, 1_000, 5, 3),
        (400, 1_000_000, 0, 5, 5),  # nobody knows how fast it goes
        (0, 0, 1_000, 5, 1),
    ],
)
def test_starting_pods_stays_below_a_tenth_of_the_work(
    partitions: int, rows: int, rows_per_s: float, workers: int, pods: int
) -> None:
    assert completions(partitions=partitions, rows=rows, rows_per_s=rows_per_s, workers=workers, start_s=2.0) == pods


def test_the_same_path_on_another_volume_is_another_request_and_another_place(pods: Pods, request_: Request) -> None:
    other = msgspec.structs.replace(pods, claim=Claim("other", "/data"))
    assert request_digest(other, request_) != request_digest(pods, request_)
    assert place_digest(other, request_) != place_digest(pods, request_)


def test_who_has_another_account_or_template_asks_for_something_else(pods: Pods, request_: Request) -> None:
    others = (msgspec.structs.replace(pods, service_account="mill"), msgspec.structs.replace(pods, template="digest"))
    assert len({request_digest(one, request_) for one in (pods, *others)}) == 3
    assert {place_digest(one, request_) for one in others} == {place_digest(pods, request_)}


def test_a_place_is_the_same_whether_its_output_is_named_or_not(pods: Pods, request_: Request) -> None:
    named = msgspec.structs.replace(request_, output="/data/in.csv_Output")
    assert place_digest(pods, named) == place_digest(pods, request_)
