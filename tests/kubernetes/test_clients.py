"""Whoever started a run may die, go away or come twice: the cluster goes on, and the same command comes back."""

from __future__ import annotations

import random
import signal
import time


def held(make, orders, **words: str):
    """Start a run whose second half waits; return it and its client when pods of process run."""
    run = make(orders, **words)
    run.hold(len(orders.told.table) // 2)
    process = run.start()
    run.cluster.until(run.running, process)
    return run, process


def done_once(run) -> bool:
    """Whether the rows have had one KubernetesJob; split and merge are asked again by who comes back."""
    return len(run.jobs("process")) == 1


def test_a_client_may_be_killed_at_any_moment(make, few_orders) -> None:
    run, dice = make(few_orders), random.Random(7)
    for _ in range(3):
        process = run.start()
        time.sleep(dice.uniform(0.4, 1.2))
        process.kill()
        run.ended(process)
    run.ends_right(run.start())
    assert done_once(run)


def test_ctrl_c_leaves_the_run_to_the_cluster_and_the_same_command_comes_back(make, few_orders) -> None:
    run, process = held(make, few_orders)
    process.send_signal(signal.SIGINT)
    left = run.ended(process)
    assert left.code == 130, left.err
    assert "the same command" in left.err
    run.release()
    run.cluster.until(lambda: run.jobs("process")[0]["status"].get("succeeded"))  # without any client
    run.ends_right(run.start())
    assert done_once(run)


def test_three_clients_at_once_share_one_run(make, few_orders) -> None:
    run, first = held(make, few_orders)
    clients = [first, *(run.start() for _ in range(2))]
    run.release()
    for client in clients:
        run.ends_right(client)
    assert done_once(run)


def test_a_client_with_other_code_is_told_to_wait_and_the_run_is_not_disturbed(make, few_orders) -> None:
    run, process = held(make, few_orders)
    before = (run.folder / "job.py").read_text()
    run.code(f"{before}\n# other code\n")
    other = run.give()
    assert other.code == 5, other.err
    assert "under way in the cluster with other code" in other.err
    assert "rowmill cancel" in other.err
    run.release()
    run.ends_right(process)
