"""Crash injection: your own job, killed at every operation in turn, must come to the same end each time.

```python
from rowmill.testing import crash

def test_my_job_survives():
    crash.survive("orders.py", "forty_orders.csv", rows_per_partition=10)
```
A run's places are wrapped so that each operation that changes something is counted: creating, each write, publishing,
staging, committing, settling. The process kills itself with SIGKILL before or after the chosen one; then the same
command is given again. All of it happens in forks of one process that has the job loaded, a few milliseconds each.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apsw
import msgspec

from rowmill import api
from rowmill.errors import ConfigurationError, HeldError
from rowmill.runners import loading, opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rowmill.job import Job
    from rowmill.steps import Run
    from rowmill.storage import Storage
    from rowmill.tables import OpenTable

READING = {"url", "stat", "get", "open", "list", "read", "markers", "settled", "rows", "count", "close"}
BLOCKS = {"writer", "claim", "joining"}
CHANGES = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}  # audit events
WRITING = os.O_CREAT | os.O_WRONLY | os.O_RDWR
MEMORY = "/dev/shm"  # noqa: S108 - only its speed is wanted
STARTED = "2000-01-01T00:00:00+00:00"  # `ctx.now` of every run here: two that are compared start at one time


class Blow(NamedTuple):
    """When a process kills itself.

    Attributes:
        at: Number of the operation.
        after: Whether the operation is done before.
    """

    at: int
    after: bool


class Operations:
    """Counts the operations that change something, and kills its process at one of them.

    Attributes:
        names: What was done so far, in order.
    """

    def __init__(self, blow: Blow | None = None) -> None:
        self.names: list[str] = []
        self._blow = blow
        self._lock = threading.Lock()  # settling has its own thread

    def do(self, name: str, call: Callable[[], Any]) -> Any:
        """Do one operation, if it is not the one to die before."""
        with self._lock:
            at = len(self.names)
            self.names.append(name)
        self._strike(Blow(at, after=False))
        result = call()
        self._strike(Blow(at, after=True))
        return result

    def _strike(self, now: Blow) -> None:
        if now == self._blow:
            os.kill(os.getpid(), signal.SIGKILL)


def counted_run(run: Run, operations: Operations) -> Run:
    """Return a run whose workspace, other storages and table are counted."""
    table = None if run.table is None else cast("OpenTable", Counted(run.table, "table", operations))
    return run._replace(
        record=msgspec.structs.replace(run.record, started=STARTED),
        workspace=cast("Storage", Counted(run.workspace, "workspace", operations)),
        open_storage=lambda url: cast("Storage", Counted(run.open_storage(url), "storage", operations)),
        table=table,
    )


class Counted:
    """A place whose operations are counted; it answers like the place itself."""

    def __init__(self, place: Any, name: str, operations: Operations) -> None:
        self._place = place
        self._name = name
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        """Return the place's own, counted if it changes something."""
        own = getattr(self._place, name)
        if name == "of_repair":
            return lambda number: Counted(own(number), f"table of repair {number}", self._operations)
        if name in READING or not callable(own):
            return own

        def counted(*words: Any, **named: Any) -> Any:
            if name in BLOCKS:
                return self._block(name, own(*words, **named))
            what = f"{self._name}.{name}({words[0] if words and isinstance(words[0], str) else ''})"
            result = self._operations.do(what, lambda: own(*words, **named))
            return Counted(result, "stage", self._operations) if name == "stage" else result

        return counted

    @contextmanager
    def _block(self, name: str, block: Any) -> Iterator[Any]:
        inside = self._operations.do(f"{self._name}.{name} begins", block.__enter__)
        try:
            yield Counted(inside, name, self._operations)
        except BaseException:
            if not block.__exit__(*sys.exc_info()):
                raise
        else:
            self._operations.do(f"{self._name}.{name} ends", lambda: block.__exit__(None, None, None))


class Survived(NamedTuple):
    """A job that came to the same end after every crash.

    Attributes:
        operations: What an uninterrupted run does, in order.
        kills: How often a run was killed and went on.
    """

    operations: tuple[str, ...]
    kills: int


def survive_files(job: Job | str, input: str, **options: Any) -> Survived:  # noqa: A002 - the user's word
    """Do as `survive` does, but kill before every change of a file: finer, and for places that are files."""
    return surviving("files", job, input, options)


