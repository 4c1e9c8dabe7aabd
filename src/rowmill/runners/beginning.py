"""Whether a run may begin, and from where: anew, or not at all since something is in the way or was done before."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from rowmill import wire
from rowmill.errors import ConfigurationError, StateError
from rowmill.runners import remembering
from rowmill.steps import merge as merging
from rowmill.steps.generations import repairs_begun
from rowmill.steps.output import Publishing
from rowmill.storage import place_of, scheme_of
from rowmill.storage.files import path_of

if TYPE_CHECKING:
    from pathlib import Path

    from rowmill.model.manifest import Manifest
    from rowmill.model.report import Report
    from rowmill.steps import Run


def start_anew(run: Run) -> None:
    """Forget what the run did, in the table and in the workspace; whose the output is stays known.

    Restart: the table first and the manifest last, so that what is left at any point is an unfinished run.
    """
    discard_table(run)
    kept, last = {run.name(wire.CLAIM), run.name(wire.PUBLISHING)}, run.name(wire.MANIFEST)
    for folder in (wire.CLAIM, wire.EXECUTIONS):  # who has the run outlives what it did
        kept |= set(run.workspace.list(run.name(folder)))
    if run.record.input == "-":
        kept.add(run.name(wire.SPOOL))  # it has just come in, and comes once
    for name in sorted(set(run.workspace.list(run.name())) - kept, key=lambda name: (name == last, name)):
        run.workspace.delete(name)


def discard_table(run: Run) -> None:
    """Forget what the run and its repairs staged and settled in the table; the last repair first."""
    if run.table is None:
        return
    for number in sorted(repairs_begun(run), reverse=True):
        with closing(run.table.of_repair(number)) as table:
            table.discard()
    run.table.discard()


def check_output(run: Run, *, overwrite: bool) -> None:
    """Refuse to replace a file that another run, or nobody here, has written, and a folder that takes no file.

    Raises:
        StateError: There is one.
        ConfigurationError: The folder is closed to us, which publishing would find out after all rows are done; or a
            folder or a device has the name.
    """
    folder, name = place_of(run.record.output)
    if scheme_of(folder) in ("", "file"):
        _refuse_closed(path_of(folder))
        _refuse_other_than_file(path_of(folder) / name)
    if overwrite or run.open_storage(folder).stat(name) is None:
        return
    if run.load(run.name(wire.PUBLISHING), Publishing) is None:
        raise StateError(
            f"{run.record.output} exists, and this run did not write it",
            hint="give --overwrite to replace it, or another --output",
            url=run.record.output,
        )


def _refuse_closed(folder: Path) -> None:
    """Refuse a folder, or what it would be made in, where no file can be made."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if there.is_dir() and not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{there}: no output can be written there", hint="check its rights, or give another --output"
        )


def _refuse_other_than_file(path: Path) -> None:
    """Refuse a folder's name, and that of a device, which a rename would take away from the whole machine."""
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a file, and no output replaces it", hint="give another --output")


def check_code_of(done: Report, run: Run, *, keep: bool) -> None:
    """Tell that a run which ended well was made by other code, and not that it is what this code would make.

    Raises:
        StateError: It was, and nobody said that it shall stay.
    """
    if not keep and set(done.code_digests) - {run.code_digest}:
        raise StateError(
            f"the job's code changed since this run ended well on {done.end}: its results are of the code before",
            hint="give --fresh to do all rows anew, or --continue to keep what is there",
            run_id=run.id,
        )


def refuse_known_content(run: Run, manifest: Manifest, *, fresh: bool) -> None:
    """Tell that the same content was done before under another name or date.

    Raises:
        StateError: It was, and `--fresh` was not given; nothing is left of this run.
    """
    if fresh:
        return
    params = {f"param {name}": value for name, value in run.record.params.items()}
    for other in remembering.others(run):
        if (other.job, other.input.digest) != (run.record.job, manifest.input.digest):
            continue
        same_params = {name: value for name, value in other.options.items() if name.startswith("param ")} == params
        if same_params and (other.input.url, other.input.version) != (run.record.input, run.record.input_version):
            start_anew(run)
            raise StateError(
                f"run {other.run_id} did the same content on {other.end}, from {other.input.url}",
                hint="nothing was written; give --fresh to do it again",
            )


def check_code(run: Run, manifest: Manifest, *, keep: bool) -> None:
    """Refuse to mix results of two versions of the code without being told to.

    Raises:
        StateError: The code changed under an unfinished run.
    """
    if keep:
        return
    digests = {receipt.code_digest for receipt in merging.receipts_of(run, manifest).values()}
    if digests - {run.code_digest}:
        raise StateError(
            "the job's code changed since finished partitions of this run were made",
            hint="give --continue to keep them (both versions are reported), or --fresh to do all rows anew",
            run_id=run.id,
        )
