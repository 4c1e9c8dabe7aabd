"""The evidence of a run: all that proves it, without row data, in one file that is the same each time it is made."""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from rowmill import wire
from rowmill.errors import IntegrityError, StateError
from rowmill.formats.described import rebuilt
from rowmill.formats.text import cuts_by_bytes
from rowmill.model import codec
from rowmill.model.failure import Failure
from rowmill.model.receipt import Receipt, Reject
from rowmill.runners.opening import workspace_at
from rowmill.runners.starting import absolute
from rowmill.steps.proof.comparing import BY_TABLE
from rowmill.steps.proof.finished import KEEP, Finished, finished, receipts_of
from rowmill.storage import open_storage, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.storage import Storage

AS_THEY_ARE = (wire.REPORTS, wire.ATTEMPTS, wire.INTENTS, wire.EXECUTIONS)  # folders of small objects that hold no rows
SUMS = "SHA256SUMS"
README = """Evidence of run {run_id} of the job {job}

Check it against the input and the output, which are not in here:

    python verify.py --input INPUT --output OUTPUT [--rejects OUTPUT_Rejects]

verify.py needs Python 3.11 or later and nothing else. Read it first: it takes ten minutes.

run.json           what was asked for, by whom
manifest.json      the partitions: which bytes and rows of the input each has, with digests
receipts/          of each partition: what became of its rows, of which code, and the digest of its results
filtered/          which rows were left out, and why: the first ordinal, then the distance to each next one
rejects.jsonl      which rows were refused, and why, without their text
report.json        the latest report; reports/ has all
attempts/          each try: who began it, when, with which code
intents/           who asked for a pause, to go on, for other workers, for the end; and what came of it
executions/        of a state machine
repairs/           what was corrected or waived, by whom, when and why: ordinals, counts, digests
failures/          what tries failed with, without their logs
aside.json         receipts that did not hold and were done again: names and digests
SHA256SUMS         the SHA-256 of each file

No row of the input or the output is in here. Rows are named by their ordinal: their place in the input, from 0.
Who keeps the SHA-256 of SHA256SUMS, or signs it, knows later that nothing was changed.
"""


class Evidence(msgspec.Struct, frozen=True):
    """What was made.

    Attributes:
        file: Where it is.
        sha256: Its digest.
        sums_sha256: That of its list of digests, which `verify.py` tells as well.
        files: How many are in it.
    """

    run_id: str
    file: str
    bytes: int
    sha256: str
    sums_sha256: str
    files: int
    schema: str = "rowmill.evidence/1"


class Refusal(msgspec.Struct, frozen=True):
    """A reject without the row's text."""

    partition: int
    ordinal: int
    line: int
    offset: int
    reason: str


def evidence(run_id: str, file: str, *, workspace: str | None = None, overwrite: bool = False) -> Evidence:
    """Write what proves a run that ended well into a zip file, without row data, with a script that checks it.

    The same run gives the same bytes.

    Args:
        run_id: Which run.
        file: Where it goes: a path or URL.
        workspace: As for `run`.
        overwrite: Replace a file that is there.

    Raises:
        StateError: The run has not ended well, or there is such a file.
        IntegrityError: Something of the run is gone, or does not read.
    """
    url = absolute(file)
    folder, name = place_of(url)
    target = open_storage(folder)
    if not overwrite and target.stat(name) is not None:
        raise StateError(f"{file} exists", hint="give another name, or --overwrite", url=url)
    place = workspace_at(workspace)
    files = dict(_files(finished(place, run_id)))
    sums = "".join(f"{hashlib.sha256(files[one]).hexdigest()}  {one}\n" for one in sorted(files)).encode()
    data = _zipped({**files, SUMS: sums})
    target.put(name, data)
    digest, sums_digest = (hashlib.sha256(one).hexdigest() for one in (data, sums))
    return Evidence(run_id, url, len(data), digest, sums_digest, len(files) + 1)


def _zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip file that knows no time and no machine."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            packed.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(run: Finished) -> Iterator[tuple[str, bytes]]:
    record, receipts = run.record, receipts_of(run)
    yield "README.txt", README.format(run_id=record.run_id, job=record.job).encode()
    yield "verify.py", resources.files(__package__).joinpath("verify.py").read_bytes()
    encoding = rebuilt(record.reads).encoding
    facts = {"run_id": record.run_id, "transcoded_from": "" if cuts_by_bytes(encoding) else encoding}
    yield "evidence.json", codec.encode({"schema": "rowmill.evidence/1", **facts})
    for value, name in ((record, wire.RUN), (run.manifest, wire.MANIFEST), (run.report, wire.REPORT)):
        yield name, codec.encode(value)
    for folder in AS_THEY_ARE:
        yield from _objects(run.place, record.run_id, folder)
    yield from _failures(run.place, record.run_id)
    for repair in run.repairs:
        yield f"{wire.REPAIRS}/{repair.number:05d}.json", codec.encode(repair)
    aside = {name: hashlib.sha256(data).hexdigest() for name, data in _objects(run.place, record.run_id, wire.ASIDE)}
    yield "aside.json", codec.encode(aside)
    for receipt in receipts:
        yield f"{wire.RECEIPTS}/{receipt.partition:05d}.json", codec.encode(receipt)
        if receipt.filtered is not None:
            yield f"{wire.FILTERED}/{receipt.partition:05d}.json", _needed(run.place, receipt.filtered.name)
    yield "rejects.jsonl", b"".join(codec.encode_line(one) for receipt in receipts for one in _refusals(run, receipt))


def _objects(place: Storage, run_id: str, folder: str) -> Iterator[tuple[str, bytes]]:
    for name in place.list(f"{wire.run_dir(run_id)}/{folder}"):
        yield name.removeprefix(f"{wire.run_dir(run_id)}/"), _needed(place, name)


def _failures(place: Storage, run_id: str) -> Iterator[tuple[str, bytes]]:
    """Give what tries failed with; what they wrote may show rows, and stays out."""
    for name, data in _objects(place, run_id, wire.FAILURES):
        failure = codec.decode(data, Failure, name=name)
        yield name, codec.encode(msgspec.structs.replace(failure, log=""))


def _refusals(run: Finished, receipt: Receipt) -> Iterator[Refusal]:
    if receipt.rejects is None:
        return
    name = receipt.rejects.name
    for line in _needed(run.place, name).splitlines():
        one = codec.decode(line, Reject, name=name)
        # a database's own words may name the value that it does not take
        reason = BY_TABLE.removesuffix(": ") if one.reason.startswith(BY_TABLE) else one.reason
        yield Refusal(receipt.partition, one.ordinal, one.line, one.offset, reason)


def _needed(place: Storage, name: str) -> bytes:
    data = place.get(name)
    if data is None:
        raise IntegrityError(f"{name} is gone from the workspace", hint=KEEP)
    return data
