"""What clusters do to pods, and an API server to its clients, changes time and nothing else."""

from __future__ import annotations

import random
import threading

from rowmill.devcloud.kubernetes import Fault

from .kit import job_with


def failures(run) -> int:
    """Return how many pods the cluster counts as failed, in the newest KubernetesJob of process."""
    return run.jobs("process")[-1]["status"].get("failed", 0)


def test_pods_that_are_killed_at_random_change_nothing(cluster, make, orders) -> None:
    run = make(orders, rows_per_partition="500", workers="4")
    run.hold(10_000)
    process = run.start()
    run.disrupt(process, 3, cluster.kill, seed=1)
    report = run.ends_right(process)
    assert (report["partitions"], len(run.jobs("process"))) == (40, 1)


def test_evictions_spend_no_retries(cluster, make, orders) -> None:
    run = make(orders, rows_per_partition="500", workers="1")
    run.hold(10_000)
    process = run.start()
    run.disrupt(process, 4, cluster.evict, seed=2)  # an index has but 3 retries
    run.ends_right(process)
    job = run.jobs("process")[0]
    assert (len(run.jobs("process")), job["spec"]["backoffLimitPerIndex"]) == (1, 3)


def test_a_lost_node_spends_no_retries(cluster, controllers, make, few_orders) -> None:
    run = make(few_orders, rows_per_partition="250", workers="1")
    run.hold(500)
    process = run.start()
    run.disrupt(process, 4, lambda name: controllers.lose_node(cluster.namespace, name), seed=3)
    run.ends_right(process)
    assert failures(run) == 0


def test_a_pod_that_runs_out_of_memory_once_is_tried_again(make, few_orders) -> None:
    run = make(few_orders, rows_per_partition="250")
    marker = run.on_claim("work/exhausted")
    run.code(
        job_with(f"""
if ctx.ordinal == 600 and not os.path.exists({marker!r}):
    open({marker!r}, "w").close()
    kept = bytearray(600_000_000)
    time.sleep(60)
""")
    )
    run.ends_right(run.start())
    assert "OOMKilled" in ends_of(run.pods("process", "Failed"))


def ends_of(pods) -> list[str]:
    """Return how containers ended, in Kubernetes' word."""
    return [pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] for pod in pods]


class Faults:
    """An API server that fails for some requests of the runner, and counts how often."""

    def __init__(self, *faults, share: float, method: str = "", path: str = "", most: int = 1_000) -> None:
        self.faults, self.share, self.method, self.path, self.most = faults, share, method, path, most
        self.dice, self.count, self.guard = random.Random(5), 0, threading.Lock()

    def __call__(self, method: str, path: str):
        with self.guard:
            if not (method.startswith(self.method) and self.path in path and self.count < self.most):
                return None
            if self.dice.random() >= self.share:
                return None
            self.count += 1
            return self.dice.choice(self.faults)


def test_an_api_server_that_fails_every_other_time_changes_nothing(failing, make, few_orders) -> None:
    run = make(few_orders)
    faults = Faults(
        500, 503, 429, Fault(reset=True), Fault(500, after=True), share=0.4, path=f"{run.cluster.namespace}/"
    )
    failing(faults)
    process = run.start()
    report = run.ended(process).report
    faults.most = 0
    run.agrees(report)
    assert faults.count > 5


def test_what_was_created_although_the_answer_said_no_is_attached_to(failing, make, few_orders) -> None:
    run = make(few_orders)
    lies = iter([Fault(409, after=True), Fault(500, after=True), None, Fault(reset=True, after=True), None])
    failing(lambda method, path: next(lies) if method == "POST" and path.endswith("/jobs") else None)
    run.ends_right(run.start())
    assert [len(run.jobs(step)) for step in ("split", "process", "merge")] == [1, 1, 1]
    assert next(lies, "all told") == "all told"


def test_a_list_whose_pages_are_gone_is_asked_for_again(failing, make, few_orders) -> None:
    run = make(few_orders)
    faults = Faults(410, share=1, method="GET", path="/pods", most=2)
    failing(faults)
    run.ends_right(run.start())
    assert faults.count == 2
