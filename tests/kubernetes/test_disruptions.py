"""What clusters do to pods, and an API server to its clients, changes time and nothing else."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from rowmill.devcloud.kubernetes import Fault

from .kit import ends_badly_at, job_with

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = (500, 503, 429, Fault(reset=True))
LIES = (  # answers to who creates something
    Fault(409, reason="Conflict"), Fault(409, after=True), Fault(500, after=True), Fault(reset=True, after=True)
)  # fmt: skip
EXHAUSTED = """
if ctx.ordinal == {ordinal} and not os.path.exists({marker!r}):
    open({marker!r}, "w").close()
    kept = bytearray(600_000_000)
    time.sleep(60)
"""


class Faults:
    """An API server that fails for a share of the requests, and first in each way that only some of them may meet."""

    def __init__(self, share: float) -> None:
        self.share, self.dice, self.guard = share, random.Random(5), threading.Lock()
        self.lies, self.gone, self.told = list(LIES), [410] * 2, Counter[object]()

    def __call__(self, method: str, path: str):
        if "/namespaces/" not in path:
            return None
        with self.guard:
            fault = self._fault(method, path)
            self.told[fault] += 1
            return fault

    def _fault(self, method: str, path: str):
        if method == "POST" and path.endswith("/jobs") and self.lies:
            return self.lies.pop(0)
        if method == "GET" and path.endswith("/pods") and self.gone:
            return self.gone.pop(0)
        return self.dice.choice(BUSY) if self.dice.random() < self.share else None


@pytest.fixture
def faults(cluster) -> Iterator[Faults]:
    """What the runner meets; the tests' own requests are answered as ever."""
    met = Faults(share=0.3)
    end = cluster.small.fail(met, whose=cluster.small.is_by_account) if cluster.small is not None else lambda: None
    yield met
    end()


def test_20_000_orders_in_40_partitions_suffer_everything_at_once_and_give_what_the_oracle_gives(
    cluster, faults, make, orders
) -> None:
    """A coordinator in the cluster carries it out, and is killed too; pods wait half-way until all has happened.

    On another cluster than the small one no node is lost, and the API server is left alone.
    """
    run = make(orders, rows_per_partition="500", workers="4")
    run.hold(10_000)
    fails = ends_badly_at(2_100, run.on_claim("work/count"), "os._exit(75)", "os._exit(137)", "os._exit(1)")
    exhausted = EXHAUSTED.format(ordinal=2_600, marker=run.on_claim("work/exhausted"))
    run.code(job_with(fails + exhausted))

    assert run.ended(run.start(detach="")).code == 0
    cluster.until(lambda: run.files("work/count") == {"work/count": b"...."})
    cluster.until(lambda: "OOMKilled" in ends_of(run.pods("process", "Failed")))
    killed = disturb(cluster, run, spared="0", seed=1)  # that index has spent its retries
    kill_coordinator(cluster, run)
    run.release()
    cluster.until(lambda: run.jobs("run")[0]["status"].get("succeeded"))

    (process,) = run.jobs("process")
    assert process["spec"]["backoffLimitPerIndex"] == 3
    assert [len(run.jobs(step)) for step in ("run", "merge")] == [1, 1]
    if cluster.small is not None:
        assert process["status"]["failed"] == 3 + 1 + killed  # evictions and a lost node are none
        assert {*LIES, *BUSY, 410} <= set(faults.told), faults.told
    report = run.give().report
    assert (report["status"], report["partitions"], report["attempts"]) == ("repeated", 40, 1)
    run.agrees(report)


def disturb(cluster, run, spared: str, seed: int) -> int:
    """Kill, evict, and take nodes away at random moments; return how many deaths count."""
    dice = random.Random(seed)

    def lose(name: str) -> None:
        cluster.small.controllers.lose_node(cluster.namespace, name)

    todo = [cluster.kill] * 2 + [cluster.evict] * 3 + [lose] * (cluster.small is not None)
    hit = set[str]()
    dice.shuffle(todo)
    for what in todo:
        kept = spared if what == cluster.kill else ""
        name = dice.choice(cluster.until(lambda kept=kept: others(run.running(hit), kept)))
        time.sleep(dice.uniform(0, 0.3))
        what(name)
        hit.add(name)
    cluster.until(lambda: len(run.running(hit)) == 4)
    return todo.count(cluster.kill)


def others(names: list[str], index: str) -> list[str]:
    """Return the pods of all indexes but one."""
    return [name for name in names if name.split("-")[-2] != index]


def kill_coordinator(cluster, run) -> None:
    """Kill the coordinator's pod, and wait for its next."""
    (name,) = cluster.until(lambda: [pod["metadata"]["name"] for pod in run.pods("run", "Running")])
    cluster.kill(name)
    cluster.until(lambda: {pod["metadata"]["name"] for pod in run.pods("run", "Running")} - {name})


def ends_of(pods) -> list[str]:
    """Return how containers ended, in Kubernetes' word."""
    return [pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] for pod in pods]
