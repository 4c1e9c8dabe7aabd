"""A small run on S3 and DynamoDB, killed at its requests in turn, comes to the same end each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rowmill.testing.proxy import Fault, HttpProxy, Request

from .kit import Campaign, Orders, clean, orders_in
from .places import rows_of_stub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud import Devcloud
    from rowmill.testing.dynamodb_stub import DynamoStub

    from .places import Bucket

# Each takes two seconds. `CAMPAIGN_STRIDE=1` kills at all but the last three, on both sides: a quarter of an hour.
STRIDE = int(os.environ.get("CAMPAIGN_STRIDE", "47"))
BUSY = Fault(status=503)


class Killer:
    """A rule of proxies that kills the process which makes the n-th request, as it comes or when it is carried out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begin(0, None, carried_out=False)

    def begin(self, pid: int, at: int | None, *, carried_out: bool) -> None:
        self._pid, self._at, self._carried_out = pid, at, carried_out
        self.seen: list[str] = []

    def __call__(self, request: Request) -> Fault:
        with self._lock:
            self.seen.append(f"{request.method} {request.headers.get('x-amz-target', '')}{request.target}")
            if self._at is None or len(self.seen) <= self._at:
                return Fault()
            if len(self.seen) > self._at + 1:
                return BUSY  # of another thread: it comes too late
            os.kill(self._pid, signal.SIGKILL)
        return Fault() if self._carried_out else BUSY


class Forks:
    """Gives commands in a process that forks."""

    def __init__(self, orders: Orders, env: dict[str, str], killer: Killer) -> None:
        self._killer = killer
        command = [sys.executable, "-m", "tests.whole.forking", str(orders.job)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, cwd=root, env={**clean(orders.folder), **env}, **pipes)

    def give(self, words: dict[str, str], at: int | None = None, *, carried_out: bool = False) -> int:
        """Give a command, killed at a request if one is named; return how it ended."""
        self._say(json.dumps(words))
        self._killer.begin(int(self._heard()), at, carried_out=carried_out)
        self._say("")
        return int(self._heard())

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture
def tiny_orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    return orders_in(tmp_path_factory.mktemp("tiny-orders"), 400, 10, 10)


@pytest.fixture
def killer() -> Killer:
    return Killer()


@pytest.fixture
def forks(tiny_orders: Orders, rowmill_devcloud: Devcloud, stub: DynamoStub, killer: Killer) -> Iterator[Forks]:
    """Give runs whose every request passes the killer."""
    s3, dynamodb = (HttpProxy(f"127.0.0.1:{port}", killer) for port in (rowmill_devcloud.port, stub.port))
    with s3, dynamodb:
        env = {name: value for name, value in rowmill_devcloud.env.items() if name.startswith("AWS_")}
        env |= {"AWS_ENDPOINT_URL_S3": s3.url, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url}
        forks = Forks(tiny_orders, env, killer)
        yield forks
        forks.end()


def test_a_run_killed_at_any_request_goes_on_to_the_same_end(
    tiny_orders: Orders, bucket: Bucket, stub: DynamoStub, forks: Forks, killer: Killer, tmp_path: Path
) -> None:
    answer = tmp_path / "answer"

    def trial(name: str) -> tuple[Campaign, dict[str, str]]:
        """Return a run of its own, and its words."""
        stub.create(name, {"Order ID": "S"})
        bucket.put(f"{name}/in.csv", tiny_orders.input.read_bytes())
        place = f"s3://{bucket.name}/{name}"
        words = {"output": f"{place}/out.csv", "workspace": f"{place}/work", "table": f"dynamodb://us-east-1/{name}"}
        words |= {"job": str(tiny_orders.job), "input": f"{place}/in.csv", "answer": str(answer)}
        return Campaign(tiny_orders, tmp_path, {}, {}, partial(rows_of_stub, stub, name), bucket, name), words

    def ends_right(campaign: Campaign, words: dict[str, str]) -> None:
        assert forks.give(words) == 0, answer.read_text()
        campaign.agrees(json.loads(answer.read_text()))
        assert not [key for key in bucket.uploads() if key.startswith(f"{campaign.prefix}/")]

    ends_right(*trial("whole"))
    requests = list(killer.seen)
    assert len(requests) > 40
    for number, at in enumerate(
        range(STRIDE // 2, len(requests) - 3, STRIDE)
    ):  # how many there are may differ by a beat or two
        for carried_out in (False, True) if STRIDE == 1 else (bool(number % 2),):
            campaign, words = trial(f"killed{at}{carried_out}")
            told = f"killed at request {at}, like {requests[at]}, carried out: {carried_out}"
            assert forks.give(words, at, carried_out=carried_out) == -signal.SIGKILL, told
            ends_right(campaign, words)
