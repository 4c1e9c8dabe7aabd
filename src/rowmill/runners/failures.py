"""Why a try failed, kept in the workspace: it can be read when the process that told it is gone."""

from __future__ import annotations

import platform
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from rowmill import wire
from rowmill.errors import HeldError, RowmillError
from rowmill.model import codec
from rowmill.model.failure import LOG_BYTES, Failure
from rowmill.model.manifest import Manifest
from rowmill.runners import attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rowmill.steps import Run
    from rowmill.storage import Storage


class Told(NamedTuple):
    """What is known of a failure.

    Attributes:
        attempt: Number of the try.
        name: Tells it from other failures of the try.
        host: Where it ran; a pod's name.
        error: What is told.
        log: What the process wrote last.
    """

    attempt: int
    name: str
    host: str
    error: RowmillError
    log: str


@contextmanager
def kept(run: Run, log: Callable[[], str] = str, *, attempt: int | None = None) -> Iterator[None]:
    """Keep the error with which the work within fails.

    Args:
        run: The run.
        log: Gives what the process has written lately.
        attempt: Number of the try; None = the newest, whoever began it.
    """
    try:
        yield
    except HeldError:  # no failure: the report tells it
        raise
    except RowmillError as error:
        with suppress(RowmillError):  # the error itself is what has to be told
            number = attempts.newest_number(run.workspace, run.id) if attempt is None else attempt
            index = error.context.get("partition")
            told = Told(number, attempts.unique_name(), platform.node(), error, log())
            keep(run.workspace, run.id, index if isinstance(index, int) else None, told)
        raise


def keep(place: Storage, run_id: str, partition: int | None, told: Told) -> None:
    """Write down a failure of a partition, or of the run as a whole."""
    name = f"{wire.run_dir(run_id)}/{wire.MANIFEST}"
    data = None if partition is None else place.get(name)
    part = None if data is None else codec.decode(data, Manifest, name=name).partitions[partition or 0]
    unique = f"{told.attempt}-{told.name}"
    failure = Failure(
        run_id=run_id,
        partition=None if part is None else part.index,
        attempt=unique,
        host=told.host,
        end=attempts.now(),
        first_ordinal=0 if part is None else part.first_ordinal,
        rows=0 if part is None else part.rows,
        first_line=0 if part is None else part.first_line,
        error=told.error.as_dict(),
        log=told.log[-LOG_BYTES:],
    )
    place.create(wire.failure_name(run_id, failure.partition, unique), codec.encode(failure))


def all_of(place: Storage, run_id: str, partition: int | None = None) -> list[Failure]:
    """Return what is kept of failed tries, the oldest first: of a run, or of one of its partitions."""
    names = place.list(f"{wire.run_dir(run_id)}/{wire.FAILURES}")
    read = ((name, place.get(name)) for name in names)
    found = [codec.decode(data, Failure, name=name) for name, data in read if data is not None]
    return sorted((one for one in found if partition in (None, one.partition)), key=lambda one: one.end)


def newest(place: Storage, run_id: str, attempt: int, receipts: set[str]) -> Failure | None:
    """Return the last failure of a try that nothing has mended: of the run, or of a partition without a receipt.

    Args:
        place: The workspace.
        run_id: Which run.
        attempt: Number of the try.
        receipts: Names of the receipts that there are.
    """
    kept_ones = []
    for name in place.list(f"{wire.run_dir(run_id)}/{wire.FAILURES}"):
        _, number, _ = name.rpartition("/")[2].split("-", 2)
        data = place.get(name) if number == str(attempt) else None
        if data is not None:
            kept_ones.append(codec.decode(data, Failure, name=name))
    left = [
        one for one in kept_ones if one.partition is None or wire.receipt_name(run_id, one.partition) not in receipts
    ]
    return max(left, key=lambda one: one.end, default=None)
