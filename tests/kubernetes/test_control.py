"""A run under way is stopped, let wait, changed in its pods, or left to a queue; nothing is lost."""

from __future__ import annotations

import contextlib
import json

import pytest

from rowmill import api
from rowmill.errors import StateError

from .kit import STEP

QUEUE = "kueue.x-k8s.io/queue-name"


def held(make, orders, **words: str):
    """Start a run whose second half waits; return it and its client when pods of process run."""
    run = make(orders, **{"rows_per_partition": "100", **words})
    run.hold(500)
    process = run.start()
    run.cluster.until(run.running, process)
    return run, process


def test_a_run_that_is_paused_and_resumed_loses_nothing(cluster, make, few_orders) -> None:
    run, process = held(make, few_orders)
    cluster.until(lambda: len(receipts(run)) >= 2, process)
    paused = run.control("pause")
    assert paused.code == 0, paused.err
    cluster.until(lambda: not run.running(), process)
    (job,) = run.jobs("process")
    before = receipts(run)
    assert job["spec"]["suspend"] is True
    assert job["status"].get("failed", 0) == 0
    run.release()
    assert run.control("resume").code == 0
    run.ends_right(process)
    assert before.items() <= receipts(run).items()
    assert len(run.jobs("process")) == 1


def receipts(run) -> dict[str, bytes]:
    return run.files("work/runs/*/receipts/[0-9]*.json")


def test_a_run_that_is_cancelled_ends_all_its_pods_and_the_same_command_goes_on(cluster, make, few_orders) -> None:
    run, process = held(make, few_orders, fan_out="per-partition", rows_per_partition="250")
    cluster.until(lambda: len(receipts(run)) == 2 and len(run.jobs("process")) == 4, process)  # the others wait
    logs = run.rowmill("logs", run_of(receipts(run)), "--on", "kubernetes", "--namespace", cluster.namespace, "--json")
    assert logs.code == 0, logs.err
    assert {0, 1, 2, 3} <= {one["partition"] for one in json.loads(logs.out)["logs"]}
    cancelled = run.control("cancel")
    assert cancelled.code == 0, cancelled.err
    assert "what has a receipt stays done" in cancelled.out
    ended = run.ended(process)
    assert ended.code == 5, ended.err
    assert "was deleted" in ended.err
    cluster.until(lambda: not run.pods("process", "Running"))
    before = receipts(run)
    again = run.rowmill("cancel", run_of(before), "--namespace", cluster.namespace)
    assert again.code == 5, again.err
    assert "not under way" in again.err
    run.release()
    run.ends_right(run.start())
    assert before.items() <= receipts(run).items()


def run_of(receipts: dict[str, bytes]) -> str:
    """Return the run's id, by the workspace."""
    return next(iter(receipts)).split("/")[2]


@pytest.mark.usefixtures("as_a_user")
def test_what_waits_at_split_is_paused_resumed_and_cancelled_and_what_changes_nothing_is_refused(
    cluster, make, few_orders
) -> None:
    run = make(few_orders)
    run_id = run.give().report["run_id"]
    ended = [job["metadata"]["name"] for job in (*run.jobs("process"), *run.jobs("merge"))]
    cluster.kubectl("delete", "job", *ended)  # the pod that split is all that knows the run
    process = run.start(cpu="100k")
    name = cluster.until(lambda: run.jobs("split")[1:], process)[0]["metadata"]["name"]
    for what, named, refused in (
        ("resume", run_id, "is not paused"),
        ("scale", run_id, f"process step of the run {run_id} is not under way, {name} is"),
        ("pause", run_id, ""),
        ("pause", name, "is paused already"),
        ("resume", name, ""),
        ("cancel", "absent", "not under way"),
        ("cancel", "no name/of.one", "not under way"),
        ("cancel", run_id, ""),
        ("cancel", name, "not under way"),
    ):
        with pytest.raises(StateError, match=refused) if refused else contextlib.nullcontext():
            assert api.control(what, named, workers=3, namespace=cluster.namespace) == [name]
    assert run.ended(process).code == 5


def test_a_run_with_a_coordinator_in_the_cluster_is_cancelled_by_its_name_and_nothing_comes_after(
    cluster, make, few_orders
) -> None:
    run = make(few_orders)
    run.hold()
    started = run.ended(run.start(detach=""))
    name = run.jobs("run")[0]["metadata"]["name"]
    assert f"rowmill cancel {name}" in started.out
    assert run.ended(run.start(detach="")).out == started.out  # it is there already
    cluster.until(run.running)
    cancelled = run.rowmill("cancel", name, "--namespace", cluster.namespace)
    assert cancelled.code == 0, cancelled.err
    first, second, _ = cancelled.out.splitlines()
    assert (first, "-process-" in second) == (f"stopped {name}", True)
    cluster.until(lambda: not run.pods("process") and not run.pods("run"))
    assert [job["metadata"]["labels"][STEP] for job in run.jobs()] == ["split"]
    run.release()


def test_a_run_has_as_many_pods_as_it_is_scaled_to(cluster, make, few_orders) -> None:
    run, process = held(make, few_orders, workers="3")
    cluster.until(lambda: len(run.running()) == 3, process)
    for workers, text in ((3, "has 3 pods at once already"), (99, "are shared into 3 pods")):
        refused = run.control("scale", "--workers", str(workers))
        assert refused.code == 5, refused.err
        assert text in refused.err
    assert run.control("scale", "--workers", "1").code == 0
    cluster.until(lambda: len(run.running()) == 1, process)
    run.release()
    run.ends_right(process)
    assert run.jobs("process")[0]["status"].get("failed", 0) == 0


def test_a_queue_lets_kubernetes_jobs_start_and_is_not_gone_round(cluster, make, few_orders) -> None:
    run = make(few_orders, queue="orders")
    process = run.start()
    for step in ("split", "process", "merge"):
        (job,) = cluster.until(lambda step=step: run.jobs(step), process)
        assert job["metadata"]["labels"][QUEUE] == "orders"
        assert job["spec"]["suspend"] is True
        assert not cluster.objects("pods", f"job-name={job['metadata']['name']}")
        if step == "process":
            refused = run.control("resume")
            assert refused.code == 5, refused.err
            assert "Kueue" in refused.err
        change = '{"spec": {"suspend": false}}'  # as Kueue does
        cluster.kubectl("patch", "job", job["metadata"]["name"], "--type=merge", "-p", change)
    run.ends_right(process)


def test_what_render_wrote_and_kubectl_applied_runs_to_the_end(cluster, make, few_orders) -> None:
    run = make(few_orders)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in run.words.items() if name != "on"]
    rendered = run.rowmill("render", "job.py", run.campaign.given, *words)
    assert rendered.code == 0, rendered.err
    cluster.kubectl("apply", "-f", "-", given=rendered.out)
    (job,) = run.jobs("run")
    cluster.until(lambda: run.jobs("run")[0]["status"].get("succeeded"))
    assert job["metadata"]["labels"][STEP] == "run"
    run.agrees(run.give().report)
