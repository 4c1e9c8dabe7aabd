"""Workspaces to look at, and the real server in a process of its own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from rowmill import wire
from rowmill.formats.csv import Csv
from rowmill.formats.described import described
from rowmill.model import codec
from rowmill.model.attempt import Attempt
from rowmill.model.counts import Counts
from rowmill.model.failure import Failure
from rowmill.model.manifest import InputVersion, Manifest, Partition
from rowmill.model.receipt import DataObject, Receipt, Reject
from rowmill.model.report import Who
from rowmill.model.run import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

HANG_S = 60
OURS = ("ROWMILL_", "_ROWMILL", "MAX_LINES", "KUBE", "XDG_")
CLI = (sys.executable, "-m", "rowmill")
ME = Who("ada", "desk", 7)
START = "2026-11-24T08:00:00+00:00"
SECRET, OPEN_WORD = "4111-1111-2222", "Reykjavik"

ERROR: dict[str, str | int] = {"message": "the function failed with KeyError", "exit_code": 4, "hint": "mend it"}

SLOW = """
import os
import time

from rowmill import Csv, Job, Reject

job = Job("slow", reads=Csv(), writes=Csv(), rows_per_partition=10, rejects="50%", sensitive=["card"])


@job.process
def slow(row: dict) -> dict:
    while int(row["id"]) >= 40 and os.path.exists("hold"):
        time.sleep(0.01)
    if row["id"].endswith("7"):
        raise Reject("the town is not served")
    return row
"""


def orders(rows: int) -> str:
    return "id,card,town\n" + "".join(f"{i},{SECRET}-{i},{OPEN_WORD} {i}\n" for i in range(rows))


def environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return {**kept, "HOME": str(folder / "home")}


def rowmill(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [*CLI, *words], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CLI, *words], cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    process.terminate()
    out, _ = process.communicate(timeout=HANG_S)
    return out


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + HANG_S
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


class Answer(NamedTuple):
    code: int
    text: str
    headers: Mapping[str, str]


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Served(NamedTuple):
    """A server: its address without the last slash, its token, and its process."""

    url: str
    token: str
    process: subprocess.Popen[str]

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask(Request(self.url + path, headers=headers))  # noqa: S310

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        return self.ask(Request(self.url + path, urlencode(form).encode(), headers, method="POST"))  # noqa: S310

    def ask(self, request: Request) -> Answer:
        try:
            with build_opener(NoRedirect).open(request, timeout=HANG_S) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), dict(error.headers))

    def cookie(self) -> str:
        answer = self.get(f"/?token={self.token}")
        return answer.headers["set-cookie"].partition(";")[0]

    def page(self, path: str) -> str:
        answer = self.get(path, Cookie=self.cookie())
        assert answer.code == 200, answer
        return answer.text


def serving(folder: Path, *words: str) -> Served:
    process = start(folder, "ui", "--port", "0", *words)
    return listening(process)


def listening(process: subprocess.Popen[str]) -> Served:
    assert process.stdout is not None
    shown = ""
    while "Ctrl-C" not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    found = re.search(r"(http://\S+)/\?token=(\S+)", shown)
    assert found, shown
    return Served(found[1], found[2], process)


class Shown(NamedTuple):
    """A workspace with runs of all kinds, and its server."""

    folder: Path
    served: Served
    finished: str
    failed: str
    many: str


class Live(NamedTuple):
    """A run that waits half-way for as long as there is a file."""

    folder: Path
    served: Served
    run_id: str
    process: subprocess.Popen[str]

    def let_go(self) -> None:
        (self.folder / "hold").unlink()


@contextmanager
def opened(folder: Path, *words: str) -> Iterator[Served]:
    served = serving(folder, *words)
    try:
        yield served
    finally:
        ended(served.process)


def a_run(folder: Path, partitions: int, done: Iterable[int], *, failed: Iterable[int] = ()) -> str:
    """Write down a run as its steps do, without doing it; return its id."""
    run_id = hashlib.sha256(f"{folder} {partitions}".encode()).hexdigest()[:16]
    place = folder / ".rowmill" / "runs" / run_id
    for name in (wire.RECEIPTS, wire.ATTEMPTS, wire.FAILURES, wire.REJECTS):
        (place / name).mkdir(parents=True, exist_ok=True)
    record = RunRecord(
        run_id, "orders <b>", "job.py:job", "/in/orders.csv", "v1", "/out/orders.csv", "", {}, described(Csv()),
        described(Csv()), "csv", None, 2, "stop", START, ME, sensitive=("card",)
    )  # fmt: skip
    parts = tuple(Partition(i, 100 * i, 100 * i + 100, 10, 10 * i, 10 * i + 2, "d" * 64) for i in range(partitions))
    version = InputVersion("/in/orders.csv", "v1", "a" * 64, 100 * partitions, spooled=False, data_version="v1")
    (place / wire.RUN).write_bytes(codec.encode(record))
    manifest = Manifest(run_id, version, ("id", "card", "town"), 0, 10 * partitions, parts)
    (place / wire.MANIFEST).write_bytes(codec.encode(manifest))
    (place / wire.ATTEMPTS / "00001.json").write_bytes(codec.encode(Attempt(1, START, ME, "c" * 64)))
    for index in done:
        name = wire.receipt_name(run_id, index).rpartition("/")[2]
        (place / wire.RECEIPTS / name).write_bytes(codec.encode_line(a_receipt(run_id, index)))
    for index in failed:
        error: dict[str, str | int] = {
            "message": "the function failed with KeyError",
            "exit_code": 4,
            "hint": "mend it",
        }
        failure = Failure(
            run_id, index, "1-abc", "pod-7", START, 10 * index, 10, 10 * index + 2, error, "its last words"
        )
        (place / wire.FAILURES / f"{index:05d}-1-abc.json").write_bytes(codec.encode(failure))
    return run_id


def a_receipt(run_id: str, index: int) -> Receipt:
    seconds = 1.0 + index % 7
    end = f"2026-11-24T08:{index // 600 % 60:02d}:{index // 10 % 60:02d}.000+00:00"
    data = DataObject("data/none", 10, "e" * 64, 10)
    return Receipt(run_id, index, "1-a", "c" * 64, Counts(10, 10), data, None, None, None, {}, seconds, end=end)


def a_reject(raw: str, *, truncated: bool = False) -> Reject:
    return Reject(6, 8, 120, "the town is not served", raw, truncated=truncated)
