"""What is left of a run's rejects: to be read, with sensitive columns hidden, or to be corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill import wire
from rowmill.errors import StateError
from rowmill.formats.described import rebuilt
from rowmill.formats.masking import masked_row
from rowmill.model import codec
from rowmill.model import repair as rules
from rowmill.model.manifest import Manifest
from rowmill.model.run import RunRecord
from rowmill.runners import fixing
from rowmill.runners.opening import workspace_at
from rowmill.steps import generations
from rowmill.steps.source import in_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.model.receipt import Reject
    from rowmill.steps.generations import Generation
    from rowmill.storage import Storage


class Listed(msgspec.Struct, frozen=True):
    """A reject that is left.

    Attributes:
        ordinal: 0-based place in the input, header not counted.
        line: 1-based physical line on which it starts.
        row: Its text, or the text that was handed in for it and refused as well.
        truncated: The text is cut.
        waived: Somebody accepted it.
    """

    ordinal: int
    line: int
    reason: str
    row: str
    truncated: bool
    waived: bool


class Rejects(msgspec.Struct, frozen=True):
    """What is left of a run's rejects, in the order of the input.

    Attributes:
        sensitive: Columns that are hidden here.
    """

    run_id: str
    rejects: tuple[Listed, ...]
    sensitive: tuple[str, ...] = ()
    schema: str = "rowmill.rejects/1"


def rejects(run_id: str, *, workspace: str | None = None) -> Rejects:
    """Return what is left of a run's rejects, as it may be shown: sensitive columns are hidden.

    Args:
        run_id: Which run.
        workspace: Where it is.

    Raises:
        StateError: There is no such run.
    """
    place = workspace_at(workspace)
    record, columns = _recorded(place, run_id)
    reads = in_utf8(rebuilt(record.reads))
    found = generations.seen(place, run_id)
    accepted = rules.waived(found.repairs)
    listed = (
        Listed(
            one.ordinal,
            one.line,
            one.reason,
            masked_row(reads, columns, record.sensitive, one.raw),
            one.truncated,
            one.ordinal in accepted,
        )
        for one in _left(place, found)
    )
    return Rejects(run_id, tuple(listed), record.sensitive)


def rejects_csv(run_id: str, *, workspace: str | None = None) -> str:
    """Return what is left of a run's rejects as the file that `repair` takes back, rows as they stand.

    Args:
        run_id: Which run.
        workspace: Where it is.
    """
    place = workspace_at(workspace)
    _recorded(place, run_id)
    return fixing.listing(_left(place, generations.seen(place, run_id)))


def _left(place: Storage, found: Generation) -> Iterator[Reject]:
    for index in sorted(found.receipts):
        yield from generations.rejects_in(place, found.receipts[index])


def _recorded(place: Storage, run_id: str) -> tuple[RunRecord, tuple[str, ...] | None]:
    """Return what a run is asked to do, and the input's columns.

    Raises:
        StateError: There is no such run.
    """
    folder = wire.run_dir(run_id)
    data, known = place.get(f"{folder}/{wire.RUN}"), place.get(f"{folder}/{wire.MANIFEST}")
    if data is None:
        raise StateError(f"there is no run {run_id} in {place.url}", hint="`rowmill runs` lists them")
    manifest = None if known is None else codec.decode(known, Manifest, name=wire.MANIFEST)
    return codec.decode(data, RunRecord, name=wire.RUN), None if manifest is None else manifest.columns
