"""From the user's words to a run with its places open: what is read, where results go, which run it is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rowmill import settings, wire
from rowmill.errors import ConfigurationError, InputError
from rowmill.formats.described import described
from rowmill.job import Job
from rowmill.model import codec, identity
from rowmill.model.policy import parse_budget
from rowmill.model.run import RunRecord
from rowmill.runners import attempts, loading
from rowmill.runners.opening import opened
from rowmill.steps.source import receive
from rowmill.storage import Storage, open_storage, place_of
from rowmill.storage.files import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowmill.steps import Run

NO_TABLE = "none"
STREAM_BYTES = 1024 * 1024


class Asked(NamedTuple):
    """What a user asks for.

    Attributes:
        job: The job, or a reference to it.
        input: Path or URL, or `-`.
        output: Path or URL; None = the input's name with `_Output`.
        params: What `ctx.params` gives.
        settings: Each setting that is said; None = not said.
        fresh: What an earlier try left does not count.
    """

    job: Job | str
    input: str
    output: str | None
    params: Mapping[str, str] | None
    settings: dict[str, Any]
    fresh: bool = False


class Started(NamedTuple):
    """A run that may begin, and where the user wants it carried out."""

    run: Run
    on: str


def start(asked: Asked) -> Started:
    """Return the run that these words mean, its places open; nothing is written but what standard input gave.

    Raises:
        ConfigurationError: The words do not fit together, or name no job.
        InputError: The input is not there.
    """
    job, reference = job_of(asked.job)
    if job.function is None:
        raise ConfigurationError(f"the job {job.name!r} has no function", hint="decorate one with @job.process")
    chosen = settings.resolve(asked.settings, {"rows_per_partition": job.rows_per_partition, "rejects": job.rejects})
    parse_budget(chosen["rejects"].value)  # before the first byte of the input is read
    on = _runner(chosen["on"].value, reference)
    workspace = open_storage(chosen["workspace"].value)
    given = _received(asked, workspace, job) if asked.input == "-" else _found(asked.input)
    record = _record(asked, job, reference, given, chosen)
    if not asked.fresh:
        record = _first_started(record, workspace)
    if given.received:
        workspace.move(given.received, f"{wire.run_dir(record.run_id)}/{wire.SPOOL}")
    return Started(opened(workspace, record, job, reference), on)


class Given(NamedTuple):
    """The input as it is.

    Attributes:
        url, version: Its identity.
        received: Where the bytes of standard input are kept, else empty.
    """

    url: str
    version: str
    received: str = ""


def _found(given: str) -> Given:
    url = absolute(given)
    folder, name = place_of(url)
    storage = open_storage(folder)
    found = storage.stat(name)
    if found is None:
        raise InputError(f"{given} does not exist", hint="check the path", url=url)
    with storage.open(name):
        return Given(url, found.version)


def _received(asked: Asked, workspace: Storage, job: Job) -> Given:
    """Keep what standard input gives: its content is its version."""
    if asked.output is None:
        raise ConfigurationError("standard input has no name to derive an output from", hint="give --output")

    def stream() -> Iterator[bytes]:
        while data := sys.stdin.buffer.read(STREAM_BYTES):
            yield data

    name = f"incoming/{attempts.unique_name()}"
    return Given("-", receive(workspace, name, stream(), job.reads.encoding), name)


def _record(asked: Asked, job: Job, reference: str, given: Given, chosen: Mapping[str, settings.Value]) -> RunRecord:
    if asked.output == "-":
        raise ConfigurationError("an output appears whole, and not on standard output", hint="give a file's name")
    output = absolute(asked.output) if asked.output is not None else f"{given.url}_Output"
    if output == given.url:
        raise ConfigurationError("input and output are the same file", hint="give another --output", url=output)
    params, table = dict(asked.params or {}), _table_url(job, chosen["table"])
    return RunRecord(
        run_id=identity.run_id(
            job=job.name,
            input_url=given.url,
            input_version=given.version,
            params=params,
            output_format=repr(job.writes),
            output_url=output,
            table_url=table,
        ),
        job=job.name,
        job_ref=reference,
        input=given.url,
        input_version=given.version,
        output=output,
        table=table,
        params=params,
        reads=described(job.reads),
        writes=described(job.writes),
        output_format=repr(job.writes),
        rows_per_partition=chosen["rows_per_partition"].value,
        workers=chosen["workers"].value,
        rejects=chosen["rejects"].value,
        started=attempts.now(),
        who=attempts.who(),
        create_table=chosen["create_table"].value,
        write_rate=chosen["write_rate"].value,
        tracker=chosen["tracker"].value,
        sensitive=job.sensitive,
    )


def _first_started(record: RunRecord, workspace: Storage) -> RunRecord:
    """Return the record with the time of the run's first try, which is what `ctx.now` says."""
    name = f"{wire.run_dir(record.run_id)}/{wire.RUN}"
    before = workspace.get(name)
    if before is None:
        return record
    return msgspec.structs.replace(record, started=codec.decode(before, RunRecord, name=name).started)


def job_of(job: Job | str) -> tuple[Job, str]:
    """Return the job and the reference by which workers find it, empty if they cannot."""
    if isinstance(job, Job):
        return job, loading.reference_of(job) or ""
    where, name = loading.split_reference(job)
    path = str(path_of(where)) if where.endswith(".py") or "/" in where else where
    return loading.load_job(job), f"{path}:{name}"


def _runner(on: str | None, reference: str) -> str:
    if reference:
        return on or ""
    if on == "processes":
        raise ConfigurationError(
            "worker processes cannot find a job that is defined in a notebook or at a prompt",
            hint="put the job into a file, as job.py, and run 'job.py'; or run it with on='inline'",
        )
    return "inline"


def absolute(given: str | os.PathLike[str]) -> str:
    """Return a path as an absolute one; other URLs as they are, without user info."""
    url = os.fspath(given)
    if any("\ud800" <= char <= "\udfff" for char in url):  # so Python holds bytes of a name that are no text
        raise ConfigurationError("a file name is not UTF-8, and no report could hold it", hint="rename the file")
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme in ("", "file"):
        return str(path_of(url))
    if urlsplit(url).password:
        raise ConfigurationError("a URL must not hold a password", hint="give it by the store's own settings")
    return url


def _table_url(job: Job, chosen: settings.Value) -> str:
    if chosen.value == NO_TABLE:
        return ""
    if job.table is None:
        if chosen.origin == "option":
            raise ConfigurationError(
                f"--table is given, and the job {job.name!r} declares no table", hint="declare Job(table=Table(…))"
            )
        return ""
    url = str(chosen.value)
    if url.startswith("sqlite:///"):
        return f"sqlite:///{path_of(url.removeprefix('sqlite:///'))}"
    return url
