"""KubernetesJobs whose pods run: from their creation to what is left of them."""

import json

import pytest
from tests.devcloud.kubernetes.running import SCRIPT, TRAP, ends, main, running, template

from rowmill.devcloud.kubernetes import admission


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path) as found:
        yield found


def test_a_job_of_one_pod_completes(cluster):
    cluster.job("j", "echo hello")
    job = cluster.finished()
    assert (ends(job), job["status"]["succeeded"]) == (["SuccessCriteriaMet", "Complete"], 1)
    [pod] = cluster.pods()
    assert (cluster.log(pod), pod["metadata"].get("finalizers")) == ("hello\n", None)
    assert cluster.reasons("j") == {"SuccessfulCreate", "Completed"}


def test_each_index_is_done_once(cluster):
    cluster.job("j", "echo $JOB_COMPLETION_INDEX $(hostname)", completions=5, parallelism=2, completionMode="Indexed")
    job = cluster.finished()
    assert (job["status"]["completedIndexes"], job["status"]["succeeded"]) == ("0-4", 5)
    assert sorted(map(cluster.log, cluster.pods())) == [f"{number} j-{number}\n" for number in range(5)]


def test_failures_are_retried_up_to_the_limit(cluster):
    cluster.job("j", "exit 7", backoffLimit=2)
    job = cluster.finished()
    assert (job["status"]["failed"], len(cluster.pods())) == (3, 3)
    assert job["status"]["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    assert "completionTime" not in job["status"]


def test_one_failure_that_rules_call_fatal_ends_the_others(cluster):
    rules = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    command = f"if [ $JOB_COMPLETION_INDEX = 1 ]; then exit 42; fi; {SCRIPT}"
    cluster.job("j", command, completions=3, parallelism=3, completionMode="Indexed", podFailurePolicy=rules)
    job = cluster.finished()
    assert (job["status"]["failed"], job["status"]["conditions"][-1]["reason"]) == (3, "PodFailurePolicy")
    assert job["status"]["conditions"][-1]["message"].endswith(
        "failed with exit code 42 matching FailJob rule at index 0"
    )
    cluster.until(lambda _: len(cluster.pods()) == 1, "Job", "j")  # those that were deleted are gone


def test_an_eviction_that_is_ignored_is_not_counted(cluster):
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    cluster.job("j", TRAP.format(143), backoffLimit=0, podFailurePolicy={"rules": [ignore]})
    first = cluster.first_pod()
    cluster.controllers.evict("default", first)
    cluster.gone(first)
    second = cluster.first_pod()
    assert second != first
    assert "failed" not in cluster.store.get("Job", "default", "j")["status"]


def test_a_lost_node_costs_a_try(cluster):
    cluster.job("j", TRAP.format(143), backoffLimit=1)
    first = cluster.first_pod()
    cluster.controllers.lose_node("default", first)
    cluster.until(lambda job: job["status"].get("failed") == 1, "Job", "j")
    assert cluster.first_pod() != first


def test_restarts_in_a_pod_count(cluster):
    cluster.job("j", "exit 7", backoffLimit=1, pod={"restartPolicy": "OnFailure"})
    job = cluster.finished()
    assert job["status"]["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    cluster.until(lambda _: not cluster.pods(), "Job", "j")


def test_a_deadline_ends_a_job_that_runs(cluster):
    cluster.job("j", TRAP.format(143), activeDeadlineSeconds=1)
    job = cluster.finished()
    assert (job["status"]["conditions"][-1]["reason"], job["status"]["failed"]) == ("DeadlineExceeded", 1)


def test_a_job_is_suspended_and_resumed(cluster):
    cluster.job("j", TRAP.format(143), suspend=True)
    cluster.until(lambda job: ends(job) == ["Suspended"], "Job", "j")
    assert not cluster.pods()
    wish(cluster, suspend=False)
    first = cluster.first_pod()
    wish(cluster, suspend=True)
    cluster.gone(first)
    job = cluster.until(lambda job: job["status"].get("terminating") == 0, "Job", "j")
    assert ("failed" in job["status"], "startTime" in job["status"], ends(job)) == (False, False, ["Suspended"])
    wish(cluster, suspend=False)
    assert cluster.first_pod() != first
    assert cluster.reasons("j") == {"Suspended", "Resumed", "SuccessfulCreate", "SuccessfulDelete"}


def wish(cluster, **spec):
    cluster.store.update("Job", "default", "j", lambda old: {**old, "spec": {**old["spec"], **spec}})


def test_parallelism_follows_the_wish(cluster):
    cluster.job("j", SCRIPT, completions=3, parallelism=1)
    for count in (3, 1, 0, 2):
        wish(cluster, parallelism=count)
        cluster.until(
            lambda job, n=count: (job["status"].get("active", 0), job["status"].get("ready")) == (n, n), "Job", "j"
        )
    assert "failed" not in cluster.store.get("Job", "default", "j")["status"]


def test_a_finished_job_goes_when_its_time_is_over(cluster):
    cluster.job("j", "true", ttlSecondsAfterFinished=0)
    cluster.gone("j", "Job")
    cluster.until(lambda _: not cluster.store.list("Pod")[0], "Job", "j")


@pytest.mark.parametrize(
    ("how", "remains"), [("Foreground", False), ("Background", False), ("Orphan", True), ("", True)]
)
def test_a_job_s_deletion_takes_its_pods_along_or_not(cluster, how, remains):
    cluster.job("j", TRAP.format(0))
    name = cluster.first_pod()
    cluster.store.delete("Job", "default", "j", propagation=how)
    cluster.gone("j", "Job")
    if remains:
        cluster.until(
            lambda pod: "ownerReferences" not in pod["metadata"] and not pod["metadata"].get("finalizers"), name=name
        )
        assert cluster.store.get("Pod", "default", name)["status"]["phase"] == "Running"
    elif how == "Foreground":
        assert cluster.store.get("Pod", "default", name) is None
    else:
        cluster.gone(name)


def test_a_namespace_goes_with_all_that_is_in_it(cluster):
    cluster.create("Namespace", "n")
    admission.furnish(cluster.store, "n")
    cluster.create("Job", "j", "n", spec={"template": {"spec": template(TRAP.format(0))}})
    cluster.create("ConfigMap", "c", "n", data={"a": "b"})
    cluster.until(
        lambda _: [pod for pod in cluster.store.list("Pod", "n")[0] if pod["status"]["phase"] == "Running"],
        "Job",
        "j",
        "n",
    )
    cluster.store.delete("Namespace", "", "n")
    cluster.until(lambda found: found is None, "Namespace", "n", "")
    assert [cluster.store.list(kind, "n")[0] for kind in ("Pod", "Job", "ConfigMap", "Event", "ServiceAccount")] == [
        []
    ] * 5


def test_a_missing_account_is_told_and_waited_for(cluster):
    cluster.job("j", "true", pod={"serviceAccountName": "worker"})
    why = 'error looking up service account default/worker: serviceaccount "worker" not found'
    told = ("FailedCreate", f'Error creating: pods "j-" is forbidden: {why}')
    cluster.until(lambda _: told in cluster.told("j"), "Job", "j")
    cluster.create("ServiceAccount", "worker")
    assert ends(cluster.finished())[-1] == "Complete"


def test_a_quota_lets_pods_in_one_by_one(cluster):
    cluster.create("ResourceQuota", "few", spec={"hard": {"pods": "1"}})
    cluster.job("j", "sleep 0.1", completions=2, parallelism=2)
    job = cluster.finished()
    assert job["status"]["succeeded"] == 2
    assert any(
        "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in text for _, text in cluster.told("j")
    )


def test_a_pod_that_a_user_deletes_counts_and_is_replaced(cluster):
    cluster.job("j", TRAP.format(143), backoffLimit=1)
    first = cluster.first_pod()
    cluster.store.delete("Pod", "default", first)
    cluster.until(lambda job: job["status"].get("failed") == 1, "Job", "j")
    cluster.gone(first)
    assert cluster.first_pod() != first


def test_a_killed_pod_is_tried_again_at_its_index(cluster):
    limit = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}
    volumes = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.create("PersistentVolumeClaim", "data", spec=wanted)
    once = f"if mkdir /v/$JOB_COMPLETION_INDEX 2>/dev/null && [ $JOB_COMPLETION_INDEX = 1 ]; then {TRAP.format(1)}; fi"
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    cluster.job("j", once, pod={"container": mount, **volumes}, **limit)
    second = lambda pod: pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "1"  # noqa: E731
    cluster.until(lambda _: any(second(pod) and "up" in cluster.log(pod) for pod in cluster.pods()), "Job", "j")
    name = next(pod["metadata"]["name"] for pod in cluster.pods() if second(pod))
    cluster.controllers.kill("default", name)
    job = cluster.finished()
    assert (ends(job)[-1], job["status"]["failed"], job["status"]["failedIndexes"]) == ("Complete", 1, "")
    assert main(cluster.store.get("Pod", "default", name))["state"]["terminated"]["exitCode"] == 137


def test_many_pods_come_and_go_without_one_too_many(cluster):
    cluster.job("j", "true", completions=40, parallelism=8, completionMode="Indexed")
    job = cluster.finished()
    assert (job["status"]["completedIndexes"], job["status"]["succeeded"], len(cluster.pods())) == ("0-39", 40, 40)
    assert "failed" not in job["status"], json.dumps(job["status"])


def test_a_reset_ends_all_pods_and_what_comes_after_it_runs(cluster):
    cluster.job("old", TRAP.format(0))
    cluster.first_pod("old")
    cluster.cluster.reset()
    assert not cluster.store.list("Pod")[0]
    cluster.job("j", "true")
    assert ends(cluster.finished())[-1] == "Complete"
    assert not cluster.store.get("Job", "default", "old")
