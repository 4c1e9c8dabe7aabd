"""`rowmill render`: a request as manifests, for those who apply them by other ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowmill.cli import declaring as declared
from rowmill.cli import telling
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@declared.command(
    "rowmill render orders.py s3://in/orders.csv --image registry.example/rowmill:1 --workspace s3://in/runs",
    "Show the Kubernetes objects of a run that the cluster carries out by itself. Nothing is asked of a cluster.\n\n"
    "yaml is one file, kustomize a base folder: a coordinator's KubernetesJob with its code and rights. argo is a "
    "WorkflowTemplate that takes the steps itself.",
)
@declared.job
@declared.input_
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "kustomize", "argo"]),
    default="yaml",
    show_default=True,
    help="What is written.",
)
@click.option("--into", metavar="FOLDER", help="Write files there, and not on standard output.")
@declared.request_options
@declared.kubernetes_options
def render(
    job: str,
    input: str,  # noqa: A002 - the user's word
    *,
    form: str,
    into: str | None,
    **chosen: Any,
) -> None:
    """Render, and write or show what came of it."""
    from rowmill import api

    if form == "kustomize" and into is None:
        raise click.UsageError("a kustomize base is a folder: give --into FOLDER")
    declared.refuse_keep_and_fresh(chosen)
    with telling.users_code():
        files = api.render(job, input, form, **chosen)
    if into is None:
        click.echo("".join(files.values()), nl=False)
    else:
        _write(Path(into), files)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}", hint="give another --into") from None
    telling.answer("\n".join(str(folder / name) for name in files))
