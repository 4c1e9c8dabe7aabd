"""`rowmill evidence`: what proves a run, for people who do not trust its makers."""

from __future__ import annotations

import click

from rowmill.cli import declaring as declared
from rowmill.cli import layout, telling


@declared.command(
    "rowmill evidence RUN evidence.zip",
    "Write what proves a run into a zip file: manifest, receipts, reports, digests, counts, totals, attempts, who and "
    "when. No row is in it. Its verify.py needs Python alone, takes ten minutes to read, and checks the rest against "
    "input and output. The same run gives the same bytes.",
)
@declared.run_id
@click.argument("file", metavar="FILE")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@declared.workspace
@declared.as_json
def evidence(run_id: str, file: str, *, overwrite: bool, workspace: str | None, as_json: bool) -> None:
    """Write it, and tell its digest."""
    from rowmill import api

    made = api.evidence(run_id, file, workspace=workspace, overwrite=overwrite)
    if as_json:
        telling.answer_json(made)
        return
    pairs = [
        ("file", f"{made.file} ({layout.size(made.bytes)}, {made.files} files)"),
        ("sha256", made.sha256),
        ("SHA256SUMS", made.sums_sha256),
        ("check", "unpack it, then: python verify.py --input INPUT --output OUTPUT"),
    ]
    telling.answer(f"evidence of run {made.run_id}\n{layout.fields(pairs)}")
