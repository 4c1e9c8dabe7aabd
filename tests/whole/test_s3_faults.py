"""S3 that is busy, broken, slow, or cut off: the run is right all the same."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from rowmill.testing.proxy import Fault, HttpProxy, Request, dice

from .kit import ended, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rowmill.devcloud import Devcloud

    Rule = Callable[[Request], Fault]

LATENCY_S = 0.05
LONGER_S = 30.0  # than anybody waits
SHORT, LONG = 400, 120_000  # cuts below: answers of XML and receipts, and data
KINDS = {
    "busy_broken_or_answers_lost": (dice(11, busy=0.02, broken=0.02, lost=0.04),),
    "bodies_cut": (dice(13, cut=0.1, most_bytes=SHORT), dice(14, cut=0.3, most_bytes=LONG)),
    "all_of_it": (
        dice(15, busy=0.02, broken=0.02, lost=0.02, cut=0.05, most_bytes=SHORT),
        dice(16, cut=0.2, most_bytes=LONG),
    ),
}


@pytest.fixture
def through(rowmill_devcloud: Devcloud) -> Iterator[HttpProxy]:
    """A way to the local S3 that passes everything on, until a test gives it a rule."""
    with HttpProxy(f"127.0.0.1:{rowmill_devcloud.port}") as proxy:
        yield proxy


def first_of(rules: Sequence[Rule], seen: Counter[str]) -> Rule:
    """Return a rule that does what the first of some does that does anything, and counts it."""

    def rule(request: Request) -> Fault:
        fault = next((found for one in rules if (found := one(request)) != Fault()), Fault())
        if fault != Fault():
            seen[f"answered {fault.status}" if fault.status else "lost" if fault.lost else "cut"] += 1
        return fault

    return rule


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_s3_fails(aws, orders, through: HttpProxy, kind: str) -> None:
    run, seen = aws(orders), Counter()
    through.rule = first_of(KINDS[kind], seen)
    run.env["AWS_ENDPOINT_URL_S3"] = through.url
    run.ends_right(on="processes")
    assert sum(seen.values()) > 5, seen
    assert run.bucket.uploads() == []


def test_nothing_is_lost_when_s3_is_slow(aws, orders, through: HttpProxy) -> None:
    run = aws(orders)
    through.rule = lambda _: Fault(after_s=LATENCY_S)
    run.env["AWS_ENDPOINT_URL_S3"] = through.url
    run.ends_right(on="inline", rows_per_partition="10000")


def test_s3_that_stays_busy_is_exit_75_and_the_same_command_goes_on(
    aws, few_orders, through: HttpProxy, tmp_path: Path
) -> None:
    run = aws(few_orders)
    run.env |= {"AWS_ENDPOINT_URL_S3": through.url, "AWS_MAX_ATTEMPTS": "2"}
    hold = tmp_path / "hold"
    hold.touch()
    process = run.start({"HOLD": str(hold), "HOLD_FROM": "1200"}, rows_per_partition="500", on="inline")
    wait_until(lambda: run.receipts() == 2, process)
    through.rule = lambda _: Fault(status=503)
    hold.unlink()
    failed = ended(process)
    assert (failed.code, failed.out) == (75, ""), failed.err
    assert "the same command" in failed.err
    through.rule = lambda _: Fault()
    assert run.output() is None
    assert run.ends_right(on="inline")["attempts"] == 2


HANGS = {
    "the_input_is_read": lambda request: request.method == "GET" and request.target.endswith("in.csv"),
    "data_is_written": lambda request: request.method == "PUT" and "/data/" in request.target,
    "a_receipt_is_written": lambda request: request.method == "PUT" and "/receipts/" in request.target,
    "the_output_is_made": lambda request: request.method == "PUT" and "out.csv" in request.target,
}


@pytest.mark.parametrize(("point", "on"), [*((point, "inline") for point in HANGS), ("data_is_written", "processes")])
def test_a_run_ends_at_a_signal_whatever_request_hangs(
    aws, few_orders, through: HttpProxy, point: str, on: str
) -> None:
    run, hung = aws(few_orders), threading.Event()

    def hang(request: Request) -> Fault:
        """Nothing is answered any more from this point on, not even a goodbye."""
        if hung.is_set() or HANGS[point](request):
            hung.set()
            return Fault(after_s=LONGER_S)
        return Fault()

    through.rule = hang
    run.env["AWS_ENDPOINT_URL_S3"] = through.url
    process = run.start(on=on)
    wait_until(hung.is_set, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONGER_S / 6)  # in truth a second
    assert (process.returncode, out) == (143, "")
    assert err.count("the same command goes on") == 1
    through.rule = lambda _: Fault()
    run.ends_right(on=on)