def survive(job: Job | str, input: str, **options: Any) -> Survived:  # noqa: A002 - the user's word
    """Run a job on a small input, kill it before and after every operation in turn, and let it go on each time.

    Args:
        job: A `Job` of a module, or a reference: `path/to/file.py[:name]`, `package.module[:name]`.
        input: The file's path; some dozens of rows in a few partitions say the most.
        options: As `rowmill.run` takes them: `rows_per_partition`, `params`, `rejects`. Places are chosen here.

    Raises:
        AssertionError: After some crash the output, the rejects, the table or the counts are others than those of the
            uninterrupted run, or a partition that had its receipt was done again.

    Cost: two short runs per operation and side, some 30 ms each.
    """
    return surviving("places", job, input, options)


def survive_repairs(job: Job | str, input: str, fixes: Sequence[str], **options: Any) -> Survived:  # noqa: A002
    """Do as `survive` does with a run and the repairs that follow it, each given again after a kill.

    Args:
        job: As for `survive`.
        input: As for `survive`.
        fixes: Paths of the files of corrections, in the order in which they are handed in.
        options: As for `survive`; with `rejects="hold"` the last repair must leave nothing.
    """
    return surviving("places", job, input, options, fixes)


def surviving(
    counting: str, job: Job | str, given: str, options: dict[str, Any], fixes: Sequence[str] = ()
) -> Survived:
    """Start the process that forks, and tell what it found."""
    reference = job if isinstance(job, str) else loading.reference_of(job)
    if reference is None:
        raise ConfigurationError("the job cannot be found from another process", hint="put it into a file")
    with tempfile.TemporaryDirectory(prefix="rowmill-crash-", dir=scratch()) as folder:
        path = [path for path in sys.path if path]
        whole = [str(Path(fix).absolute()) for fix in fixes]
        order = Order(counting, reference, str(Path(given).absolute()), options, folder, path, whole)
        done = subprocess.run(
            [sys.executable, "-m", "rowmill.testing.crash"], input=msgspec.json.encode(order), stdout=2, check=False
        )
        verdict = Path(folder, "verdict")
        if done.returncode or not verdict.exists():
            raise AssertionError(f"the crash test itself ended with {done.returncode}; see standard error")
        found = msgspec.json.decode(verdict.read_bytes(), type=Verdict)
    if found.failure:
        raise AssertionError(found.failure)
    return Survived(tuple(found.operations), found.kills)


def scratch() -> str | None:
    """Return a folder in memory if there is one: a process that is killed loses nothing that it has written."""
    return MEMORY if os.access(MEMORY, os.W_OK) else None


class Order(msgspec.Struct):
    """What the forking process is asked to do."""

    counting: str
    job: str
    input: str
    options: dict[str, Any]
    folder: str
    path: list[str]
    fixes: list[str] = []


class Verdict(msgspec.Struct):
    """What it found."""

    operations: list[str]
    kills: int
    failure: str = ""


def main() -> None:
    """Load the job once, then crash it in forks."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.path[:0] = [path for path in order.path if path not in sys.path]
    loading.load_job(order.job)
    verdict = judged(order)
    Path(order.folder, "verdict").write_bytes(msgspec.json.encode(verdict))


def judged(order: Order) -> Verdict:
    """Kill at every operation in turn until one run ends otherwise than the uninterrupted one."""
    whole = Path(order.folder, "whole")
    if (code := forked(order, whole, None)) != 0:
        return Verdict([], 0, f"the uninterrupted run {said(whole, code)}")
    expected = ending(whole)
    operations = Path(whole, "operations").read_text().splitlines()
    kills = 0
    sides = (False, True) if order.counting == "places" else (False,)  # a file's next change is what comes after
    for blow in (Blow(at, after) for at in range(len(operations)) for after in sides):
        failure = crashed(order, blow, expected)
        if failure:
            side = "after" if blow.after else "before"
            return Verdict(operations, kills, f"killed {side} operation {blow.at}, {operations[blow.at]}: {failure}")
        kills += 1
    return Verdict(operations, kills)


def crashed(order: Order, blow: Blow, expected: Mapping[str, Any]) -> str:
    """Crash once, go on, and return what is wrong then."""
    folder = Path(order.folder, "trial")
    try:
        if (code := forked(order, folder, blow)) != -signal.SIGKILL:
            return f"the run was not killed but ended with {code}"
        receipts = receipts_in(folder)
        if (code := forked(order, folder, None)) != 0:
            return f"the same command {said(folder, code)}"
        found = ending(folder)
        wrong = [name for name in expected if found[name] != expected[name]]
        after = receipts_in(folder)
        redone = [name for name, receipt in receipts.items() if after.get(name) != receipt]
        if wrong:
            return f"{', '.join(wrong)} differ from those of the uninterrupted run"
        return f"partitions with receipts were done again: {', '.join(redone)}" if redone else ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def said(folder: Path, code: int) -> str:
    """Return how a run failed; one that a signal ended has said nothing."""
    told = Path(folder, "error")
    return f"fails: {told.read_text('utf-8')}" if told.exists() else f"ended with {code}"


def forked(order: Order, folder: Path, blow: Blow | None) -> int:
    """Run the job in a fork of this process; return how it ended, a signal as a negative number."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run_here(order, folder, Operations(blow))
            code = 0
        except BaseException as error:  # noqa: BLE001 - it is told by the parent
            Path(folder, "error").write_text(f"{type(error).__name__}: {error}", "utf-8")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_here(order: Order, folder: Path, operations: Operations) -> None:
    """Give the command in this process."""
    job = loading.load_job(order.job)
    COUNTING[order.counting](folder, operations)
    places = {"output": f"{folder}/output", "workspace": f"{folder}/workspace"}
    if job.table is not None:
        places["table"] = f"sqlite:///{folder}/table.db"
    with suppress(HeldError):
        api.run(order.job, order.input, **{**order.options, **places, "on": "inline", "workers": 1})
    for fix in order.fixes:
        run_id = next(Path(folder, "workspace/runs").iterdir()).name
        with suppress(HeldError):
            api.repair(run_id, fix, workspace=places["workspace"], job=order.job)
    names = list(operations.names)
    Path(folder, "operations").write_text("".join(f"{name}\n" for name in names), "utf-8")


def count_places(_: Path, operations: Operations) -> None:
    """Count what the run asks of its places."""
    opening.between.set(lambda run: counted_run(run, operations))


def count_files(folder: Path, operations: Operations) -> None:
    """Count what this process does to files of a folder; SQLite's own writes are SQLite's to survive."""
    opening.between.set(lambda run: counted_run(run, Operations()))

    def see(event: str, facts: tuple[Any, ...]) -> None:
        changes = event in CHANGES or (event == "open" and isinstance(facts[2], int) and facts[2] & WRITING)
        if changes and str(facts[0]).startswith(f"{folder}/"):
            operations.do(f"{event}({', '.join(str(fact) for fact in facts[:2])})".replace("\n", " "), lambda: None)

    sys.addaudithook(see)


COUNTING = {"places": count_places, "files": count_files}


def ending(folder: Path) -> dict[str, Any]:
    """Return all of an ended run that crashes must not change."""
    beside = {kind: Path(folder, f"output_{kind}") for kind in ("Rejects", "Repairs")}
    report = msgspec.json.decode(next(folder.glob("workspace/runs/*/report.json")).read_bytes())
    return {
        "output bytes": Path(folder, "output").read_bytes(),
        **{kind.lower(): path.read_bytes() if path.exists() else None for kind, path in beside.items()},
        "table rows": table_in(Path(folder, "table.db")),
        "counts": report["counts"],
        "totals": report["totals"],
        "digests": report["output_sha256"],
        "half-written files": [path.name for path in folder.rglob(".*.part")],
    }


def table_in(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all tables of a database but the book-keeping, their rows sorted."""
    if not path.exists():
        return {}
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        names = [str(name) for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        kept = [name for name in names if name not in ("_rowmill_markers", "_rowmill_runs")]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in kept}
        return {name: sorted(db.execute(f"SELECT * FROM {quoted[name]}").fetchall(), key=repr) for name in kept}  # noqa: S608
    finally:
        db.close()


def receipts_in(folder: Path) -> dict[str, bytes]:
    """Return the receipts of the one run in a folder's workspace."""
    return {path.name: path.read_bytes() for path in folder.glob("workspace/runs/*/receipts/*.json")}


if __name__ == "__main__":
    main()
